"""The HTTP port: requests of every path it serves, broken in their bodies and heads."""

from typing import Any

import anyio
import trio
from hypothesis import strategies as st

from innkeepd.simulator.answer import JSON, SimAnswer, whole
from innkeepd.simulator.catalog import LIBRARY, SHELF
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.faults import Disconnected
from support.attack import rest
from support.daemon import mock_clock
from support.http_daemon import HttpDaemon, open_http_daemon
from support.odd import as_json

MODELS = (*SHELF, *(model for model in LIBRARY if model.name.startswith("nomic")))
TALK = [{"role": "user", "content": "x"}]
PARTS = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
MODEL = "llama3.1:8b"
GOOD: dict[str, dict[str, Any]] = {
    "/api/chat": {"model": MODEL, "messages": TALK, "stream": False, "options": {"num_predict": 2, "num_ctx": 8192},
                  "keep_alive": "5m", "tools": [], "format": "json", "think": False},
    "/api/generate": {"model": MODEL, "prompt": "x", "stream": False, "system": "s", "images": [], "raw": False,
                      "suffix": "", "template": "", "context": [1]},
    "/api/embed": {"model": "nomic-embed-text:latest", "input": ["a"], "truncate": True},
    "/api/embeddings": {"model": "nomic-embed-text:latest", "prompt": "x"},
    "/api/show": {"model": MODEL, "verbose": False},
    "/api/pull": {"model": MODEL, "stream": False},
    "/v1/chat/completions": {"model": MODEL, "messages": PARTS, "stream": True, "max_tokens": 3,
                             "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
                             "reasoning_effort": "none", "response_format": {"type": "json_object"}},
    "/v1/completions": {"model": MODEL, "prompt": "x", "suffix": "", "stream": False},
    "/v1/embeddings": {"model": "nomic-embed-text:latest", "input": "a"},
    "/v1/responses": {"model": MODEL, "input": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}],
                      "instructions": "i", "stream": False, "tools": []},
    "/v1/messages": {"model": MODEL, "messages": PARTS, "system": [{"type": "text", "text": "s"}], "max_tokens": 3,
                     "stream": False, "tools": []},
}  # fmt: skip
"""One body that is right of each path; the fuzzer breaks it."""

HEADS = {
    "x-innkeep-priority": ["batch", "x", "é", "", "a" * 5000],
    "x-innkeep-patience": ["1", "1s", "-1", "nan", "inf", "1e400", "x", "", "0x10", "1_0"],
    "x-innkeep-session": ["s", "é" * 200, "a" * 5000, " "],
    "user-agent": ["", "  ", "é", "a" * 9000, "x y"],
    "content-length": ["x", "-1", "9" * 5000, "0"],
    "authorization": ["Bearer x", "Bearer", "é"],
}
RESTS = 60.0


class Sturdy(Simulator):
    """A simulator whose own faults are answers of status 500, as a server in a process of its own gives them."""

    async def handle(self, method: str, path: str, body: bytes | None = None) -> SimAnswer:
        try:
            return await super().handle(method, path, body)
        except Disconnected:
            raise
        except Exception as error:  # noqa: BLE001 - as the docstring says
            return whole(b'{"error":"a fault of the simulator: %s"}' % type(error).__name__.encode(), JSON, 500)


def _padded(data: bytes) -> bytes:
    """With a long field, so that the port looks whether the prompt fits."""
    return data.replace(b"{", b'{"pad":"' + b"p" * 6000 + b'",', 1)


def _requests() -> st.SearchStrategy[tuple[str, bytes, dict[str, str]]]:
    def of(path: str) -> st.SearchStrategy[tuple[str, bytes, dict[str, str]]]:
        data = as_json(GOOD[path])
        heads = st.dictionaries(st.sampled_from(sorted(HEADS)), st.integers(0, 9), max_size=1)
        said = heads.map(lambda some: {name: HEADS[name][n % len(HEADS[name])] for name, n in some.items()})
        return st.tuples(st.just(path), st.one_of(data, data, data.map(_padded)), st.one_of(st.just({}), said))

    return st.sampled_from(sorted(GOOD)).flatmap(of)


def test_every_broken_request_gets_its_one_answer_and_none_is_a_fault_of_ours(attack):
    async def one(server: HttpDaemon, path: str, data: bytes, heads: dict[str, str]) -> None:
        heads = {name: value.encode().decode("latin-1") for name, value in heads.items()}
        response = server.http.start("POST", path, data, heads)
        with anyio.move_on_after(RESTS):
            await response.end()
        response.leave()
        attack.count("requests")
        attack.count(f"answers {response.status // 100}xx")
        assert response.is_over, (path, data, heads)
        assert b"innkeepd itself" not in response.body, (path, data, heads, response)

    async def scenario(requests: list[tuple[str, bytes, dict[str, str]]]) -> None:
        async with open_http_daemon(simulator=Sturdy(models=MODELS)) as server:
            async with anyio.create_task_group() as tasks:
                for path, data, heads in requests:
                    tasks.start_soon(one, server, path, data, heads)
            await rest(server.daemon.is_quiet)
            assert server.daemon.is_quiet()

    def check(requests: list[tuple[str, bytes, dict[str, str]]]) -> None:
        _, options = mock_clock()
        trio.run(scenario, requests, clock=options["clock"])

    attack.tries(st.lists(_requests(), min_size=8, max_size=16), check, short=5, long=60, batch=20)


def test_a_request_that_is_right_is_answered_on_every_path(attack):
    """Or the fuzzer would break nothing."""

    async def scenario() -> None:
        async with open_http_daemon(simulator=Sturdy(models=MODELS)) as server:
            for path, body in GOOD.items():
                response = await server.http.post(path, body, headers={"content-type": "application/json"})
                assert response.status == 200, (path, response)
                attack.count("paths")

    _, options = mock_clock()
    trio.run(scenario, clock=options["clock"])
