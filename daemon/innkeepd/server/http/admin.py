"""What changes the disk: pulling is passed on, all else only where the configuration allows it by name."""

import re
from collections.abc import Collection

from innkeepd.backends.backend import BackendFault
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.errors import HttpFault, error_record, fault_of
from innkeepd.server.http.response import Response

_VERBS = {
    "/api/pull": "pull",
    "/api/create": "create",
    "/api/push": "push",
    "/api/copy": "copy",
    "/api/delete": "delete",
}
_BLOB = re.compile(r"/api/blobs/sha256[:-][0-9a-f]{64}")
"""What is passed on as it stands must be nothing but a digest: a proxy in between may resolve ``..`` and ``%2e``."""
_PASSED = ("content-type", "content-length")
_SENT = {"content-type": "application/json"}


class AdminProxy:
    """Passes such requests to this machine's Ollama. ``allowed``: the verbs that the configuration lets through."""

    def __init__(self, control: ResidencyControl, *, allowed: Collection[str]) -> None:
        self._control = control
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

    async def pass_through(self, method: str, path: str, body: bytes, response: Response) -> None:
        """Pass a request on as it is, its progress back, and look anew at what is pulled. Raises ``HttpFault``.

        Where the engine breaks off in mid-answer, the answer ends with an error record; one whose length has been told
        is left unfinished, so that its connection is cut.
        """
        headers: list[tuple[bytes, bytes]] = []
        chunk = b"\n"
        try:
            async with self._control.backend.forward(method, path, body, _SENT) as answer:
                if 300 <= answer.status < 400:
                    raise HttpFault(502, f"Ollama redirects {path} ({answer.status}), which is not followed")
                headers = [(name.encode(), answer.headers[name].encode()) for name in _PASSED if name in answer.headers]
                await response.head(answer.status, headers)
                async for chunk in answer.chunks():
                    await response.write(chunk)
            await response.end()
        except BackendFault as fault:
            failure = fault_of(fault.code, fault.message)
            if not response.begun:
                raise failure from None
            if b"content-length" not in dict(headers):
                await response.end((b"" if chunk.endswith(b"\n") else b"\n") + error_record("native", failure))
        finally:
            self._control.pulled.look_anew()


def _verb(path: str) -> str | None:
    return "create" if _BLOB.fullmatch(path) else _VERBS.get(path)
