"""Addresses: what people write for a host, and what it means.

``$OLLAMA_HOST`` is written for a server to listen on, so it may lack scheme, host or port, or say 0.0.0.0; a client
needs the one address behind it. The rules are those of Ollama's own ``envconfig.Host``.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

OLLAMA_PORT = 11434
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]", "*": "127.0.0.1"}  # noqa: S104 (compared, never bound)
_SCHEME_PORTS = {"http": 80, "https": 443}


def ollama_url(text: str) -> str:
    """The URL that a client of Ollama uses for ``text``: scheme, host and port, with the path if there is one.

    No scheme: http and port 11434; a scheme without a port: 80 or 443; "listen everywhere": loopback.
    Raises ValueError with what is wrong.
    """
    bare = text.strip().strip("\"'").strip()
    scheme, mark, rest = bare.partition("://")
    if not mark:
        scheme, rest = "", bare
    elif scheme not in _SCHEME_PORTS:
        raise ValueError(f"an address begins with http:// or https://, not {scheme}://")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # an IPv6 address as Ollama takes it too
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError(f"{text!r} is not a host and port") from None
    if parts.username is not None or parts.query or parts.fragment or any(c.isspace() for c in rest):
        raise ValueError(f"{text!r} is not a host and port")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} has no port between 0 and 65535") from None
    host = parts.hostname or ""
    host = _ANY.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme or 'http'}://{host}:{port or _SCHEME_PORTS.get(scheme, OLLAMA_PORT)}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``: exactly ``localhost``, or an address in 127.0.0.0/8 or ::1.

    Any other name is false, whatever it begins with: ``127.evil.example`` belongs to whoever owns evil.example.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare.lower() == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False


def same_place(url: str, host: str, port: int) -> bool:
    """Whether ``url`` leads to the ``port`` that this machine serves on ``host``."""
    parts = urlsplit(url)
    there = parts.hostname or ""
    here = host.strip("[]").lower()
    return parts.port == port and (there == here or (is_loopback(there) and (is_loopback(here) or here in _ANY)))
