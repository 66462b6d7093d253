"""The ASGI application: which path is answered by whom. What runs a model takes the same journey as the socket's."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

import anyio
import msgspec

from innkeepd.chat.commands import ModelCommands
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.chat.sink import ClientStuck
from innkeepd.chat.types import Progress, RequestFailed
from innkeepd.config.schema import HttpConfig
from innkeepd.machine.offload import SMALL, off_loop
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.access import AccessGuard
from innkeepd.server.http.admin import AdminProxy
from innkeepd.server.http.context_alias import ContextAliases
from innkeepd.server.http.count_tokens import COUNT_TOKENS, counted_tokens
from innkeepd.server.http.errors import Api, HttpFault
from innkeepd.server.http.metrics import Metrics
from innkeepd.server.http.model_list import ModelList
from innkeepd.server.http.proxy import Proxy, empty_record, fault_seen_by
from innkeepd.server.http.request import ENDPOINTS, Endpoint, ModelRequest, read
from innkeepd.server.http.response import CUT, FULL, Message, Receive, Response, Send
from innkeepd.server.http.ui.dashboard import Dashboard
from innkeepd.server.http.virtual import VirtualModels
from innkeepd.server.socket.bulk import FREE, TOO_MANY, is_bulky
from innkeepd.supervision import described

BODY_WITHIN = 30.0
"""Seconds that a client may be silent in the middle of its body."""

_ENCODE = msgspec.json.Encoder().encode
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"*, authorization, content-type"),
    (b"access-control-max-age", b"600"),
]

Headers: TypeAlias = Mapping[bytes, bytes]
Look: TypeAlias = Callable[[bytes], Awaitable[bytes]]


class HttpApp:
    """Answers HTTP. ``warn`` is told of our own faults."""

    def __init__(
        self,
        config: HttpConfig,
        dispatcher: Dispatcher,
        control: ResidencyControl,
        *,
        warn: Callable[[str], object] = print,
        dashboard: Dashboard | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._commands = ModelCommands(dispatcher)
        self._control = control
        self._warn = warn
        self._max_body = config.max_body
        self._guard = AccessGuard(config, hostname=socket.gethostname())
        self._aliases = ContextAliases()
        self.virtual = VirtualModels(dispatcher)
        self.model_list = ModelList(control, self.virtual)
        self._admin = AdminProxy(control, allowed=config.allow_admin)
        self.metrics = Metrics(control)
        self._dashboard = dashboard
        self._looks: dict[str, Callable[[], Awaitable[bytes]]] = {
            "/api/tags": self.model_list.tags,
            "/api/ps": self.model_list.ps,
            "/api/version": self.model_list.version,
            "/v1/models": self.model_list.models,
        }

    def __repr__(self) -> str:
        return f"<App {self._guard!r}>"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; whoever leaves ends the work for it."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        path: str = scope["path"].rstrip("/") or "/"  # Ollama redirects from the one to the other
        api: Api = _api_of(path)
        origin = headers.get(b"origin")
        is_ours = origin is not None and self._guard.is_our_origin(origin)
        extra = (
            [] if origin is None or not is_ours else [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        )
        extensions = scope.get("extensions") or {}
        full, cut = extensions.get(FULL, _never), extensions.get(CUT, _never)
        response = Response(send, extra=extra, is_full=full, cut=cut, patience=self._dispatcher.config.timeouts.stall)
        try:
            _refuse_doubles(scope["headers"], headers)
            is_1_1 = scope.get("http_version", "1.1") == "1.1"
            is_public = self._dashboard is not None and self._dashboard.is_public(path)
            is_preflight = scope["method"] == "OPTIONS"
            self._guard.check(headers, is_preflight=is_preflight, needs_host=is_1_1, is_public=is_public)
            if self._dashboard is not None and self._dashboard.serves(path) and not is_preflight:
                await self._dashboard.answer(scope, partial(self._body, headers, receive), receive, response)
            else:
                await self._answer(scope["method"], path, headers, receive, response)
        except HttpFault as fault:
            await response.fault(api, fault)
        except ClientStuck:
            return
        except Exception as error:  # noqa: BLE001 - our own fault: told, and the daemon lives on
            self._warn(f"a fault of innkeepd itself at {path[:200]}: {described(error)}")
            if not response.begun:
                await response.fault(api, HttpFault(500, f"a fault of innkeepd itself: {described(error)}", "internal"))

    async def _answer(self, method: str, path: str, headers: Headers, receive: Receive, response: Response) -> None:
        if method == "OPTIONS":
            await response.head(204, list(_PREFLIGHT))
            await response.end()
            return
        endpoint = ENDPOINTS.get(path)
        if endpoint is not None and method == "POST":
            await self._run(endpoint, await self._json(headers, receive), headers, receive, response)
        elif method == "POST" and path == COUNT_TOKENS:
            data = await self._json(headers, receive)
            await response.whole(_ENCODE(await off_loop(len(data) > SMALL, partial(counted_tokens, data))))
        elif method in {"GET", "HEAD"} and path == "/":
            await response.whole(b"Ollama is running", content_type=b"text/plain; charset=utf-8")
        elif method in {"GET", "HEAD"} and path in self._looks:
            await response.whole(await self._looks[path]())
        elif method == "GET" and path == "/metrics":
            await self.metrics.answer(headers, response)
        elif method == "POST" and path == "/api/show":
            await response.whole(await self.model_list.show(bytes(await self._json(headers, receive))))
        elif method == "GET" and path.startswith("/v1/models/"):
            await response.whole(await self.model_list.model(path.removeprefix("/v1/models/")))
        elif self._admin.serves(method, path):
            self._admin.refuse_unless_allowed(path)
            await self._passed_through(method, path, bytes(await self._body(headers, receive)), receive, response)
        elif endpoint is not None or path in self._looks or path in ("/api/show", COUNT_TOKENS):
            raise HttpFault(405, "method not allowed")
        else:
            raise HttpFault(404, f"innkeep does not serve {path}")

    # ---- running a model ----

    async def _run(
        self, endpoint: Endpoint, data: bytearray, headers: Headers, receive: Receive, response: Response
    ) -> None:
        asked = await off_loop(len(data) > SMALL, partial(read, endpoint, data))
        known = self.virtual.find(asked.name)
        if known is not None:
            asked.is_virtual = True
            asked.role = None if known == "auto" else known
            if endpoint.kind == "embed":
                raise HttpFault(400, f'"{asked.name}" does not support embeddings; name a model', "unsupported")
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        proxy = Proxy(asked, response, self._dispatcher, self._aliases, agent=agent)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_leave_with, receive, tasks.cancel_scope, proxy)
            if asked.is_promptless:
                await self._load_or_unload(asked, headers, response)
            else:
                if proxy.is_held:
                    tasks.start_soon(_hold, proxy, tasks.cancel_scope)
                await self._pass(asked, proxy, headers, response)
            tasks.cancel_scope.cancel()

    async def _pass(self, asked: ModelRequest, proxy: Proxy, headers: Headers, response: Response) -> None:
        try:
            spec = await off_loop(asked.size > SMALL, partial(asked.spec, headers))
            async with self._dispatcher.begin(spec) as request:
                response.identity = request.id
                proxy.request = request
                await self._dispatcher.serve(request, proxy.work, proxy.tell)
                await proxy.finish()
        except ClientStuck:
            return
        except RecursionError:
            await response.fault(asked.api, HttpFault(400, "the body is nested too deeply", "bad_request"))
        except RequestFailed as failure:
            await proxy.fail(failure)
        except HttpFault as fault:
            await response.fault(asked.api, fault)
        except Exception as error:  # noqa: BLE001 - our own fault: told, and the daemon lives on
            self._warn(f"a fault of innkeepd itself at {asked.endpoint.path}: {described(error)}")
            await proxy.fail(RequestFailed("internal", f"a fault of innkeepd itself: {described(error)}"))

    async def _load_or_unload(self, asked: ModelRequest, headers: Headers, response: Response) -> None:
        """Answer a request without a prompt: it wants the model in memory, or out of it."""
        try:
            if asked.wants_it_out:
                if asked.is_virtual:
                    text = f"{asked.name} stands for several models; name the one to unload"
                    raise HttpFault(400, text, "bad_request")
                await self._commands.unload(asked.name)
            else:
                spec = msgspec.structs.replace(asked.spec(headers), kind="load", insist=not asked.is_virtual)
                async with self._dispatcher.begin(spec) as request:
                    response.identity = request.id
                    await self._commands.load(request, _nobody)
        except RequestFailed as failure:
            await response.fault(asked.api, fault_seen_by(failure, asked))
            return
        except HttpFault as fault:
            await response.fault(asked.api, fault)
            return
        ended = {"done": True, "done_reason": "unload" if asked.wants_it_out else "load"}
        await response.whole(_ENCODE(empty_record(asked, asked.name) | ended))

    # ---- passing through without a lease ----

    async def _passed_through(self, method: str, path: str, body: bytes, receive: Receive, response: Response) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_leave_with, receive, tasks.cancel_scope)
            try:
                await self._admin.pass_through(method, path, body, response)
            except HttpFault as fault:
                await response.fault("native", fault)
            tasks.cancel_scope.cancel()

    # ---- in ----

    async def _json(self, headers: Headers, receive: Receive) -> bytearray:
        """A body that is to be decoded. Raises ``HttpFault`` 400 where that would hold everybody else up."""
        data = await self._body(headers, receive)
        if len(data) > FREE and await anyio.to_thread.run_sync(is_bulky, data, "json"):
            raise HttpFault(400, TOO_MANY, "bad_request")
        return data

    async def _body(self, headers: Headers, receive: Receive) -> bytearray:
        """The whole body. Raises ``HttpFault`` 413 before it is read, where its length is told."""
        length = headers.get(b"content-length", b"0").lstrip(b"0")
        # 20 digits are more than any size has; int() itself refuses 4,300 of them.
        if length.isdigit() and (len(length) > 20 or int(length) > self._max_body):
            raise _too_large(self._max_body)
        whole = bytearray()  # grows without being copied, other than joining its parts at the end
        more = True
        while more:
            try:
                with anyio.fail_after(BODY_WITHIN):
                    message = await receive()
            except TimeoutError:
                raise HttpFault(408, f"the body stopped for {BODY_WITHIN:g} s", "bad_request") from None
            if message["type"] == "http.disconnect":
                raise HttpFault(400, "the client left", "cancelled")
            whole += message.get("body", b"")
            if len(whole) > self._max_body:
                raise _too_large(self._max_body)
            more = message.get("more_body", False)
        return whole


async def _hold(proxy: Proxy, scope: anyio.CancelScope) -> None:
    """Give signs of life; a client that reads none of them has gone."""
    try:
        await proxy.hold()
    except ClientStuck:
        scope.cancel()


def _refuse_doubles(pairs: list[tuple[bytes, bytes]], headers: Headers) -> None:
    """A request is judged by one ``Host``, one ``Origin`` and one token. Raises ``HttpFault`` 400 for two of one."""
    if len(headers) < len(pairs):
        names = [name for name, _ in pairs]
        for name in (b"host", b"origin", b"authorization", b"x-api-key", b"sec-fetch-site"):
            if names.count(name) > 1:
                raise HttpFault(400, f"two {name.decode()} headers; one is the most", "bad_request")


async def _leave_with(receive: Receive, scope: anyio.CancelScope, proxy: Proxy | None = None) -> None:
    """End the work when its client has gone; what is done behind a whole answer goes on."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if proxy is None or not proxy.is_ended:
        scope.cancel()


async def _nobody(_progress: Progress) -> None:
    """A load is not told about: it streams nothing."""


def _never() -> bool:
    return False


def _too_large(limit: int) -> HttpFault:
    return HttpFault(413, f"the body is larger than {limit} bytes, see [http] max_body", "bad_request")


def _api_of(path: str) -> Api:
    endpoint = ENDPOINTS.get(path)
    if endpoint is not None:
        return endpoint.api
    if path.startswith("/v1/messages/"):
        return "messages"
    return "openai" if path.startswith("/v1/") else "native"
