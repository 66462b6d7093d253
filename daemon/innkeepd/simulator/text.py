"""Answers of simulated models: short, in the language of the question, always marked as simulated."""

import json
import random
import re
from typing import Any

from msgspec import Struct

from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import Pulled, sha

PIECE = re.compile(r"\s*(?:[A-Za-z']{1,9}|\d{1,3}|[가-힣]{1,2}|[^\sA-Za-z'\d가-힣]{1,2})|\s+")
"""About a token: a word, up to three digits, two syllables, or a sign, with the space before it."""

HANGUL = re.compile(r"[가-힣]")
LONG = re.compile(r"\[simulate tokens (?P<tokens>\d{1,6})\]")
"""A prompt may ask for an answer of so many tokens."""

REPEATED = re.compile(r"\^(?P<what>\w)\{(?P<times>\d{1,4})\}\$$")
"""A pattern of a JSON schema that one character repeated fulfils."""

CODE = re.compile(r"```|\b(?:code|function|bug|debug|refactor)\b|코드|함수|버그|리팩토링")

FIRST = "```python\ndef first(items, default=None):\n    return items[0] if items else default\n```\n"
DUE = "```python\ndef plan(state):\n    return [step for step in state if step.due]\n```\n"

ENGLISH = {
    "code": [
        f"The trouble is the empty case: handle it first.\n{FIRST}A test with an empty list proves it.",
        f"Split it: one function that decides, one that acts.\n{DUE}Then the first can be tested without the second.",
    ],
    "plain": [
        "There are two sides to it. The first is cheaper now, the second easier to change later.",
        "In short: yes, with one reservation. Measure it before and after, and keep whichever number is smaller.",
    ],
}
KOREAN = {
    "code": [
        f"빈 목록일 때가 문제입니다. 그 경우를 먼저 처리하세요.\n{FIRST}빈 목록으로 테스트해 보세요.",
        f"결정하는 함수와 실행하는 함수로 나누세요.\n{DUE}그러면 테스트하기 쉬워집니다.",
    ],
    "plain": [
        "두 가지 면이 있습니다. 하나는 지금 값이 싸고, 다른 하나는 나중에 바꾸기 쉽습니다.",
        "짧게 말하면 그렇습니다. 바꾸기 전과 후를 한 번씩 재어 보고 더 작은 값을 고르세요.",
    ],
}


class Plan(Struct, frozen=True):
    """An answer before it is spoken: pieces of thinking, then content; tokens ``evaluated``; ``stop`` or ``length``."""

    thinking: list[str]
    content: list[str]
    tool_calls: list[dict[str, Any]]
    evaluated: int
    reason: str


def pieces(text: str) -> list[str]:
    """Cut a text into token-sized pieces; joined they are the text again."""
    return PIECE.findall(text)


def count(text: str) -> int:
    """Tokens of a prompt, about: four ASCII characters, or one and a half of others, make one."""
    plain = len(text.encode("ascii", "ignore"))
    return -(-plain // 4) + -(-(len(text) - plain) * 2 // 3)


def plan(asked: Asked, model: Pulled, seed: int, limit: int | None = None) -> Plan:
    """Decide what to answer, at most ``limit`` tokens: the same request, model and seed give the same answer."""
    dice = random.Random(f"{seed} {model.blob} {asked.text}")  # noqa: S311 -- it writes prose
    korean = HANGUL.search(asked.text) is not None
    calls = _tool_calls(asked)
    content = [] if calls else _content(asked, model, dice, korean=korean)
    thinking: list[str] = []
    if "thinking" in model.capabilities and asked.think is not False:
        thinking = pieces(
            "모의 추론입니다. 질문을 나누어 보고, 답이 질문에 맞는지 확인합니다."
            if korean
            else "Simulated thinking: take the question apart, then check that the answer fits it."
        )
    whole = len(thinking) + len(content)
    if limit is None or whole < limit:
        return Plan(thinking, content, calls, whole + 1, "stop")
    return Plan(thinking[:limit], content[: max(0, limit - len(thinking))], calls, limit, "length")


def _content(asked: Asked, model: Pulled, dice: random.Random, *, korean: bool) -> list[str]:
    repeated = REPEATED.match(str(asked.format.get("pattern", ""))) if isinstance(asked.format, dict) else None
    if repeated:
        return ['"', *repeated["what"] * int(repeated["times"]), '"']
    if asked.format:
        return pieces(json.dumps(_conforming(asked.format), ensure_ascii=False))
    kind = "code" if CODE.search(asked.text.lower()) else "plain"
    name = model.parent or model.name
    label = f"({name} 시뮬레이션 응답입니다.) " if korean else f"(A simulated answer of {name}.) "
    text = label + dice.choice((KOREAN if korean else ENGLISH)[kind])
    order = LONG.search(asked.text)
    if order is None:
        return pieces(text)
    wanted = int(order["tokens"])
    line = pieces(text + "\n")
    return (line * (wanted // len(line) + 1))[:wanted]


def _conforming(schema: Any) -> Any:
    """The smallest value that a JSON schema allows, near enough."""
    if not isinstance(schema, dict):
        return {"simulated": True}
    if "enum" in schema:
        return schema["enum"][0]
    simple: dict[str, Any] = {
        "string": "simulated",
        "integer": 0,
        "number": 0.5,
        "boolean": True,
        "array": [],
        "null": None,
    }
    if schema.get("type", "object") != "object":
        return simple.get(str(schema["type"]))
    return {key: _conforming(value) for key, value in schema.get("properties", {}).items()}


def _tool_calls(asked: Asked) -> list[dict[str, Any]]:
    """A call of the tool that the last message names, so that no agent loops for ever."""
    for tool in asked.tools:
        function = tool.get("function", {}) if isinstance(tool, dict) else {}
        name = str(function.get("name", ""))
        if name and re.search(rf"\b{re.escape(name)}\b", asked.text):
            schema = function.get("parameters") or {}
            wanted = {key: schema.get("properties", {}).get(key, {}) for key in schema.get("required", [])}
            arguments = {key: _conforming(value or {"type": "string"}) for key, value in wanted.items()}
            return [
                {"id": f"call_{sha(asked.text)[:8]}", "function": {"index": 0, "name": name, "arguments": arguments}}
            ]
    return []
