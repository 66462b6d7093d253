"""The block that makes innkeep OpenClaw's provider of models, and its merging into a configuration that is there.

Measured with OpenClaw 2026.9.6: the native API (``api: "ollama"``, no ``/v1``) is the one whose tool calls work; any
``apiKey`` will do but there must be one; listed models work without discovery and need their ``contextWindow``;
names that are not listed are still discovered through ``/api/tags`` and ``/api/show``.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from innkeepd.config.schema import HttpConfig
from innkeepd.errors import DaemonError
from innkeepd.openclaw.document import Json

MODELS = {
    "auto": "innkeep: chosen for each message",
    "coding": "innkeep: coding",
    "reasoning": "innkeep: reasoning",
    "general": "innkeep: general",
}
"""The names under which our HTTP port routes, and what a person sees in a menu."""

CONTEXT = 16_384
"""Tokens. OpenClaw's own prompt and tools take about 9,500: 8,192 is too few. A 32B on 36 GB can't have 32,768."""

TIMEOUT = 1800
"""Seconds that OpenClaw gives one request; by default 120 s of silence end it, while a 32B may still be loading."""

DUMMY_KEY = "innkeep"
CONTAINER_HOST = "host.containers.internal"
_ENTRY_ID = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")


class Endpoint(Struct, frozen=True):
    """How OpenClaw reaches our HTTP port."""

    url: str
    key: str = DUMMY_KEY


def endpoint(http: HttpConfig, url: str | None, *, container: bool) -> Endpoint:
    """From our own configuration, or ``url``; raises DaemonError with what is wrong with that."""
    key = http.token or DUMMY_KEY
    if url is not None:
        return Endpoint(_checked(url), key)
    host = CONTAINER_HOST if container else http.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  # recognised, not bound
        host = "127.0.0.1"
    return Endpoint(f"http://{f'[{host}]' if ':' in host else host}:{http.port}", key)


def block(way: Endpoint, context: int = CONTEXT) -> Json:
    """The keys that OpenClaw needs and nothing else; fit for ``openclaw config patch --stdin`` too."""
    models = [
        {"id": name, "name": label, "contextWindow": context, "input": ["text"]} for name, label in MODELS.items()
    ]
    provider = {
        "baseUrl": way.url,
        "api": "ollama",
        "apiKey": way.key,
        "timeoutSeconds": TIMEOUT,
        "models": models,
    }
    return {
        "models": {"providers": {"ollama": provider}},
        "agents": {"defaults": {"model": {"primary": "ollama/auto"}}},
    }


def merge(before: Json, ours: Json) -> tuple[Json, list[str]]:
    """The configuration with our provider in it, and a line for each thing a person may stumble over.

    A model chosen for the defaults or an agent stays chosen; requests for it go through us.
    Raises DaemonError where the configuration has another shape than OpenClaw's.
    """
    after = copy.deepcopy(before)
    notes = list(_profiles_to_entries(after))
    provider = _inner(after, "models", "providers", "ollama")
    new: Json = ours["models"]["providers"]["ollama"]
    if (old := provider.get("baseUrl")) not in (None, new["baseUrl"]):
        notes.append(f"models.providers.ollama.baseUrl was {old}")
    timeout = provider.get("timeoutSeconds")
    provider |= {**new, "models": _models(provider.get("models"), new["models"])}
    if isinstance(timeout, int) and timeout > TIMEOUT:
        provider["timeoutSeconds"] = timeout
    defaults = _inner(after, "agents", "defaults")
    if defaults.get("model"):
        if defaults["model"] != ours["agents"]["defaults"]["model"]:
            notes.append(
                "agents.defaults.model stays; `openclaw models set ollama/auto` lets innkeep choose for each message"
            )
    else:
        defaults["model"] = ours["agents"]["defaults"]["model"]
    return after, notes


def masked(ours: Json) -> Json:
    """The block without a secret: a terminal remembers what it showed."""
    shown = copy.deepcopy(ours)
    shown["models"]["providers"]["ollama"]["apiKey"] = "<token of [http] in config.toml>"
    return shown


def _profiles_to_entries(after: Json) -> Iterator[str]:
    """The seed's ``agents.profiles`` makes the whole file invalid; the same agents are welcome as ``entries``."""
    agents = after.get("agents")
    if not isinstance(agents, dict) or not isinstance(agents.get("profiles"), dict):
        return
    entries = _inner(after, "agents", "entries")
    profiles = agents.pop("profiles")
    for name, report in profiles.items():
        if not _ENTRY_ID.fullmatch(name) or name in entries:
            yield f"agents.profiles.{name}: dropped: OpenClaw 2026.9 refuses profiles, and no entry can have that name"
            continue
        entries[name] = report
        yield f"agents.profiles.{name} is now agents.entries.{name}: OpenClaw 2026.9 refuses profiles"
    if entries:
        owner = _inner(after, "agents", "defaults", "systemAgent")
        owner.setdefault("agentId", next(iter(entries)))
    if len(entries) > 1:
        agents.setdefault("ownership", "explicit")


def _models(old: object, new: list[Json]) -> list[Any]:
    """Ours first, then those that were listed under other ids."""
    ids = {one["id"] for one in new}
    kept = [one for one in old if not (isinstance(one, dict) and one.get("id") in ids)] if isinstance(old, list) else []
    return [*new, *kept]


def _inner(table: Json, *keys: str) -> Json:
    at = ""
    for key in keys:
        at = f"{at}.{key}".lstrip(".")
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise DaemonError(f"{at}: expected an object {{...}}; fix it first (`openclaw config validate` tells more)")
    return table


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise DaemonError(f"--http: expected an address like http://127.0.0.1:11435, got {url!r}")
    if parts.path.rstrip("/") == "/v1":
        raise DaemonError(f"--http: leave out /v1 ({url}): OpenClaw speaks Ollama's own API to innkeep")
    return url.rstrip("/")
