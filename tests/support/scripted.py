"""A transport that answers from a script, and Ollama's recorded answers to fill it with."""

import json
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path

from innkeepd.backends.http import Unreachable

_RECORDINGS = Path(__file__).parent.parent / "data" / "ollama"


def recorded(name):
    """Status and body of a recorded answer."""
    response = json.loads((_RECORDINGS / f"{name}.json").read_text())["response"]
    return response["status"], "".join(f"{line}\n" for _, line in response["lines"]).encode()


def recordings():
    """Every recording's name."""
    return sorted(path.stem for path in _RECORDINGS.glob("*.json"))


class ScriptedAnswer:
    """``chunks`` come one by one; an exception among them is raised in its place."""

    def __init__(self, status, chunks):
        self.status = status
        self.headers = {"content-type": "application/json"}
        self._left = deque(chunks)

    async def read(self):
        return b"".join([chunk async for chunk in self])

    def chunks(self):
        return self

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._left:
            raise StopAsyncIteration
        chunk = self._left.popleft()
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


class ScriptedTransport:
    """``script`` maps a path to what answers it: a list is used up one by one, else the same each time.

    An answer is a recording's name, a status with its chunks, an exception to raise, or a function of the body that
    gives one of these. ``asked`` keeps (method, path, body).
    """

    url = "http://ollama.test:11434"
    losses = 0

    def __init__(self, script):
        self._script = script
        self.asked = []
        self.open = 0
        self.closed = False

    @asynccontextmanager
    async def request(self, method, path, body=None, headers=None):
        sent = json.loads(body) if body else None
        self.asked.append((method, path, sent))
        answer = self._script[path]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(sent)
        if isinstance(answer, Unreachable):
            raise answer
        status, chunks = recorded(answer) if isinstance(answer, str) else answer
        self.open += 1
        try:
            yield ScriptedAnswer(status, [chunks] if isinstance(chunks, bytes) else chunks)
        finally:
            self.open -= 1

    async def aclose(self):
        self.closed = True
