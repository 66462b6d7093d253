"""Who may ask: tools on this machine, and nobody's web page.

A page in a browser reaches loopback too, directly (its ``Origin`` tells) or under a name of its own that it lets point
to 127.0.0.1 (DNS rebinding: its ``Host`` tells). Both are refused. Names that no public DNS server may hand out
(``localhost``, ``*.local``, ``*.internal``: containers use the last) and addresses are what our own tools write.
"""

import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from innkeepd.config import HttpConfig
from innkeepd.inbound.http.errors import HttpFault
from innkeepd.policy.address import is_loopback

APPS = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})
"""Schemes of programs that show pages of their own; no page of the web has them. Source: Ollama's default origins."""

_TOP = (".localhost", ".local", ".internal")
_SECRET = (b"authorization", b"x-api-key")


class Guard:
    """Judges a request by its headers, names in lower case."""

    def __init__(self, config: HttpConfig, *, hostname: str) -> None:
        self._token = config.token.encode()
        self._origins = frozenset(origin.rstrip("/").lower() for origin in config.origins)
        self._hosts = frozenset({"localhost", hostname.lower(), config.host.strip("[]").lower()})
        self._known: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Guard({'with' if self._token else 'without'} a token)"

    def check(self, headers: Mapping[bytes, bytes], *, is_preflight: bool = False) -> None:
        """Raises ``HttpFault`` 401 or 403. A browser's preflight shows no token."""
        origin = headers.get(b"origin")
        if origin is not None and not self.is_our_origin(origin):
            text = f"pages of {origin.decode('latin-1')} may not ask; if one should, name it in [http] origins"
            raise HttpFault(403, text, "forbidden")
        if origin is None and headers.get(b"sec-fetch-site") == b"cross-site":
            raise HttpFault(403, "a web page may not ask", "forbidden")
        if self._token and not is_preflight:
            self._check_token(headers)
        elif not self._is_our_host(headers.get(b"host", b"")):
            text = f"{headers[b'host'].decode('latin-1')} is not a name of this machine; use 127.0.0.1, or set a token"
            raise HttpFault(403, text, "forbidden")

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
        text = origin.decode("latin-1").rstrip("/").lower()
        if text in self._origins or "*" in self._origins:
            return True
        try:
            parts = urlsplit(text)
        except ValueError:
            return False
        return parts.scheme in APPS or (parts.scheme in {"http", "https"} and is_loopback(parts.hostname or ""))

    def _is_our_host(self, host: bytes) -> bool:
        if host in self._known:
            return True
        if not host:
            return True  # HTTP/1.0; no browser leaves it out
        try:
            parts = urlsplit(f"//{host.decode('ascii')}")
            name = "" if "@" in parts.netloc else (parts.hostname or "").lower()
        except ValueError:
            return False
        if name in self._hosts or name.endswith(_TOP) or _is_near(name):
            if len(self._known) < 64:
                self._known.add(host)
            return True
        return False


def _is_near(name: str) -> bool:
    """Whether it is an address of this machine or of a private network."""
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local or address.is_unspecified
