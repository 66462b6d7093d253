"""``innkeep fit MODEL...``: whether a model fits this machine, before it is pulled.

Exit status: 0 it fits, 1 it never fits or nothing is known of it, 2 wrong usage, 78 wrong configuration.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from innkeep.language import _, translated
from innkeepd.arguments import Parser
from innkeepd.errors import DaemonError
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.model import canonical
from innkeepd.service.cli import World
from innkeepd.setup.registry import model_in_registry
from innkeepd.setup.situation import Situation, failed, look
from innkeepd.setup.size import Registry, Sized, size_of

NEVER = "never"


def main(
    argv: Sequence[str] | None = None,
    world: World | None = None,
    looked: Callable[[World], Situation] = look,
    registry: Registry = model_in_registry,
) -> int:
    """Judge each model; the exit status."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    try:
        situation = looked(world)
    except DaemonError as fault:
        return failed(fault)
    found = [judged(name, situation, registry) for name in wanted.models]
    for verdict in found:
        if wanted.json:
            world.say(json.dumps(verdict, ensure_ascii=False))
        else:
            world.say(f"{verdict['model']}: {words_of(verdict)}")
    return int(any(verdict["fit"] in (NEVER, "unknown") for verdict in found))


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep fit", description=_("Tell whether a model fits this machine, pulled or not, before you pull it.")
    )
    root.add_argument("models", nargs="+", metavar="MODEL", help=_("a name of Ollama's library, such as qwen3:14b"))
    root.add_argument("--json", action="store_true", help=_("print JSON, one object a line"))
    return root


def judged(name: str, situation: Situation, registry: Registry) -> dict[str, Any]:
    """One verdict as ``--json`` prints it."""
    sized = size_of(name, situation, registry)
    if sized is None:
        return {"type": "fit", "model": canonical(name), "fit": "unknown", "reason": "", "source": None}
    return verdict_on(sized, situation)


def verdict_on(sized: Sized, situation: Situation) -> dict[str, Any]:
    """Likewise, of a model whose size is known. Quantities are bytes and tokens."""
    line = situation.judge(sized.model)
    return {
        "type": "fit",
        "model": canonical(sized.model.name),
        "fit": line["fit"],
        "reason": line["reason"],
        "weight": line["weight"],
        "footprint": line["footprint"],
        "context": line["context"],
        "budget": situation.budget.bytes,
        "size": sized.model.size,
        "parameters": sized.model.parameters,
        "quantization": sized.model.quantization,
        "source": sized.source,
        "pulled": sized.source == "pulled",
        "words": sized.words(),
    }


def words_of(verdict: dict[str, Any]) -> str:
    """A verdict for people: the answer first, then where the size is from."""
    if verdict["fit"] == "unknown":
        return _(
            "nothing is known of its size; name its parameters in the tag, such as {name}:8b",
            name=verdict["model"].rpartition(":")[0],
        )
    answers = {
        "resident": _("fits (it is in memory)"),
        "fits": _("fits"),
        "tight": _("fits, but tightly"),
        "after_eviction": _("fits once other models are unloaded"),
        NEVER: _("never fits this machine"),
    }
    first = answers.get(verdict["fit"], verdict["fit"])
    sums = _(
        "{footprint} in memory at {context} tokens, of a budget of {budget}",
        footprint=gib(verdict["footprint"] or 0),
        context=verdict["context"],
        budget=gib(verdict["budget"]),
    )
    lines = [first, f"  {sums}", f"  {verdict['words']}"]
    if verdict["fit"] == "after_eviction":
        lines.append(f"  {translated(verdict['reason'])}")
    return "\n".join(lines)
