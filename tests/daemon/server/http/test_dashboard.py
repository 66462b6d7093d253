"""What the dashboard's page asks, by bytes: who may, and what comes back."""

import json

import anyio
import pytest

from innkeepd.server.http.app import HttpApp
from innkeepd.server.http.ui.dashboard import FILES, MOST_STREAMS, Dashboard
from innkeepd.store.timeline import Timeline
from support.asgi import asgi_client
from support.daemon import LLAMA8
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio


class opened:  # noqa: N801 - reads as a verb where it is used
    """A daemon with its dashboard."""

    def __init__(self, **tables):
        self._inn = open_http_daemon(**tables)
        self._tables = tables

    async def __aenter__(self):
        server = await self._inn.__aenter__()
        app = server.daemon.app
        self.dashboard = Dashboard(app.control, app._admin, app.state, app.timeline)
        port = HttpApp(app.config.http, app.dispatcher, app.control, dashboard=self.dashboard)
        self._client = asgi_client(port)
        http = await self._client.__aenter__()
        http.dashboard, http.server = self.dashboard, server
        return http

    async def __aexit__(self, *error):
        await self._client.__aexit__(*error)
        await self._inn.__aexit__(*error)


async def word(http):
    return (await http.get("/ui/state")).json["word"]


async def press(http, body, **headers):
    return await http.ask("POST", "/ui/do", body, headers=headers)


async def test_the_page_comes_with_a_strict_policy():
    async with opened() as http:
        for path in FILES:
            answer = await http.get("/ui/" if path == "/ui" else path)
            assert answer.status == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
        assert (await http.get("/ui")).headers["location"] == "/ui/"
        assert (await http.get("/ui/nothing")).status == 404


async def test_the_page_is_at_most_80_kb_and_names_no_other_place():
    async with opened() as http:
        bodies = [(await http.get(path)).body for path in ("/ui/", "/ui/ui.js", "/ui/ui.css")]
        assert sum(map(len, bodies)) <= 80_000
        text = b"".join(bodies).replace(b"http://www.w3.org/2000/svg", b"")
        assert b"://" not in text


async def test_a_button_loads_pins_and_unloads():
    async with opened() as http:
        mine = {"x-innkeep-ui": await word(http)}
        assert (await press(http, {"type": "load", "id": 0, "model": LLAMA8}, **mine)).json["type"] == "loaded"
        assert http.server.daemon.simulator.resident == [LLAMA8]
        assert (await press(http, {"type": "pin", "id": 0, "model": LLAMA8}, **mine)).json["type"] == "pinned"
        assert (await http.get("/ui/state")).json["status"]["pins"] == [LLAMA8]
        assert (await press(http, {"type": "unload", "id": 0, "model": LLAMA8}, **mine)).json["type"] == "unloaded"
        assert http.server.daemon.simulator.resident == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"type": "load", "id": 0, "model": "nope"}, 404),
        ({"type": "shutdown", "id": 0}, 400),
        ({"type": "hold", "id": 0, "seconds": -1}, 400),
        ({"type": "hold", "id": 0, "seconds": 1e9}, 400),
        ([], 400),
    ],
)
async def test_a_button_that_cannot_be_is_refused_in_words(body, status):
    async with opened() as http:
        answer = await press(http, body, **{"x-innkeep-ui": await word(http)})
        assert answer.status == status
        assert answer.json["error"]


async def test_a_button_needs_the_word_of_the_page():
    async with opened() as http:
        for headers in ({}, {"x-innkeep-ui": "guessed"}):
            assert (await press(http, {"type": "unload", "id": 0, "all": True}, **headers)).status == 403


@pytest.mark.parametrize("path", ["/ui/state", "/ui/history", "/ui/request?id=1", "/ui/events", "/ui/do"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:11435", "sec-fetch-site": "same-site"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_no_other_origin_may_ask_not_even_one_of_this_machine(path, headers):
    async with opened() as http:
        method = "POST" if path == "/ui/do" else "GET"
        shown = headers | {"x-innkeep-ui": await word(http)}
        body = {"type": "resume", "id": 0} if method == "POST" else None
        with anyio.fail_after(5.0):  # a stream that is not refused never ends
            answer = await http.ask(method, path, body, headers=shown)
        assert answer.status == 403


async def test_with_a_token_the_page_opens_and_its_figures_do_not():
    async with opened(http={"token": "secret"}) as http:
        assert (await http.get("/ui/")).status == 200
        assert (await http.get("/ui/state")).status == 401
        answer = await http.ask("GET", "/ui/state", None, headers={"authorization": "Bearer secret"})
        assert answer.status == 200


async def test_past_requests_come_with_what_happened_to_memory():
    async with opened() as http:
        answer = http.server.chat(LLAMA8)
        await answer.until(lambda it: it.is_over)
        told = (await http.get("/ui/history?since=0")).json
        assert [row[5] for row in told["requests"]] == [LLAMA8]
        assert [row[1] for row in told["timeline"]][:2] == ["loading", "loaded"]
        record = await http.get(f"/ui/request?id={told['requests'][0][0]}")
        assert record.json["model"] == LLAMA8
        assert (await http.get("/ui/history?since=99999999999")).json == {"timeline": [], "requests": []}
        assert (await http.get("/ui/history?since=x")).status == 400
        assert (await http.get("/ui/request?id=zzz")).status == 404


async def test_a_stream_tells_the_state_and_what_happened():
    async with opened() as http:
        stream = http.start("GET", "/ui/events")
        await stream.until(lambda it: b"event: state" in it.body)
        answer = http.server.chat(LLAMA8)
        await answer.until(lambda it: it.is_over)
        await stream.until(lambda it: b'"requests":[["' in it.body)
        assert b'"loaded"' in stream.body
        stream.leave()
    assert http.dashboard._streams == 0


async def test_more_streams_than_a_bound_are_refused():
    async with opened() as http:
        http.dashboard._streams = MOST_STREAMS
        assert (await http.get("/ui/events")).status == 503


async def test_the_timeline_keeps_a_week_and_takes_a_damaged_file():
    kept = {}

    class Facts:
        def put(self, key, value):
            kept.pop(key, None) if value is None else kept.__setitem__(key, json.loads(json.dumps(value)))

        def get(self, key, default=None):
            return kept.get(key, default)

    timeline = Timeline(Facts(), lambda: 0.0)
    for day in range(10):
        timeline.add([day * 86400.0, "loaded", "m", 1.0, None])
    assert [row[0] / 86400 for row in timeline.since(0)] == [3, 4, 5, 6, 7, 8, 9]
    assert len(kept) == 8
    kept["timeline"] = "damaged"
    assert timeline.since(0) == []
    timeline.add([10 * 86400.0, "loaded", "m", 1.0, None])
    assert len(timeline.since(0)) == 1


async def test_a_page_that_reads_nothing_is_cut_without_a_fault_of_ours():
    async with opened() as http:
        stream = http.start("GET", "/ui/events")
        await stream.until(lambda it: b"event: state" in it.body)
        stream.seconds, stream.is_full = 1e9, True
        await stream.returned.wait()
        assert http.dashboard._streams == 0


@pytest.mark.parametrize(
    "body",
    [b'{"type":"pin","id":0,"model":"\xff"}', b'{"type":"pin","a":' + b"[" * 5000 + b"]" * 5000 + b"}", b"1" * 9000],
    ids=["no UTF-8", "deep", "a long number"],
)
async def test_a_button_of_broken_bytes_is_a_bad_request_and_no_fault_of_ours(body):
    async with opened() as http:
        answer = await press(http, body, **{"x-innkeep-ui": await word(http)})
        assert (answer.status, b"innkeepd itself" in answer.body) == (400, False)


async def test_a_button_that_ollama_does_not_obey_is_answered_with_its_fault():
    async with opened() as http:
        mine = {"x-innkeep-ui": await word(http)}
        assert (await press(http, {"type": "load", "id": 0, "model": LLAMA8}, **mine)).status == 200
        http.server.daemon.simulator.stop()
        answer = await press(http, {"type": "unload", "id": 0, "all": True}, **mine)
        assert answer.status >= 500
        assert b"innkeepd itself" not in answer.body
        assert b"11434" in answer.body or b"Ollama" in answer.body
