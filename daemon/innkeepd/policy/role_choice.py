"""Which of the pulled models answer for which role on this machine: what ``innkeep init`` writes.

A role prefers its specialist over a general model of up to four times its parameters. A chain never names a model that
does not fit. The general role gets a light model, which can stay in memory beside a heavy one.
"""

from collections.abc import Sequence
from math import log2

from msgspec import Struct, field

from innkeepd.policy.memory.admission import SizedModel, together
from innkeepd.policy.memory.budget import Budget, MemoryPolicy, gib
from innkeepd.policy.memory.context import is_heavy, steps, takes
from innkeepd.policy.memory.unpulled import known_model, model_by_name, parameters_of
from innkeepd.policy.model import Model, canonical

CODERS = ("code", "coder", "codestral", "devstral", "starcoder", "codegemma", "codellama", "sqlcoder")
THINKERS = ("deepseek-r1", "qwq", "gpt-oss", "magistral", "phi4-reasoning", "phi4-mini-reasoning", "exaone-deep")
EMBEDDERS = ("embed", "bge-", "minilm", "paraphrase")
SEERS = ("-vl", "vl:", "llava", "vision", "moondream", "minicpm-v", "bakllava")
KOREAN = ("exaone", "kanana", "hyperclova", "solar", "eeve", "qwen", "gemma2", "gemma3", "aya", "midm", "ax-")
"""Parts of names, where ``capabilities`` does not tell: Ollama's library has no tag for code or a language.

Korean: families whose authors list Korean among the languages that they trained for.
"""

BASE = ("-base", "-text")
"""Tags of models that continue a text and follow no instruction."""

SPECIALIST = 2.0
"""Doublings of parameters that a specialist is worth."""

SUGGESTED: dict[str, tuple[str, ...]] = {
    "coding": ("qwen2.5-coder:32b", "qwen2.5-coder:14b", "qwen2.5-coder:7b", "qwen2.5-coder:3b", "qwen2.5-coder:1.5b"),
    "reasoning": ("deepseek-r1:32b", "deepseek-r1:14b", "deepseek-r1:8b", "deepseek-r1:1.5b"),
    "general": ("llama3.1:8b", "llama3.2:3b", "llama3.2:1b"),
}
"""What to pull where a role has nothing, the largest first; only what fits is ever suggested."""


class Traits(Struct, frozen=True):
    """What a model is good for; ``heavy``: only one of its kind is in memory at a time. ``footprint`` in bytes."""

    name: str
    parameters: int
    footprint: int
    context: int
    heavy: bool
    fits: bool
    code: bool = False
    thinking: bool = False
    vision: bool = False
    embedding: bool = False
    korean: bool = False
    base: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The capabilities as words."""
        return tuple(each for each in ("code", "thinking", "vision", "embedding", "korean") if getattr(self, each))


class Chosen(Struct, frozen=True):
    """One role's chain and why, a sentence each."""

    primary: str
    fallbacks: tuple[str, ...]
    reasons: tuple[str, ...]


class RoleChoice(Struct, frozen=True):
    """``roles`` by name (empty: nothing that is pulled can chat here), every model's ``traits``, and ``notes``.

    ``pulls``: by role a model that fits this machine and would answer better than what is there.
    """

    roles: dict[str, Chosen]
    traits: tuple[Traits, ...]
    notes: tuple[str, ...] = ()
    pulls: dict[str, str] = field(default_factory=dict)


def choose_roles(
    models: Sequence[Model], budget: Budget, policy: MemoryPolicy | None = None, *, korean: bool = False
) -> RoleChoice:
    """Chains for the three roles out of these pulled models; ``korean``: the user writes Korean."""
    policy = policy or MemoryPolicy()
    local = [model for model in models if not model.host]
    traits = tuple(sorted((traits_of(model, budget, policy) for model in local), key=lambda one: one.name))
    able = [one for one in traits if one.fits and not one.embedding]
    notes = _notes(traits, models)
    if not able:
        return RoleChoice({}, traits, notes, suggestions(budget, policy))
    coder = max(able, key=lambda one: (_score(one, code=True), one.name))
    thinker = max(able, key=lambda one: (_score(one, thinking=True), one.name))
    talker = max(able, key=lambda one: (_general_score(one, korean=korean), one.name))
    chains = {
        "coding": _chain(coder, thinker, talker),
        "reasoning": _chain(thinker, coder, talker),
        "general": _chain(talker, *_seer(able, talker), *_smaller(able, talker)),
    }
    reasons = {
        "coding": _why(coder, "code", is_one=coder.code),
        "reasoning": _why(thinker, "thinking", is_one=thinker.thinking),
        "general": _why_general(talker, korean=korean),
    }
    roles = {
        role: Chosen(
            chain[0].name,
            tuple(one.name for one in chain[1:]),
            (reasons[role], *_beside(chain, talker, budget, policy)),
        )
        for role, chain in chains.items()
    }
    lacking = {"coding": coder.code, "reasoning": thinker.thinking}
    pulls = {role: name for role, name in suggestions(budget, policy).items() if role in lacking and not lacking[role]}
    return RoleChoice(roles, traits, notes, pulls)


def suggestions(budget: Budget, policy: MemoryPolicy) -> dict[str, str]:
    """By role the largest well-known model that fits this machine; a role that none fits is left out."""
    found: dict[str, str] = {}
    for role, names in SUGGESTED.items():
        for name in names:
            model = known_model(name) or model_by_name(name)
            if model is not None and traits_of(model, budget, policy).fits:
                found[role] = name
                break
    return found


def traits_of(model: Model, budget: Budget, policy: MemoryPolicy) -> Traits:
    """What Ollama tells of a model, and its name where Ollama tells nothing."""
    name = canonical(model.name)
    told = model.capabilities
    context = steps(model)[0]  # the least that it can be had at; the daemon grows it where there is room
    size = takes(model, context, policy)
    return Traits(
        name=name,
        parameters=model.parameters or parameters_of(name) or model.size * 8 // 5,
        footprint=size,
        context=context,
        heavy=is_heavy(model, budget.bytes, policy),
        fits=size <= budget.bytes,
        code="insert" in told or _has(name, CODERS),
        thinking="thinking" in told or _has(name, THINKERS),
        vision="vision" in told or (not told and _has(name, SEERS)),
        embedding="completion" not in told if told else _has(name, EMBEDDERS),
        korean=_has(name, KOREAN),
        base=_has(name, BASE),
    )


def _has(name: str, parts: Sequence[str]) -> bool:
    return any(part in name.lower() for part in parts)


def _score(one: Traits, *, code: bool = False, thinking: bool = False) -> float:
    """Doublings of parameters: a specialist counts as four times as large, a base model as a sixteenth."""
    special = (code and one.code) or (thinking and one.thinking)
    return log2(max(one.parameters, 1)) + SPECIALIST * special - 2 * SPECIALIST * one.base


def _general_score(one: Traits, *, korean: bool) -> float:
    """Likewise; light models before heavy ones, and no specialists, which know less or answer late."""
    liked = 1.0 * (korean and one.korean) - SPECIALIST * one.code - one.thinking - 100.0 * one.heavy
    return _score(one) + liked


def _chain(*models: Traits) -> list[Traits]:
    return list({one.name: one for one in models}.values())


def _seer(able: Sequence[Traits], talker: Traits) -> list[Traits]:
    """A model that sees pictures, where the role's first does not."""
    seers = [] if talker.vision else [one for one in able if one.vision]
    return [max(seers, key=_score)] if seers else []


def _smaller(able: Sequence[Traits], talker: Traits) -> list[Traits]:
    """The largest smaller model that is no base model: quick to load where the first fails."""
    smaller = [one for one in able if one.footprint < talker.footprint and not one.base and not one.heavy]
    return [max(smaller, key=_score)] if smaller else []


def _why(one: Traits, trait: str, *, is_one: bool) -> str:
    what = {"code": "made for code", "thinking": "thinks before it answers"}[trait]
    if is_one:
        return f"{one.name}: {what}; takes {gib(one.footprint)} at {one.context} tokens"
    lacks = {"code": "no pulled model that fits is made for code", "thinking": "no pulled model that fits thinks"}
    return f"{one.name}: the largest that fits ({gib(one.footprint)}); {lacks[trait]}"


def _why_general(one: Traits, *, korean: bool) -> str:
    speaks = ", knows Korean" if korean and one.korean else ""
    if one.heavy:
        return f"{one.name}: no smaller model is pulled ({gib(one.footprint)}){speaks}"
    return f"{one.name}: the best that can stay in memory beside a large one ({gib(one.footprint)}){speaks}"


def _beside(chain: Sequence[Traits], talker: Traits, budget: Budget, policy: MemoryPolicy) -> list[str]:
    """What fits together with the role's first: the general role's light model, and a second heavy one never."""
    first, lines = chain[0], []
    if first is not talker:
        verdict = together([_sized(first), _sized(talker)], budget, heavy_limit=policy.heavy_limit)
        if verdict.fit == "never":
            lines.append(f"not in memory together with {talker.name}: {verdict.reason}")
        else:
            lines.append(f"in memory together with {talker.name}: {verdict.reason}")
    other = next((one for one in chain[1:] if one.heavy), None)
    if first.heavy and other is not None and policy.heavy_limit == 1:
        lines.append(f"never in memory together with {other.name}: changing between them takes a swap")
    return lines


def _sized(one: Traits) -> SizedModel:
    return SizedModel(one.name, one.name, one.footprint, one.heavy)


def _notes(traits: Sequence[Traits], models: Sequence[Model]) -> tuple[str, ...]:
    """What is left out, and why."""
    notes = [f"{one.name} never fits this machine ({gib(one.footprint)})" for one in traits if not one.fits]
    notes += [f"{one.name} makes embeddings: ask for it by its name" for one in traits if one.embedding and one.fits]
    hosts = {one.name: one.host.removeprefix("https://").removesuffix(":443") for one in models if one.host}
    notes += [f"{canonical(name)} runs at {host}: prompts would leave this machine" for name, host in hosts.items()]
    return tuple(notes)
