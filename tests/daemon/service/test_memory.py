import json
import socket
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from innkeepd.service.memory import main
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.server import serve
from support.daemon import QWEN


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("INNKEEP_HOME", str(tmp_path))
    for name in ("INNKEEP_CONFIG", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "config.toml"


@pytest.fixture
def ollama() -> Iterator[str]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(Simulator(speed=1000))) as url:
        yield url


def test_the_sizes_of_what_is_pulled_are_asked_of_ollama(file, ollama, capsys):
    file.write_text(f'[ollama]\nurl = "{ollama}"\n')
    assert main(["--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert QWEN in json.dumps(told)


def test_without_an_ollama_the_report_goes_on(file, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        file.write_text(f'[ollama]\nurl = "http://127.0.0.1:{closed.getsockname()[1]}"\n')
        assert main([]) == 0
    assert QWEN in capsys.readouterr().out


def test_a_wrong_configuration_is_one_line_and_78(file, capsys):
    file.write_text("[memory]\nbudget = []\n")
    assert main([]) == 78
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert "memory.budget" in told.err


def test_a_recording_is_read_without_asking_anybody(file, tmp_path, capsys):
    assert main(["--from", str(tmp_path / "nothing")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
