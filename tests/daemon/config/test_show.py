from msgspec import structs

from innkeepd.config.load import load
from innkeepd.config.schema import Config
from innkeepd.config.show import show

TEXT = """
[models.big]
context = 8192
[http]
port = 12000
token = "hunter2"
allow_admin = ["create", "copy"]
[residency]
idle_unload = "never"
[[backends]]
name = "ray"
url = "http://ray:1/v1"
timeouts = { stall = "5s" }
"""


def test_what_is_shown_reads_back_as_the_same_configuration_but_for_secrets(tmp_path):
    (tmp_path / "a.toml").write_text(TEXT)
    config = load(tmp_path / "a.toml", {})
    (tmp_path / "b.toml").write_text(show(config))
    again = load(tmp_path / "b.toml", {})
    again = structs.replace(again, http=structs.replace(again.http, token="hunter2"))
    assert structs.replace(again, file=None, sources={}) == structs.replace(config, file=None, sources={})


def test_a_comment_names_where_a_value_came_from_and_no_secret_shows(tmp_path):
    (tmp_path / "a.toml").write_text(TEXT)
    text = show(load(tmp_path / "a.toml", {"OLLAMA_HOST": "h:1"}))
    assert "port = 12000  # a.toml\n" in text
    assert 'url = "http://h:1"  # $OLLAMA_HOST\n' in text
    assert '[models."big:latest"]\ncontext = 8192  # a.toml\n' in text
    assert 'stall = "5s"  # a.toml\n' in text
    assert 'token = "***"  # a.toml\n' in text
    assert 'idle_unload = "never"  # a.toml\n' in text
    assert 'budget = "auto"\n' in text
    assert "hunter2" not in text


def test_without_a_file_that_is_said():
    assert show(Config()).startswith("# no file; every value is the default\n")
