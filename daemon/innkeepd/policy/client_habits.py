"""What known clients send to say who they are, and which signs of life each of them counts. Header names in lower case.

Source: recordings of Claude Code 2.1.197, codex 0.169.0, opencode 1.18.33, pi 0.73.1, Copilot CLI 1.0.102, Open WebUI
0.12.4 and of Node's clients whose answer took longer than 300 s.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_SESSION_HEADERS = (
    "x-innkeep-session",
    "x-claude-code-session-id",
    "session-id",
    "session_id",
    "x-session-affinity",
    "x-session-id",
    "x-openwebui-chat-id",
)
"""The first that is there names the session."""
_OLD_SESSION = re.compile(r"_session_([\w-]{8,})$")
"""How Claude Code named its session in ``metadata.user_id`` before that was JSON."""
_NODE = re.compile(r"node|undici|/js |\bai-sdk", re.IGNORECASE)
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_KEEPALIVE = b'event: keepalive\ndata: {"type":"keepalive"}\n\n'


def session_of(headers: Mapping[str, str], body: Mapping[str, Any]) -> str | None:
    """The name of the conversation that a request belongs to; None where nothing tells it."""
    named = [headers.get(name, "").strip() for name in _SESSION_HEADERS]
    key, metadata = body.get("prompt_cache_key"), body.get("metadata")
    named.append(key.strip() if isinstance(key, str) else "")
    named.append(_session_in(metadata.get("user_id")) if isinstance(metadata, dict) else "")
    return next(filter(None, named), None)


def priority_of(headers: Mapping[str, str]) -> str | None:
    """The class that a client names; ``agent`` where Copilot says that a tool's turn asks. None: as usual."""
    own = headers.get("x-innkeep-priority", "").strip()
    return own or ("agent" if headers.get("x-initiator", "").strip().lower() == "agent" else None)


def heartbeat(api: str, agent: str, news: str) -> bytes:
    """A sign of life in a stream of server-sent events, with ``news`` as a comment; ``agent`` is the user agent.

    Codex counts events alone, while one before ``response.created`` breaks OpenAI's own libraries. Those of Anthropic's
    API know ``ping``. A comment is enough for all others.
    """
    comment = b": " + " ".join(news.split()).encode("ascii", "replace")
    if api == "messages":
        return comment + b"\n" + _PING
    if api == "responses" and agent.lower().startswith("codex"):
        return comment + b"\n" + _KEEPALIVE
    return comment + b"\n\n"


def gives_up_on_silence(agent: str) -> bool:
    """Whether a client's library (Node's ``fetch``) gives up after 300 s without an answer's head."""
    return bool(_NODE.search(agent))


def _session_in(user: object) -> str:
    """The session in ``metadata.user_id``: a member of its JSON, or its end; a mere user is no session."""
    if not isinstance(user, str):
        return ""
    old = _OLD_SESSION.search(user)
    if old is not None:
        return old[1]
    try:
        said = json.loads(user)
    except (ValueError, RecursionError):
        return ""
    session = said.get("session_id") if isinstance(said, dict) else None
    return session if isinstance(session, str) else ""
