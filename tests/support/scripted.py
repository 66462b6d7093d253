"""A transport that answers from a script, and Ollama's recorded answers to fill it with."""

import json
from pathlib import Path

from support.transport import FakeServer, chunks_of, path_of

_RECORDINGS = Path(__file__).parent.parent / "data" / "ollama"


def recorded(name):
    """Status and body of a recorded answer."""
    response = json.loads((_RECORDINGS / f"{name}.json").read_text())["response"]
    return response["status"], "".join(f"{line}\n" for _, line in response["lines"]).encode()


def recordings():
    """Every recording's name."""
    return sorted(path.stem for path in _RECORDINGS.glob("*.json"))


class ScriptedTransport(FakeServer):
    """``script`` maps a path to what answers it: a list is used up one by one, else the same each time.

    An answer is a recording's name, a status with its chunks, an exception to raise, or a function of the body that
    gives one of these. ``asked`` keeps (method, path, body).
    """

    def __init__(self, script):
        super().__init__("http://ollama.test:11434")
        self._script = script
        self.asked = []

    async def handle_async_request(self, request):
        path, sent = path_of(request), json.loads(request.content or b"null")
        self.asked.append((request.method, path, sent))
        answer = self._script[path]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(sent)
        if isinstance(answer, Exception):
            raise answer
        status, chunks = recorded(answer) if isinstance(answer, str) else answer
        parts = [chunks] if isinstance(chunks, bytes) else chunks
        return self.response(status, {"content-type": "application/json"}, chunks_of(parts))
