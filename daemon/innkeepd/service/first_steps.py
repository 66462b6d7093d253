"""Whether `innkeep init` has something to do: none of the roles' models is pulled."""

from contextlib import suppress

import anyio

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import HttpClient
from innkeepd.backends.ollama import OllamaBackend
from innkeepd.config.schema import Config
from innkeepd.policy.model import canonical

WITHIN = 3.0
"""Seconds that Ollama has to list its models; without an answer nothing is offered."""

OFFER = "note: none of the roles' models is pulled; `innkeep init` chooses from what is there, or says what fits"


def lacks_models(config: Config) -> bool:
    """Ask Ollama; False where it does not answer, and where a role has a model elsewhere."""
    chains = [name for role in config.roles.values() for name in role.chain]
    if any(config.backend_of(name) is not None for name in chains):
        return False
    names = anyio.run(_pulled, config)
    return names is not None and names.isdisjoint(map(canonical, chains))


async def _pulled(config: Config) -> set[str] | None:
    backend = OllamaBackend(HttpClient(config.ollama.url, connect_timeout=WITHIN))
    try:
        with suppress(BackendFault), anyio.move_on_after(WITHIN):
            return {canonical(model.name) for model in await backend.pulled()}
    finally:
        with anyio.CancelScope(shield=True):
            await backend.aclose()
    return None
