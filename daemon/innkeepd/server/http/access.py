"""Who may ask: tools on this machine, and nobody's web page.

A page in a browser reaches loopback too, directly (its ``Origin`` tells) or under a name of its own that it lets point
to 127.0.0.1 (DNS rebinding: its ``Host`` tells). Both are refused. Names that no public DNS server may hand out
(``localhost``, ``*.local``, ``*.internal``: containers use the last) and addresses are what our own tools write.

Both headers are matched against their whole grammar before a name in them is looked at: a URL parser is lenient and
finds "::1" in ``[::1]evil.example``.
"""

import hmac
import re
from collections.abc import Mapping
from ipaddress import ip_address

from innkeepd.config.address import is_loopback
from innkeepd.config.schema import HttpConfig
from innkeepd.server.http.errors import HttpFault

APPS = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})
"""Schemes of programs that show pages of their own; no page of the web has them. Source: Ollama's default origins."""

_TOP = (".localhost", ".local", ".internal")
_PLACE = rb"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{0,5})?"
"""``host[:port]`` in lower case. Source: RFC 3986, 3.2.2, without percent-encoding, which no browser sends here."""
_HOST = re.compile(_PLACE)
_WEB_ORIGIN = re.compile(rb"https?://" + _PLACE)
SHOWN = 100
"""Characters of a refused header that the refusal repeats."""
_SECRET = (b"authorization", b"x-api-key")


class AccessGuard:
    """Judges a request by its headers, names in lower case."""

    def __init__(self, config: HttpConfig, *, hostname: str) -> None:
        self._token = config.token.encode()
        self._origins = frozenset(origin.rstrip("/").lower() for origin in config.origins)
        self._hosts = frozenset({"localhost", hostname.lower(), config.host.strip("[]").lower()})
        self._known: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Guard({'with' if self._token else 'without'} a token)"

    def check(
        self,
        headers: Mapping[bytes, bytes],
        *,
        is_preflight: bool = False,
        needs_host: bool = False,
        is_public: bool = False,
    ) -> None:
        """Raises ``HttpFault`` 400, 401 or 403. A browser's preflight shows no token; HTTP/1.1 ``needs_host``.

        What ``is_public`` needs no token: a browser that opens the dashboard has none to show yet.
        """
        origin = headers.get(b"origin")
        if origin is not None and not self.is_our_origin(origin):
            text = f"pages of {_shown(origin)} may not ask; if one should, name it in [http] origins"
            raise HttpFault(403, text, "forbidden")
        if headers.get(b"sec-fetch-site") == b"cross-site" and not self._may_cross(origin, headers):
            raise HttpFault(403, "a web page may not ask; if one should, name it in [http] origins", "forbidden")
        host = headers.get(b"host", b"")
        if needs_host and not host:
            raise HttpFault(400, "a Host header is needed", "bad_request")
        if self._token and is_public:
            return
        if self._token and not is_preflight:
            self._check_token(headers)
        elif not self._is_our_host(host):
            text = f"{_shown(host)} is not a name of this machine; use 127.0.0.1, or set a token"
            raise HttpFault(403, text, "forbidden")

    def _may_cross(self, origin: bytes | None, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request that its browser calls cross-site may come.

        A configured page and a program's own pages may. A page of this machine may where it asks this machine under a
        loopback name: for a browser ``localhost`` and ``127.0.0.1`` are two sites. One that asks under another name
        is a page of whichever machine the browser runs on.
        """
        if origin is None:
            return False
        return not _is_loopback_origin(_bare(origin)) or self._is_configured(origin) or _is_loopback_host(headers)

    def _check_token(self, headers: Mapping[bytes, bytes]) -> None:
        """What is shown as ``Bearer``, or as Anthropic's clients do; without a token of ours anything is let pass."""
        shown = next((headers[name] for name in _SECRET if name in headers), None)
        if shown is None:
            raise HttpFault(401, "a token is needed: Authorization: Bearer TOKEN, see [http] token", "forbidden")
        secret = shown[7:].strip() if shown[:7].lower() == b"bearer " else shown
        if not hmac.compare_digest(secret, self._token):
            raise HttpFault(401, "this is not the token of [http] in innkeep's configuration", "forbidden")

    def is_our_origin(self, origin: bytes) -> bool:
        """Whether a page of this origin may ask: of this machine, of a program's own pages, or configured."""
        text = _bare(origin)
        if self._is_configured(origin):
            return True
        scheme, mark, _ = text.partition(b"://")
        return (bool(mark) and scheme.decode("latin-1") in APPS) or _is_loopback_origin(text)

    def _is_configured(self, origin: bytes) -> bool:
        return "*" in self._origins or _bare(origin).decode("latin-1") in self._origins

    def _is_our_host(self, host: bytes) -> bool:
        if host in self._known:
            return True
        if not host:
            return True  # HTTP/1.0; no browser leaves it out
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found[1].decode().strip("[]")
        if name in self._hosts or name.endswith(_TOP) or _is_near(name):
            if len(self._known) < 64:
                self._known.add(host)
            return True
        return False


def _bare(origin: bytes) -> bytes:
    return origin.lower().rstrip(b"/")


def _shown(value: bytes) -> str:
    return ascii(value[:SHOWN].decode("latin-1"))[1:-1]


def _is_loopback_origin(text: bytes) -> bool:
    found = _WEB_ORIGIN.fullmatch(text)
    return found is not None and is_loopback(found[1].decode())


def _is_loopback_host(headers: Mapping[bytes, bytes]) -> bool:
    found = _HOST.fullmatch(headers.get(b"host", b"").lower())
    return found is not None and is_loopback(found[1].decode())


def _is_near(name: str) -> bool:
    """Whether it is an address of this machine or of a private network."""
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local or address.is_unspecified
