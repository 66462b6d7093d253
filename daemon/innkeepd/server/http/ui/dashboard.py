"""Answers ``/ui/``: the page, the state now, a stream of changes, past requests, and the few buttons.

The page holds nothing secret and is given to whoever reaches the port. Everything else needs the port's token, where
one is set, and comes from the page itself: no other origin may ask, one of another port of this machine neither. A
button needs, on top, a word that only ``/ui/state`` tells.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from importlib.resources import files
from secrets import token_urlsafe
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qs

import anyio
import msgspec

from innkeep import wire
from innkeepd.backends.backend import BackendFault
from innkeepd.backends.decoding import Undecodable, decode
from innkeepd.chat.sink import ClientStuck
from innkeepd.chat.types import RequestFailed
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.errors import HttpFault, fault_of
from innkeepd.server.http.response import JSON, Message, Receive, Response
from innkeepd.server.http.ui.feed import Feed, request_row
from innkeepd.server.socket.admin_verbs import AdminVerbs
from innkeepd.server.socket.session import Session
from innkeepd.store.settings import State
from innkeepd.store.timeline import Timeline

MOST_STREAMS = 100
"""Pages that are told of changes at the same time."""
MOST_REQUESTS = 5000
"""Past requests in one answer."""
GATHER = 0.25
"""Seconds in which changes gather to one message."""
HEARTBEAT = 15.0
"""Seconds without a change after which a stream tells the state all the same."""
FEW = 20
"""Pages up to which each is told after ``GATHER``; more are told less often in proportion."""
PHASES = 10
"""Groups of pages that are told at different moments of that time."""

FILES = {
    "/ui": ("index.html", b"text/html; charset=utf-8"),
    "/ui/ui.js": ("ui.js", b"text/javascript; charset=utf-8"),
    "/ui/ui.css": ("ui.css", b"text/css; charset=utf-8"),
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = [
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_ENCODE = msgspec.json.Encoder().encode
_Button: TypeAlias = wire.Load | wire.Unload | wire.Pin | wire.Unpin | wire.Hold | wire.Resume
_BUTTON = msgspec.json.Decoder(_Button)


class Replies:
    """Stands for a connection of the control socket: keeps what a verb replies."""

    def __init__(self) -> None:
        self.client = "dashboard"
        self.replies: list[Any] = []

    def send(self, reply: Any) -> None:
        """Keep one reply."""
        self.replies.append(reply)


class Dashboard:
    """The routes under ``/ui``."""

    def __init__(self, control: ResidencyControl, admin: AdminVerbs, state: State, timeline: Timeline) -> None:
        self._control = control
        self._admin = admin
        self._state = state
        self._timeline = timeline
        self._word = token_urlsafe(18)
        self._streams = 0
        self._feed = Feed(lambda: control.wall(control.now()))
        self._encoded: tuple[float, bytes] = (float("-inf"), b"")

    def serves(self, path: str) -> bool:
        """Whether a path is one of ours."""
        return path == "/ui" or path.startswith("/ui/")

    def is_public(self, path: str) -> bool:
        """Whether a path is a file of the page, which holds nothing of this machine."""
        return path in FILES

    async def answer(
        self, scope: Message, read: Callable[[], Awaitable[bytes | bytearray]], receive: Receive, response: Response
    ) -> None:
        """Answer one request. Raises ``HttpFault``."""
        method, path = scope["method"], scope["path"].rstrip("/")
        if path in FILES and method in {"GET", "HEAD"}:
            if scope["path"] == "/ui":  # relative addresses in the page need the slash
                await response.head(308, [(b"location", b"/ui/"), (b"content-length", b"0"), *SECURITY])
                await response.end()
                return
            name, content_type = FILES[path]
            await self._whole(response, (files(__package__) / name).read_bytes(), content_type)
            return
        _refuse_other_origins(dict(scope["headers"]))
        query = {key: values[0] for key, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}
        match method, path:
            case "GET", "/ui/state":
                await self._whole(response, await self._state_with_word())
            case "GET", "/ui/history":
                await self._whole(response, await self._history(_number(query, "since")))
            case "GET", "/ui/request":
                found = await self._state.find(query.get("id", "")[:64])
                if not found:
                    raise HttpFault(404, "no such request is in the history")
                await self._whole(response, _ENCODE(found[0]))
            case "GET", "/ui/events":
                await self._stream(receive, response)
            case "POST", "/ui/do":
                await self._whole(response, await self._do(dict(scope["headers"]), await read()))
            case _:
                raise HttpFault(404, f"innkeep does not serve {path}")

    async def _whole(self, response: Response, data: bytes, content_type: bytes = JSON) -> None:
        length = (b"content-length", str(len(data)).encode())
        await response.head(200, [(b"content-type", content_type), length, *SECURITY])
        await response.end(data)

    # ---- looks ----

    async def _state_now(self) -> bytes:
        """The status as JSON, made at most four times a second however many pages are open."""
        made, data = self._encoded
        if self._control.now() - made >= GATHER * 0.9:
            replies = Replies()
            await self._admin.status(cast("Session", replies), wire.StatusAsk(id=0))
            data = _ENCODE(replies.replies[-1])
            self._encoded = self._control.now(), data
        return data

    async def _state_with_word(self) -> bytes:
        replies = Replies()
        await self._admin.models(cast("Session", replies), wire.ModelsAsk(id=0))
        models: wire.Models = replies.replies[-1]
        state = msgspec.Raw(await self._state_now())
        return _ENCODE({"word": self._word, "status": state, "models": models.models})

    async def _history(self, since: float) -> bytes:
        records = await self._state.recent(MOST_REQUESTS)
        rows = [request_row(record) for record in records if record.asked_at >= since]
        return await anyio.to_thread.run_sync(_ENCODE, {"timeline": self._timeline.since(since), "requests": rows})

    async def _stream(self, receive: Receive, response: Response) -> None:
        """Server-sent events until the page leaves: ``state`` after each change, ``happened`` with what ended."""
        if self._streams >= MOST_STREAMS:
            raise HttpFault(503, f"{MOST_STREAMS} dashboards are open; close one")
        if not self._streams:
            self._control.on_event.append(self._feed.hear)
        self._streams += 1
        try:
            await response.head(200, [(b"content-type", b"text/event-stream"), *SECURITY])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                with suppress(ClientStuck):  # a page that reads nothing; its connection is cut
                    await self._send_changes(response, phase=self._streams % PHASES / PHASES)
                tasks.cancel_scope.cancel()
        finally:
            self._streams -= 1
            if not self._streams:
                self._control.on_event.remove(self._feed.hear)

    async def _send_changes(self, response: Response, *, phase: float) -> None:
        """Send the state and what happened, again after each change.

        Many pages are told less often, and each at its own ``phase``, so that they never take the event loop together.
        """
        seen = self._feed.number
        while True:
            happened, seen = self._feed.since(seen), self._feed.number
            await response.write(b"event: state\ndata: " + await self._state_now() + b"\n\n")
            if happened:
                await response.write(b"event: happened\ndata: " + happened + b"\n\n")
            with anyio.move_on_after(HEARTBEAT):
                await self._control.changed()
            pause = GATHER * max(1.0, self._streams / FEW)
            await anyio.sleep(pause if self._streams < PHASES else pause * (0.5 + phase))

    # ---- buttons ----

    async def _do(self, headers: dict[bytes, bytes], body: bytes | bytearray) -> bytes:
        if not compare_digest(headers.get(b"x-innkeep-ui", b""), self._word.encode()):
            raise HttpFault(403, "only the dashboard's own page may press its buttons; reload it", "forbidden")
        try:
            asked = decode(bytes(body), _BUTTON)
        except Undecodable as error:
            raise HttpFault(400, str(error), "bad_request") from None
        if isinstance(asked, wire.Hold) and not 0 < asked.seconds <= 86400:
            raise HttpFault(400, "a hold from here is above 0 s and at most a day", "bad_request")
        replies = Replies()
        try:
            await self._admin.verbs()[type(asked)](cast("Session", replies), asked)
        except (RequestFailed, BackendFault) as failure:
            raise fault_of(failure.code, failure.message) from None
        return _ENCODE(replies.replies[-1])


def _refuse_other_origins(headers: dict[bytes, bytes]) -> None:
    """Raises ``HttpFault`` 403 for a page that is not ours, one of another port of this machine included."""
    origin, host = headers.get(b"origin"), headers.get(b"host", b"")
    is_ours = origin is None or origin in {b"http://" + host, b"https://" + host}
    if not is_ours or headers.get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}:
        raise HttpFault(403, "only the dashboard's own page may ask this", "forbidden")


def _number(query: dict[str, str], name: str) -> float:
    try:
        return float(query.get(name, "0"))
    except ValueError:
        raise HttpFault(400, f"{name} is a number of seconds since 1970", "bad_request") from None


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
