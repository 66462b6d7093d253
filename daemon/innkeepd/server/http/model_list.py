"""What is pulled and what runs, told at once whatever the GPU does: Ollama's own answer, else the last one it gave.

Ollama's lines are passed on as they are; models that we derived are left out, the virtual ones added.
"""

from datetime import datetime
from typing import Any

import anyio
import msgspec

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.decoding import Undecodable
from innkeepd.backends.decoding import decode as decode_foreign
from innkeepd.backends.ollama_wire import error_text
from innkeepd.policy.model import DERIVED_PREFIX, Model, canonical
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.request import decode
from innkeepd.server.http.virtual import VirtualModels

AT_ONCE = 0.06
"""Seconds that a fresh answer is waited for where there is an older one."""
FIRST = 3.0
"""Seconds for the first."""


class _Listed(msgspec.Struct):
    """What of Ollama's lists is passed on."""

    models: list[dict[str, Any]] | None


_LISTED = msgspec.json.Decoder(_Listed)
_ENCODE = msgspec.json.Encoder().encode
_SENT = {"content-type": "application/json"}


class ModelList:
    """Tags, shows and processes of this machine's Ollama."""

    def __init__(self, control: ResidencyControl, virtual: VirtualModels) -> None:
        self._control = control
        self._virtual = virtual
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self._shown: dict[tuple[str, bool], bytes] = {}

    def __repr__(self) -> str:
        return f"<Shelf {len(self._shown)} shown>"

    # ---- lists ----

    async def tags(self) -> bytes:
        """``/api/tags``."""
        lines = [*await self._pulled(), *map(self._virtual.tag, self._virtual.names)]
        return _ENCODE({"models": lines})

    async def ps(self) -> bytes:
        """``/api/ps``; a runner that was started under a derived name goes by its parent's."""
        lines = await self._lines("/api/ps")
        if lines is None:
            seen = self._control.monitor.observation
            running = (seen.running if seen else None) or []
            lines = [{"name": r.name, "model": r.name, "size": r.size, "digest": r.digest} for r in running]
        return _ENCODE({"models": [self._by_parent(line) for line in lines]})

    async def models(self) -> bytes:
        """``/v1/models``."""
        lines = [*await self._pulled(), *map(self._virtual.tag, self._virtual.names)]
        return _ENCODE({"object": "list", "data": [_listed(line) for line in lines]})

    async def model(self, name: str) -> bytes:
        """``/v1/models/NAME``. Raises ``HttpFault`` 404."""
        known = self._virtual.find(name)
        if known is not None:
            return _ENCODE(_listed(self._virtual.tag(known)) | {"id": name})
        for line in await self._pulled():
            if canonical(str(line.get("name"))) == canonical(name):
                return _ENCODE(_listed(line) | {"id": name})
        raise _unknown(name)

    async def version(self) -> bytes:
        """``/api/version``."""
        seen = self._control.monitor.observation
        if seen is not None and seen.version:
            return _ENCODE({"version": seen.version})
        with anyio.move_on_after(FIRST):
            try:
                return _ENCODE({"version": await self._control.backend.version()})
            except BackendFault as fault:
                raise HttpFault(502, fault.message, fault.code) from None
        raise HttpFault(504, "Ollama does not answer", "backend_unreachable")

    async def _pulled(self) -> list[dict[str, Any]]:
        lines = await self._lines("/api/tags")
        if lines is None:
            lines = [_tag(model) for model in self._control.catalog.models.values()]
        return [line for line in lines if not str(line.get("name", "")).startswith(DERIVED_PREFIX)]

    async def _lines(self, path: str) -> list[dict[str, Any]] | None:
        """A fresh list where Ollama answers at once, else the last one; None where there is none."""
        with anyio.move_on_after(AT_ONCE if path in self._kept or self._control.catalog.models else FIRST):
            try:
                self._kept[path] = await self._fetch(path)
            except BackendFault:
                return self._kept.get(path)
        return self._kept.get(path)

    async def _fetch(self, path: str) -> list[dict[str, Any]]:
        async with self._control.backend.forward("GET", path) as answer:
            raw = await answer.read()
        try:
            return decode_foreign(raw, _LISTED).models or []
        except Undecodable as fault:
            raise BackendFault("backend_error", f"{path} did not answer as Ollama does: {fault}") from None

    def _by_parent(self, line: dict[str, Any]) -> dict[str, Any]:
        name = str(line.get("name", ""))
        parent = self._control.catalog.find(name) if name.startswith(DERIVED_PREFIX) else None
        return line if parent is None else line | {"name": parent.name, "model": parent.name, "digest": parent.digest}

    # ---- one model ----

    async def show(self, data: bytes) -> bytes:
        """``/api/show``: kept by digest, because clients ask it of every model. Raises ``HttpFault``."""
        body = decode(data)
        name = body.pop("name", None) or body.get("model")
        name = body.get("model") or name
        if not isinstance(name, str) or not name:
            raise HttpFault(400, "model is required", "bad_request")
        known = self._virtual.find(name)
        if known is not None:
            return _ENCODE(self._virtual.show(known))
        pulled = self._control.catalog.find(name)
        digest = pulled.digest if pulled and not name.startswith(DERIVED_PREFIX) else ""
        key = (digest, bool(body.get("verbose")))
        is_plain = digest and body.keys() <= {"model", "verbose"}
        if is_plain and key in self._shown:
            return self._shown[key]
        raw = await self._fetch_show(name, body | {"model": name})
        if is_plain:
            digests = {model.digest for model in self._control.catalog.models.values()}
            self._shown = {each: kept for each, kept in self._shown.items() if each[0] in digests}
            self._shown[key] = raw
        return raw

    async def _fetch_show(self, name: str, body: dict[str, Any]) -> bytes:
        with anyio.move_on_after(FIRST):
            try:
                async with self._control.backend.forward("POST", "/api/show", _ENCODE(body), _SENT) as answer:
                    raw = await answer.read()
            except BackendFault as fault:
                raise HttpFault(502, fault.message, fault.code) from None
            if answer.status != 200:
                raise HttpFault(answer.status, error_text(raw))
            return raw
        raise HttpFault(504, f"Ollama does not tell about {name}", "backend_unreachable")

    async def warm_up(self) -> None:
        """Ask for every model before anybody waits for it."""
        await self._control.monitor.ready.wait()
        await self._lines("/api/ps")
        for line in await self._pulled():
            try:
                await self.show(_ENCODE({"model": line.get("name")}))
            except HttpFault:
                continue  # asked again when somebody wants it


def _tag(model: Model) -> dict[str, Any]:
    """A line of tags from what the daemon itself remembers."""
    return {"name": model.name, "model": model.name, "size": model.size, "digest": model.digest}


def _listed(line: dict[str, Any]) -> dict[str, Any]:
    """A line of ``/v1/models`` from one of tags."""
    name = str(line.get("name", ""))
    owner = name.rsplit("/", 1)[0] if "/" in name else "library"
    try:
        created = int(datetime.fromisoformat(str(line.get("modified_at"))).timestamp())
    except (ValueError, OverflowError):
        created = 0
    is_ours = (line.get("details") or {}).get("family") == "innkeep"
    return {"id": name, "object": "model", "created": created, "owned_by": "innkeep" if is_ours else owner}


def _unknown(name: str) -> HttpFault:
    return HttpFault(404, f"model '{name}' not found", "unknown_model")
