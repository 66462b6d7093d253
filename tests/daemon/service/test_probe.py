import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from innkeep.wire import MemoryState
from innkeepd.service.probe import Answer, Kept, kept_by, probe

MEMORY = MemoryState(total=36, budget=27, available=20, pressure="normal", source="simulated")


def status(*, simulated: bool) -> bytes:
    backend = {"url": "http://h:1", "reachable": True, "simulated": simulated}
    return msgspec.json.encode({"type": "status", "backend": backend, "memory": MEMORY}) + b"\n"


@contextmanager
def daemon(path: Path, reply: bytes) -> Iterator[list[bytes]]:
    """Somebody who answers one connection with ``reply``."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                heard.append(client.recv(4096))
                client.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join()


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (
            b'{"type":"welcome","id":1,"protocol":1,"daemon":"0.1.0","pid":7}\n',
            Answer("welcome", version="0.1.0", pid=7),
        ),
        (
            b'{"type":"error","id":1,"code":"bad_config","message":"line 3"}\nmore',
            Answer("error", code="bad_config", message="line 3"),
        ),
        (b"", Answer("silent")),
        (b"HTTP/1.1 400\n", Answer("silent")),
        (b"[]\n", Answer("silent")),
    ],
)
def test_who_answers_is_understood(short_path: Path, reply: bytes, answer: Answer):
    with daemon(short_path / "s", reply) as heard:
        assert probe(short_path / "s") == answer
    assert heard[0].startswith(b'{"type":"hello","id":1')


def test_nobody_is_told_apart_from_nothing(short_path: Path):
    assert probe(short_path / "s").how == "absent"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(short_path / "s"))
    assert probe(short_path / "s").how == "refused"
    assert probe(short_path / "s" / "deeper").how == "refused"


def test_a_socket_of_somebody_elses_is_forbidden(short_path: Path, monkeypatch):
    def denied(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", denied)
    assert probe(short_path / "s").how == "forbidden"


def test_who_listens_and_says_nothing_is_alive(short_path: Path):
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(short_path / "s"))
        mute.listen()
        answer = probe(short_path / "s", timeout=0.01)
    assert answer == Answer("silent")
    assert answer.is_alive


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (status(simulated=True), Kept("http://h:1", MEMORY)),
        (status(simulated=False), Kept("http://h:1")),
        (b'{"type":"status","backend":{"url":"http://h:1"}}\n', None),
        (b'{"type":"error","code":"bad_config"}\n', None),
        (b"", None),
        (b"[]\n", None),
    ],
)
def test_the_ollama_that_the_daemon_keeps_is_asked_for(short_path: Path, reply: bytes, found: Kept | None):
    with daemon(short_path / "s", reply):
        assert kept_by(short_path / "s") == found


def test_without_a_daemon_nobody_tells_which_ollama_it_keeps(short_path: Path):
    assert kept_by(short_path / "s") is None
