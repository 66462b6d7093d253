import pytest

from innkeepd.clients.scan import LARGEST, look, names_port
from innkeepd.clients.table import clients


def test_a_file_that_names_ollamas_port_is_found(tmp_path):
    settings = tmp_path / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"env": {"ANTHROPIC_BASE_URL": "http://localhost:11434"}}')
    seen = {one.client: one for one in look({"PATH": ""}, tmp_path, "linux", (11434, 11435))}
    assert seen.keys() == clients().keys()
    assert seen["claude-code"].naming == {11434: [settings], 11435: []}
    assert seen["claude-code"].files == [settings]
    assert seen["codex"].naming == {11434: [], 11435: []}


def test_a_program_on_the_path_is_installed(tmp_path):
    (tmp_path / "pi").touch(mode=0o755)
    (one,) = look({"PATH": str(tmp_path)}, tmp_path, "linux", (), clients()["pi"])
    assert one.is_installed


@pytest.mark.parametrize(
    ("line", "is_named"),
    [
        ('"http://127.0.0.1:11434/v1"', True),
        ("base: http://[::1]:11434", True),
        ("OLLAMA_API_BASE=http://localhost:11434", True),
        ("http://127.0.0.1:114345", False),
        ("http://example.org:11434", False),
        ("  # http://localhost:11434", False),
        ("// http://localhost:11434", False),
        ("timeout: 11434", False),
    ],
)
def test_only_an_address_of_this_machine_outside_of_a_comment_counts(line, is_named):
    assert names_port(line, 11434) == is_named


def test_what_cannot_be_read_is_passed_over(tmp_path):
    (tmp_path / ".aider.conf.yml").mkdir()
    big = tmp_path / ".codex" / "config.toml"
    big.parent.mkdir()
    big.write_bytes(b"\xff" * LARGEST + b"http://localhost:11434")
    seen = {one.client: one for one in look({"PATH": ""}, tmp_path, "linux", (11434,))}
    assert (seen["aider"].files, seen["codex"].naming) == ([], {11434: []})
