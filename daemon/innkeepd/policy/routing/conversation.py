"""The user's own words in a conversation, without the context that agents add, and the role of the last tool call.

Agents put context into the user's messages: reminders, the environment, the rules of an edit format. It is removed
before the text is scored. Errands (a title, tags, follow-up questions) are requests of the client's own.
"""

import re
from collections.abc import Sequence

__all__ = ["follows_up", "is_errand", "own_words", "tool_role"]

_BLOCKS = (
    "system-reminder", "system_reminder", "environment_context", "environment_details", "environment",
    "user_instructions", "user_info", "context", "system", "permissions instructions", "INSTRUCTIONS",
    "local-command-stdout",
)  # fmt: skip
_OPEN = re.compile(rf"<({'|'.join(map(re.escape, _BLOCKS))})>")
_FRAME = r"(?:task|user_query|user-query|query|feedback|user_message)>"
_FRAMES = re.compile(rf"^\s*<{_FRAME}|</{_FRAME}\s*$")
_RULES = re.compile(
    r"\n\n(?:# \*SEARCH/REPLACE block\* Rules|To suggest changes to a file you MUST|"
    r"Respond with a JSON object in the following)"
)
_ERRANDS = (
    "### Task:\nGenerate", "### Task:\nPredict", "### Task:\nSuggest", "<session>\n",
    "Generate a title for this conversation", "Your task: Create a 2-4 word title",
)  # fmt: skip
_CODING_TOOL = re.compile(
    r"(?:^|[_.\W])(?:bash|shell|terminal|exec|execute|command|edit|multiedit|patch|apply|write|create|read|view|open|cat|"
    r"str|grep|glob|ls|list|find|search|replace|run|python|ipython|notebook|git|lint|test|tests|code|file|files|diff|lsp)(?:$|[_.\W])"
)
_OTHER_TOOL = re.compile(
    r"web|internet|news|weather|mail|calendar|event|contact|remind|meeting|map|flight|hotel|order|shop|recipe|message|music|"
    r"image|wiki|memory|browser|todo|task"
)
_FOLLOW_UP = re.compile(
    r"(?:(?:what|how) about|and|but|also|or|so|then|same|instead|again|what if)\b|"
    r"그럼|그러면|그렇다면|그리고|그런데|근데|그래도|그건|그거|그게|이건|이거|아니|또|다른|혹시|만약",
    re.IGNORECASE,
)
MOST = 65536
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def own_words(text: str) -> str:
    """``text`` without the blocks that agents put into a user's message; "" where nothing else is in it.

    Of a text over ``MOST`` characters only the ends are read: the router looks at no more.
    """
    if len(text) > MOST:
        text = f"{text[: MOST * 3 // 4]}\n{text[-MOST // 4 :]}"
    if "<" in text:
        text = _FRAMES.sub("", _without_blocks(text))
    rules = _RULES.search(text)
    return (text[: rules.start()] if rules else text).strip()


def _without_blocks(text: str) -> str:
    """In one pass: a name whose block does not end is looked for once, or many openings would take quadratic time."""
    kept, at = [], 0
    endless: set[str] = set()
    for opening in _OPEN.finditer(text):
        name = opening[1]
        if opening.start() < at or name in endless:
            continue
        end = text.find(f"</{name}>", opening.end())
        if end < 0:
            endless.add(name)
            continue
        kept.append(text[at : opening.start()])
        at = end + len(name) + 3
    return "\n".join((*kept, text[at:]))


def follows_up(turn: str) -> bool:
    """Whether a turn begins as one that refers to the turn before it ("what about ...", "그럼 ...")."""
    return _FOLLOW_UP.match(turn) is not None


def is_errand(text: str) -> bool:
    """Whether a client asks this for itself: a title, tags or follow-up questions for a conversation."""
    return text[:400].lstrip("\n \"'").startswith(_ERRANDS)


def tool_role(tools: Sequence[str]) -> str | None:
    """The role that the last of the called ``tools`` speaks for: coding for those of files and shells, else none."""
    if not tools:
        return None
    name = _CAMEL.sub("_", tools[-1]).lower()
    return "coding" if _CODING_TOOL.search(name) and not _OTHER_TOOL.search(name) else None
