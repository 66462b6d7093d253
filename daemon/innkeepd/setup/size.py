"""Where the size of a model is known from, the surest source first."""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import anyio
from msgspec import Struct

from innkeep.language import _
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.memory.unpulled import known_model, model_by_name
from innkeepd.policy.model import Model, canonical
from innkeepd.setup.registry import model_in_registry
from innkeepd.setup.situation import Situation

Source: TypeAlias = Literal["pulled", "registry", "built_in", "name"]
Registry: TypeAlias = Callable[[str], Awaitable[Model | None]]


class Sized(Struct, frozen=True):
    """A model, and who says how large it is."""

    model: Model
    source: Source

    def words(self) -> str:
        """The source as a phrase for people."""
        size = gib(self.model.size)
        match self.source:
            case "pulled":
                return _("size: {size} on this disk", size=size)
            case "registry":
                return _("size: {size}, from the registry's manifest", size=size)
            case "built_in":
                return _("size: {size}, built into innkeep", size=size)
            case "name":
                return _(
                    "size: ~{size}, estimated for {parameters} billion parameters in {quantization}",
                    size=size,
                    parameters=f"{self.model.parameters / 1e9:g}",
                    quantization=self.model.quantization,
                )


def size_of(name: str, situation: Situation, registry: Registry = model_in_registry) -> Sized | None:
    """What is known of ``name``: pulled, else the registry's word, else built in, else its name; None: nothing."""
    wanted = canonical(name)
    for model in situation.ollama.pulled:
        if canonical(model.name) == wanted:
            return Sized(model, "pulled")
    if (known := known_model(wanted)) is not None:
        return Sized(known, "built_in")  # measured, shape included, which no manifest tells
    if (found := anyio.run(registry, wanted)) is not None:
        return Sized(found, "registry")
    guessed = model_by_name(wanted)
    return None if guessed is None else Sized(guessed, "name")
