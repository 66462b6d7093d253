"""What changes the disk: pulling is passed on, all else only where the configuration allows it by name."""

from collections.abc import Collection

from innkeepd.inbound.http.errors import HttpFault, fault_of
from innkeepd.inbound.http.reply import Reply
from innkeepd.keeper import Keeper
from innkeepd.outbound.backend import BackendFault

_VERBS = {
    "/api/pull": "pull",
    "/api/create": "create",
    "/api/push": "push",
    "/api/copy": "copy",
    "/api/delete": "delete",
}
_BLOBS = "/api/blobs/"
_PASSED = ("content-type", "content-length")
_SENT = {"content-type": "application/json"}


class Disk:
    """Passes such requests to this machine's Ollama. ``allowed``: the verbs that the configuration lets through."""

    def __init__(self, keeper: Keeper, *, allowed: Collection[str]) -> None:
        self._keeper = keeper
        self._allowed = frozenset(allowed) | {"pull"}

    def __repr__(self) -> str:
        return f"Disk({sorted(self._allowed)})"

    def serves(self, method: str, path: str) -> bool:
        """Whether this is such a request."""
        return method in {"POST", "DELETE", "HEAD"} and _verb(path) is not None

    def refuse_unless_allowed(self, path: str) -> None:
        """Raises ``HttpFault`` 403."""
        verb = _verb(path)
        if verb not in self._allowed:
            text = f'{path} is refused: it changes the disk. Ask Ollama itself, or set [http] allow_admin = ["{verb}"]'
            raise HttpFault(403, text, "forbidden")

    async def pass_through(self, method: str, path: str, body: bytes, reply: Reply) -> None:
        """Pass a request on as it is, its progress back, and look anew at what is pulled. Raises ``HttpFault``."""
        try:
            async with self._keeper.backend.forward(method, path, body, _SENT) as answer:
                headers = [(name.encode(), answer.headers[name].encode()) for name in _PASSED if name in answer.headers]
                await reply.head(answer.status, headers)
                async for chunk in answer.chunks():
                    await reply.chunk(chunk)
            await reply.end()
        except BackendFault as fault:
            if reply.begun:
                await reply.end()
                return
            raise fault_of(fault.code, fault.message) from None
        finally:
            self._keeper.senses.look_anew()


def _verb(path: str) -> str | None:
    return "create" if path.startswith(_BLOBS) else _VERBS.get(path)
