"""Checks that span several keys: those that contradict each other."""

import re
from collections.abc import Iterator

from innkeepd.config.address import is_loopback, same_place
from innkeepd.config.schema import Config


def complaints(config: Config) -> Iterator[tuple[str, str]]:
    """Each contradiction as (key path, what is wrong and what to do), the gravest first."""
    yield from _port(config)
    yield from _backends(config)
    if config.telemetry.otlp and not re.match(r"https?://[^/\s]", config.telemetry.otlp):
        yield "telemetry.otlp", f"expected http://... or https://..., got {config.telemetry.otlp!r}"
    if config.history.limit == 0 and config.history.path:
        yield "history.path", "history.limit is 0, so no record is kept there; remove one of the two"


def _port(config: Config) -> Iterator[tuple[str, str]]:
    http = config.http
    at = "$OLLAMA_HOST" if config.sources.get("ollama.url") == "$OLLAMA_HOST" else "ollama.url"
    if http.enabled and not http.token and not is_loopback(http.host):
        yield "http.host", f"{http.host} lets other machines in; set http.token or http.token_file, or use 127.0.0.1"
    if http.enabled and same_place(config.ollama.url, http.host, http.port):
        cure = "set ollama.url to where Ollama itself listens" if at.startswith("$") else "change it or http.port"
        yield at, f"{config.ollama.url} is our own port (http.port = {http.port}); {cure}"


def _backends(config: Config) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for index, backend in enumerate(config.backends):
        if backend.name in seen:
            yield f"backends[{index}].name", f"{backend.name} is already the name of backends[{seen[backend.name]}]"
        seen[backend.name] = index
        if config.http.enabled and same_place(backend.url, config.http.host, config.http.port):
            yield f"backends[{index}].url", f"{backend.url} is our own port (http.port = {config.http.port})"
    for name, role in config.roles.items():
        for candidate in role.chain:
            home = config.backend_of(candidate)
            model = candidate.partition("/")[2]
            if home is not None and home.models and model not in home.models:
                yield f"roles.{name}", f"backend {home.name} has no {model}; its models are {', '.join(home.models)}"
