"""What a model takes, whether it is heavy, and the one context that it is loaded with.

Every change of context reloads the model, so there are few steps, and the choice depends on the catalogue and the
budget only, never on what happens to be in memory.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from innkeepd.policy.memory.budget import OLLAMA_SHARE, MemoryPolicy
from innkeepd.policy.model import CONTEXT_STEPS, Model, canonical, footprint, predicted

Learned = Mapping[tuple[str, int], int]
"""Bytes by (weights, context), as ``/api/ps`` told after a load."""

ALONE_SHARE = 0.9
"""A model that stands alone may take this share of the budget: the rest is for what grows while it answers."""

T = TypeVar("T")


def configured(table: Mapping[str, T], model: Model) -> T | None:
    """What the user said of this model, under whichever spelling of its name."""
    name = canonical(model.name)
    return next((value for key, value in table.items() if canonical(key) == name), None)


def takes(model: Model, context: int, policy: MemoryPolicy, learned: Learned | None = None) -> int:
    """Bytes in memory at this context: learned where known, else estimated."""
    known = (learned or {}).get((model.weights, context))
    if known is not None:
        return known
    parallel = policy.slots or configured(policy.parallel, model) or 1
    return footprint(model, context, parallel=parallel, cache_type=policy.cache_type)


def asks(model: Model, context: int, policy: MemoryPolicy) -> int:
    """Bytes that Ollama predicts before a load at this context, which its gate compares with what is free."""
    parallel = policy.slots or configured(policy.parallel, model) or 1
    return predicted(model, context, parallel=parallel, cache_type=policy.cache_type)


def steps(model: Model) -> tuple[int, ...]:
    """The contexts to choose from, rising, none over the model's own; a tiny model has its own only."""
    within = tuple(step for step in CONTEXT_STEPS if not model.max_context or step <= model.max_context)
    return within or (model.max_context,)


def footprints(
    model: Model, context: int, budget: int, policy: MemoryPolicy | None = None, learned: Learned | None = None
) -> tuple[tuple[int, int], ...]:
    """(context, bytes) for each context it may ever have, rising: what ``events.Spec`` wants.

    Those are the steps up to the chosen ``context``, and the larger ones that it may grow to (``next_context``).
    """
    policy = policy or MemoryPolicy()
    tokens = [step for step in steps(model) if step < context] + [context]
    while (larger := next_context(model, tokens[-1], budget, policy, learned)) is not None:
        tokens.append(larger)
    return tuple((step, takes(model, step, policy, learned)) for step in tokens)


def is_heavy(model: Model, budget: int, policy: MemoryPolicy) -> bool:
    """Whether at most ``heavy_limit`` such models may be in memory: 20 billion parameters, or over half of the budget.

    Judged at the smallest context and by the estimate, so that no later choice or measurement turns a light model
    heavy.
    """
    said = configured(policy.weights, model)
    if said is not None:
        return said == "heavy"
    return model.parameters >= policy.heavy_parameters or takes(model, steps(model)[0], policy) > budget / 2


def choose_contexts(
    models: Sequence[Model],
    budget: int,
    policy: MemoryPolicy | None = None,
    learned: Learned | None = None,
    *,
    gpu_limit: int | None = None,
) -> dict[str, int]:
    """Tokens to load each model with, by weights. ``models`` are the candidates of the roles, ``budget`` is bytes.

    A number in the configuration wins (but not over the model's own context, which Ollama would cut it to). A heavy
    model gets the largest step that leaves room for the smallest light one at its smallest; where none does, the
    largest within 90 % of the budget. A light one gets the largest step that fits beside the largest heavy one.
    With a ``gpu_limit`` (Metal's, bytes) room is what Ollama admits beside a model that is loaded, too: 80 % of what
    that leaves, for the prediction of the one that comes.
    """
    policy = policy or MemoryPolicy()
    heavy = [model for model in models if is_heavy(model, budget, policy)]
    light = [model for model in models if not is_heavy(model, budget, policy)]
    talking = [model for model in light if model.can({"completion"})]
    smallest = min((takes(model, steps(model)[0], policy, learned) for model in talking), default=None)
    least_asked = min((asks(model, steps(model)[0], policy) for model in talking), default=0)

    chosen: dict[str, int] = {}
    beside = 0
    for model in heavy:
        context = _said(model, policy)
        if context is None and smallest is not None:
            room = budget - smallest
            if gpu_limit is not None:
                room = min(room, int(gpu_limit - least_asked / OLLAMA_SHARE))
            context = _largest(model, room, policy, learned)
            # No context opens Ollama's gate for the light one: they take turns, at the context that the budget allows.
            context = context or _largest(model, budget - smallest, policy, learned)
        if context is None:
            context = _alone(model, budget, policy, learned)
        chosen.setdefault(model.weights, context)
        taken = takes(model, chosen[model.weights], policy, learned)
        beside = max(beside, taken if taken <= budget else 0)
    for model in light:
        context = _said(model, policy)
        if context is None and beside:
            gate = None if gpu_limit is None else OLLAMA_SHARE * (gpu_limit - beside)
            context = _largest(model, budget - beside, policy, learned, gate) or steps(model)[0]
        if context is None:
            context = _alone(model, budget, policy, learned)
        chosen.setdefault(model.weights, context)
    return chosen


def next_context(
    model: Model, current: int, budget: int, policy: MemoryPolicy | None = None, learned: Learned | None = None
) -> int | None:
    """The next larger step that stays within 90 % of the budget (bytes) alone; None: there is none.

    For a prompt that overflowed. A configured context does not grow: the user's number wins.
    """
    policy = policy or MemoryPolicy()
    if _said(model, policy) is not None:
        return None
    larger = next((step for step in steps(model) if step > current), None)
    if larger is None or takes(model, larger, policy, learned) > ALONE_SHARE * budget:
        return None
    return larger


def _said(model: Model, policy: MemoryPolicy) -> int | None:
    said = configured(policy.contexts, model)
    return min(said, model.max_context) if said and model.max_context else said


def _largest(
    model: Model, room: float, policy: MemoryPolicy, learned: Learned | None, gate: float | None = None
) -> int | None:
    within = (step for step in reversed(steps(model)) if gate is None or asks(model, step, policy) <= gate)
    return next((step for step in within if takes(model, step, policy, learned) <= room), None)


def _alone(model: Model, budget: int, policy: MemoryPolicy, learned: Learned | None) -> int:
    return _largest(model, ALONE_SHARE * budget, policy, learned) or steps(model)[0]
