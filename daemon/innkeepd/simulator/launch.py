"""The attributes that a runner was launched with: a request that wants another value makes Ollama reload the model."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, structs

from innkeepd.simulator.catalog import Pulled


class Launch(Struct, frozen=True):
    """Of one runner. ``num_ctx`` in tokens, as loaded; ``num_gpu`` -1: as many layers as fit."""

    num_ctx: int
    shift: bool = True
    num_batch: int = 512
    num_gpu: int = -1
    main_gpu: int = 0
    use_mmap: bool = True
    num_thread: int = 0
    draft_num_predict: int = 0

    def differing(self, wanted: "Launch") -> list[str]:
        """Names of the attributes for which a request reloads this runner.

        ``num_gpu`` counts one way only: a request that does not say it takes any.
        """
        ours, theirs = structs.asdict(self), structs.asdict(wanted)
        return [
            name
            for name, value in theirs.items()
            if value != ours[name] and not (name == "num_gpu" and value == -1)
        ]  # fmt: skip


def launch_for(
    model: Pulled, options: Mapping[str, Any], shift: bool | None, *, default: int, attributes: frozenset[str]
) -> Launch:
    """What a request wants of its runner.

    ``options``: the request's, laid over the model's own. ``default``: ``num_ctx`` where none is given.
    ``attributes``: those that the version knows; what is not among them is of the request.
    """
    said = {key: value for key, value in {**model.options, **options}.items() if key in attributes}
    asked = _whole(said.get("num_ctx")) or default
    context = min(asked, model.max_context)
    wanted: dict[str, Any] = {"num_ctx": context, "num_batch": _batch(model, asked, context)}
    for name in ("num_batch", "main_gpu", "num_thread", "draft_num_predict"):
        number = _whole(said.get(name))
        if number is not None and number > 0:
            wanted[name] = number
    gpu = _whole(said.get("num_gpu"))
    if gpu is not None and gpu >= 0:
        wanted["num_gpu"] = gpu
    if isinstance(said.get("use_mmap"), bool):
        wanted["use_mmap"] = said["use_mmap"]
    if "shift" in attributes and shift is not None:
        wanted["shift"] = shift
    return Launch(**wanted)


def _batch(model: Pulled, asked: int, context: int) -> int:
    """The automatic ``num_batch``; an embedding model's follows what was asked for, clamped or not."""
    if "embedding" in model.capabilities:
        return min(2048, asked)
    return 512 if context <= 4096 else 1024 if context <= 32_768 else 2048


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
