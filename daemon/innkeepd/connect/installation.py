"""What clients must know of this innkeep: address, token, contexts; by the running daemon, else the configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec

from innkeep import paths
from innkeep.errors import BadConfig
from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import HttpClient
from innkeepd.clients.table import CONTEXT, VIRTUAL, Installation
from innkeepd.config.load import load
from innkeepd.config.schema import Config, HttpConfig
from innkeepd.errors import DaemonError
from innkeepd.service.probe import Kept, kept_by

PATIENCE = 5.0
"""Seconds that the daemon has for its list of models."""


class Found(msgspec.Struct, frozen=True):
    """The installation, and a line for each thing that a person should know about it."""

    installation: Installation
    notes: list[str]


def find(config_file: Path | None, environ: Mapping[str, str], url: str | None = None) -> Found:
    """Look it up; ``url``: how the client reaches the port, if not as this machine does.

    Raises DaemonError where the HTTP port is switched off, and ConfigError.
    """
    try:
        running = kept_by(paths.socket_path(environ))
    except BadConfig as fault:
        raise DaemonError(str(fault)) from None
    config = _config(config_file, environ, running)
    http = config.http
    if not http.enabled:
        raise DaemonError(
            f"the HTTP port, through which clients ask innkeep, is switched off: set `enabled = true` under [http] in "
            f"{config.file or 'config.toml'}, then `innkeep service restart`"
        )
    here = address(http)
    notes = []
    contexts = anyio.run(_contexts, here, http.token) if running is not None else None
    if contexts is None:
        contexts = _configured(config)
        what = "answers at its HTTP port" if running is not None else "runs"
        notes.append(f"no innkeepd {what}, so the contexts are those of config.toml, else {CONTEXT} tokens")
    return Found(Installation(url or here, http.token, contexts), notes)


def address(http: HttpConfig) -> str:
    """The URL of the HTTP port, as a client on this machine uses it."""
    host = "127.0.0.1" if http.host in ("0.0.0.0", "::", "") else http.host  # noqa: S104 (compared, never bound)
    return f"http://{f'[{host}]' if ':' in host else host}:{http.port}"


def _config(config_file: Path | None, environ: Mapping[str, str], running: Kept | None) -> Config:
    """The configuration, with the address that the running daemon tells.

    OLLAMA_HOST of this shell may lead to innkeep itself and says nothing about a running daemon.
    """
    if running is None or config_file is not None:
        return load(config_file, environ)
    bare = {name: value for name, value in environ.items() if name != "OLLAMA_HOST"}
    config = load(Path(running.config_file) if running.config_file else None, bare)
    http = config.http
    if running.http is not None:
        http = msgspec.structs.replace(http, enabled=bool(running.http))
    if running.http:
        host, _, port = running.http.rpartition(":")
        http = msgspec.structs.replace(http, host=host.strip("[]"), port=int(port))
    return msgspec.structs.replace(config, http=http)


async def _contexts(url: str, token: str) -> dict[str, int] | None:
    """Tokens by virtual model, as the port lists them; None where it does not answer."""
    client = HttpClient(url, connect_timeout=PATIENCE, token=token)
    found: dict[str, int] = {}
    try:
        with anyio.fail_after(PATIENCE):
            async with client.request("GET", "/api/tags") as answer:
                listed: Any = json.loads(await answer.read())
        for model in listed["models"]:
            found[str(model["name"]).removesuffix(":latest")] = int(model["details"].get("context_length") or 0)
        return {name: found[name] for name in VIRTUAL}
    except (BackendFault, TimeoutError, ValueError, LookupError, TypeError, AttributeError):
        return None
    finally:
        with anyio.CancelScope(shield=True):
            await client.aclose()


def _configured(config: Config) -> dict[str, int]:
    """By role what [models."NAME"] says of its first model; ``auto`` has the least of them."""
    roles = {
        role: (config.models[chain.primary].context if chain.primary in config.models else None) or CONTEXT
        for role, chain in config.roles.items()
    }
    return {"auto": min(roles.values())} | roles
