import pytest

from innkeepd.config.schema import HttpConfig
from innkeepd.connect import installation
from innkeepd.connect.installation import address, find
from innkeepd.errors import ConfigError, DaemonError
from innkeepd.service.probe import Kept
from support.innkeepd import Daemon


def configured(person, text):
    person.home.mkdir(exist_ok=True)
    (person.home / "config.toml").write_text(text)


def test_without_a_daemon_the_configuration_is_what_holds(person):
    configured(
        person,
        '[http]\nport = 7\ntoken = "t"\n[models."deepseek-r1:32b"]\ncontext = 8192\n',
    )
    found = find(None, person.environ)
    assert (found.installation.url, found.installation.token) == ("http://127.0.0.1:7", "t")
    assert found.installation.contexts == {"auto": 8192, "coding": 16384, "reasoning": 8192, "general": 16384}
    assert found.notes == ["no innkeepd runs, so the contexts are those of config.toml, else 16384 tokens"]


def test_another_address_may_be_named(person):
    assert find(None, person.environ, "http://mac:11435").installation.url == "http://mac:11435"


def test_a_port_that_is_switched_off_is_told_with_the_way_to_switch_it_on(person):
    configured(person, "[http]\nenabled = false\n")
    with pytest.raises(DaemonError) as refused:
        find(None, person.environ)
    assert f"set `enabled = true` under [http] in {person.home}/config.toml" in str(refused.value)


def test_a_broken_configuration_is_told(person):
    configured(person, "[http")
    with pytest.raises(ConfigError, match="line 1: not TOML"):
        find(None, person.environ)


def test_a_socket_path_that_is_too_long_is_told(person):
    with pytest.raises(DaemonError, match="the most is 103"):
        find(None, {**person.environ, "INNKEEP_SOCKET": "/x" * 60})


def test_the_running_daemons_address_wins_over_the_file(person, monkeypatch):
    configured(person, "[http]\nport = 7\n")
    kept = Kept("http://127.0.0.1:11434", None, str(person.home / "config.toml"), "127.0.0.1:9")
    monkeypatch.setattr(installation, "kept_by", lambda _path: kept)
    found = find(None, {**person.environ, "OLLAMA_HOST": "not an address at all"})
    assert found.installation.url == "http://127.0.0.1:9"
    assert found.notes == [
        "no innkeepd answers at its HTTP port, so the contexts are those of config.toml, else 16384 tokens"
    ]
    monkeypatch.setattr(installation, "kept_by", lambda _path: Kept("http://127.0.0.1:11434", None, "", ""))
    with pytest.raises(DaemonError, match="switched off"):
        find(None, person.environ)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1"),
        ("::", "http://127.0.0.1:1"),
        ("::1", "http://[::1]:1"),
        ("mac", "http://mac:1"),
    ],
)
def test_a_client_gets_an_address_that_it_can_ask(host, url):
    assert address(HttpConfig(host=host, port=1)) == url


@pytest.mark.processes
def test_a_running_daemon_tells_the_contexts_that_it_serves_with(tmp_path):
    with Daemon(config='[models."qwen2.5-coder:32b"]\ncontext = 8192\n') as daemon:
        found = find(None, {"HOME": str(tmp_path), "INNKEEP_HOME": str(daemon.home)})
    assert (found.installation.url, found.installation.token, found.notes) == (daemon.url, "", [])
    assert found.installation.contexts.keys() == {"auto", "coding", "reasoning", "general"}
    assert found.installation.contexts["auto"] == min(found.installation.contexts.values())
