from innkeepd.config.check import complaints
from innkeepd.config.schema import Config, HttpConfig, OllamaConfig


def test_the_defaults_contradict_nothing():
    assert list(complaints(Config())) == []


def test_our_own_port_is_fine_for_ollama_while_it_is_switched_off():
    config = Config(ollama=OllamaConfig(url="http://127.0.0.1:11435"), http=HttpConfig(enabled=False, host="0.0.0.0"))
    assert list(complaints(config)) == []


def test_every_contradiction_is_told_not_only_the_first():
    config = Config(ollama=OllamaConfig(url="http://127.0.0.1:11435"), http=HttpConfig(host="0.0.0.0"))
    assert [at for at, _ in complaints(config)] == ["http.host", "ollama.url"]
