"""Names that stand for a choice: ``auto`` for the router's, each role for its chain; also spelled ``innkeep/auto``.

What is told of them is what would really serve: the context of the model that would be taken now, and the capabilities
that some candidate of the chain has, because a request that needs one passes over those that lack it.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

from innkeepd.chat.dispatch import Dispatcher
from innkeepd.chat.types import ChatSpec, Target
from innkeepd.policy.model import Model

AUTO = "auto"
_PREFIX = "innkeep/"
_SINCE = "2026-01-01T00:00:00Z"
"""When they were last modified: never."""


class VirtualModels:
    """The virtual models of one daemon."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def __repr__(self) -> str:
        return f"Virtual({list(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Every virtual model."""
        return (AUTO, *self._dispatcher.config.roles)

    def find(self, name: str) -> str | None:
        """The virtual model of this name, in whichever spelling."""
        bare = name.removeprefix("ollama/").removeprefix(_PREFIX).removesuffix(":latest")
        return bare if bare in self.names else None

    def tag(self, name: str) -> dict[str, Any]:
        """A line of ``/api/tags``."""
        details = _details() | {"context_length": self.context(name)}
        return {
            "name": name,
            "model": name,
            "modified_at": _SINCE,
            "size": 0,
            "digest": digest(name),
            "details": details,
        }

    def show(self, name: str) -> dict[str, Any]:
        """The answer of ``/api/show``."""
        context = self.context(name)
        return {
            "modelfile": f"# {name} is chosen by innkeep for each request: {self._described(name)}\n",
            "parameters": f"{'num_ctx':<30} {context}",
            "template": "{{ .Prompt }}",
            "details": _details(),
            "model_info": {"general.architecture": "innkeep", "innkeep.context_length": context},
            "capabilities": self.capabilities(name),
            "modified_at": _SINCE,
        }

    def context(self, name: str) -> int:
        """Tokens that we serve it with: the least of those that would be taken now, as far as each would grow.

        Clients take the number literally and cut what they send to it, so that a model would never be asked to grow.
        """
        catalog = self._dispatcher.control.catalog
        found = [catalog.find(self._dispatcher.selector.would_take(way)) for way in self._ways(name)]
        return min((catalog.largest_context(model.weights) for model in found if model), default=4096)

    def capabilities(self, name: str) -> list[str]:
        """What every role behind it can do, by at least one of its candidates; thinking by the one that would be taken.

        A request with tools passes over candidates without them, one that wishes to think does not.
        """
        offered = [self._offered(way) for way in self._ways(name)]
        known = [each for each in offered if each]
        return [
            "completion",
            *sorted(set.intersection(*known) - {"completion", "embedding", "insert"} if known else ()),
        ]

    def _ways(self, name: str) -> list[Target]:
        roles = self._dispatcher.config.roles if name == AUTO else (name,)
        return [self._dispatcher.selector.route(ChatSpec(role=role), remember=False) for role in roles]

    def _offered(self, way: Target) -> set[str]:
        offered = set().union(*(model.capabilities for model in self._models(way)))
        taken = self._dispatcher.control.catalog.find(self._dispatcher.selector.would_take(way))
        return offered if taken is None or taken.can({"thinking"}) else offered - {"thinking"}

    def _models(self, way: Target) -> Iterator[Model]:
        for candidate in way.candidates:
            model = self._dispatcher.control.catalog.find(candidate.name)
            if model is not None and candidate.engine is None:
                yield model

    def _described(self, name: str) -> str:
        if name == AUTO:
            return f"by its words, to {', '.join(self._dispatcher.config.roles)}"
        return ", ".join(self._dispatcher.config.roles[name].chain)


def digest(name: str) -> str:
    """Unique and for ever the same: clients keep what they learn by it."""
    return hashlib.sha256(f"innkeep virtual model {name}".encode()).hexdigest()


def _details() -> dict[str, Any]:
    return {
        "parent_model": "",
        "format": "",
        "family": "innkeep",
        "families": ["innkeep"],
        "parameter_size": "",
        "quantization_level": "",
    }
