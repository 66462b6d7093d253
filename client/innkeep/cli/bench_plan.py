"""What ``innkeep bench`` does, step by step, and how long that may take: pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from innkeep import wire
from innkeep.cli.bench_result import LANGUAGES, Language
from innkeep.errors import BadRequest

LENGTHS = (64, 512, 2048)
"""Tokens of prompts, about; those that do not fit the model's context are left out."""
QUICK_LENGTHS = (64, 512)
ANSWER = 128
"""Tokens of an answer, at most."""
QUICK_ANSWER = 48
MARGIN = 256
"""Tokens of a context beside prompt and answer: the template, and estimates that are off."""

LOAD_S, UNLOAD_S, PREFILL, DECODE = 12.0, 1.5, 200.0, 12.0
"""Seconds and tokens a second that are assumed until they are learned: of a 32B."""

StepKind: TypeAlias = Literal["unload", "load", "chat"]


class Step(NamedTuple):
    """One request to the daemon; ``seconds`` it may take, for the progress bar."""

    kind: StepKind
    model: str
    what: str
    seconds: float
    language: Language = "English"
    tokens: int = 0
    answer: int = 0


def choose_models(models: wire.Models, names: Sequence[str], roles: Sequence[str]) -> list[wire.ModelState]:
    """The models to measure: those named, the first choice of each role named, else of every role.

    Raises ``BadRequest`` for one that is unknown, runs elsewhere or never fits.
    """
    known = {one.name: one for one in models.models} | {one.name.removesuffix(":latest"): one for one in models.models}
    chosen: list[wire.ModelState] = []
    for name in names:
        if name not in known:
            raise BadRequest(f"no model {name!r} is known; `innkeep models list` shows the names")
        chosen.append(known[name])
    wanted = roles if names or roles else wire.ROLES
    chosen += [one for role in wanted for one in models.models if role in one.first_for]
    unique = list({one.name: one for one in chosen}.values())
    able = [one for one in unique if one.context is not None and one.fit not in ("never", "missing")]
    for one in unique if names or roles else ():
        if one not in able:
            raise BadRequest(f"{one.name} can't be measured: {one.reason}")
    if not able:
        raise BadRequest("no role's first model is pulled; name one with --model")
    return able


def plan(models: Sequence[wire.ModelState], *, quick: bool) -> list[Step]:
    """The steps in their order: for each model its cold load, a swap, prompts by rising length in both languages."""
    steps: list[Step] = []
    before: str | None = None
    for model in models:
        steps += _steps(model, before, quick=quick)
        before = model.name
    return steps


def _steps(model: wire.ModelState, before: str | None, *, quick: bool) -> list[Step]:
    lengths, answer = (QUICK_LENGTHS, QUICK_ANSWER) if quick else (LENGTHS, ANSWER)
    context = model.context or 0
    load, unload = _learned(model, "load", LOAD_S), _learned(model, "unload", UNLOAD_S)
    steps = [Step("unload", one, "unload", UNLOAD_S) for one in ([] if before in (None, model.name) else [before])]
    steps += [
        Step("unload", model.name, "unload", unload),
        Step("load", model.name, "cold load", load),
        Step("unload", model.name, "unload for the swap", unload),
        Step("load", model.name, "load of the swap", load),
        _chat(model, "English", min(lengths), 1, what="warm up"),
    ]
    fitting = [length for length in lengths if length + answer + MARGIN <= context] or [min(lengths)]
    return steps + [_chat(model, language, length, answer) for length in fitting for language in LANGUAGES]


def _chat(model: wire.ModelState, language: Language, tokens: int, answer: int, *, what: str = "") -> Step:
    seconds = tokens / _learned(model, "prefill", PREFILL) + answer / _learned(model, "decode", DECODE)
    return Step("chat", model.name, what or f"{tokens} tokens, {language}", seconds, language, tokens, answer)


def _learned(model: wire.ModelState, name: str, otherwise: float) -> float:
    found = getattr(model.estimates, name, None)
    return found.value if found is not None and found.value > 0 else otherwise


# ---- prompts -------------------------------------------------------------------------------------------------------

_ENGLISH = (
    "The harbour was quiet before sunrise, and the ferry had not come yet.",
    "A mechanic checked the engine twice while the passengers waited on the pier.",
    "Nobody knew how long the repair would take, so they talked about the weather.",
    "When the fog lifted, the first boat appeared between the two lighthouses.",
)
_KOREAN = (
    "해가 뜨기 전 항구는 조용했고 여객선은 아직 오지 않았습니다.",
    "승객들이 부두에서 기다리는 동안 정비사는 엔진을 두 번 점검했습니다.",
    "수리가 얼마나 걸릴지 아무도 몰라서 사람들은 날씨 이야기를 했습니다.",
    "안개가 걷히자 두 등대 사이로 첫 배가 나타났습니다.",
)
_PER_TOKEN: dict[Language, float] = {"English": 4.2, "Korean": 1.6}
"""Characters of a token, about; the result tells the engine's own count."""
_TASK: dict[Language, str] = {
    "English": "Continue this story in plain sentences, as long as you like:",
    "Korean": "이 이야기를 쉬운 문장으로 길게 이어서 써 주세요:",
}


def prompt_text(step: Step, nonce: str) -> str:
    """About ``step.tokens`` tokens; ``nonce`` comes first, so that no engine has read the beginning before."""
    sentences = _KOREAN if step.language == "Korean" else _ENGLISH
    wanted = round(step.tokens * _PER_TOKEN[step.language])
    head = f"[{nonce}] {_TASK[step.language]}"
    parts, length, number = [head], len(head), 0
    while length < wanted:
        sentence = f"{number + 1}. {sentences[number % len(sentences)]}"
        parts.append(sentence)
        length += len(sentence) + 1
        number += 1
    return " ".join(parts)
