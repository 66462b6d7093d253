"""A day of clients as they were recorded: who asks what, in which shape and order, and what the engine read of it.

The words are invented; shapes, marks, sizes and moments are those of Claude Code 2.1.197, opencode 1.18.33, gptme
0.35.1, aider 0.86.2 and Open WebUI 0.12.4 (``clients.md``): the errands of each, and when.
"""

import random
from collections.abc import Awaitable, Callable
from copy import deepcopy
from typing import Any

import anyio
from msgspec import Struct

from innkeepd.simulator.prompt_cache import PromptCache

HOUR = 3600.0
MARK = "errand-of-the-client"
"""In every errand's words, so that what was read of it can be told from a conversation's."""
TOOLS = [
    {"name": name, "description": "works on files " * 20, "input_schema": {"type": "object"}}
    for name in ("read", "bash")
]
FUNCTIONS = [
    {"type": "function", "function": {"name": each["name"], "description": each["description"], "parameters": {}}}
    for each in TOOLS
]
Post = Callable[..., Awaitable[Any]]


class Step(Struct, frozen=True):
    """One request of a session: ``after`` seconds behind the answer before, ``aside`` where nobody waits for it."""

    after: float
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = {}
    aside: bool = False

    @property
    def is_errand(self) -> bool:
        """Whether the client runs it for itself."""
        return MARK in str(self.body)


def user(text: str) -> dict[str, Any]:
    """A user's message."""
    return {"role": "user", "content": text}


def claude_code(dice: random.Random, name: str, model: str) -> list[Step]:
    """A title before the first request, counts by ``max_tokens`` 1, a loop of tool calls."""
    headers = {"x-claude-code-session-id": name, "user-agent": "claude-cli/2.1.197 (external, cli)"}
    system = [{"type": "text", "text": "You work on code. " + "Rules of the house. " * 900}]
    title = {
        "model": model,
        "system": f"Write a title for this coding session, {MARK}.",
        "messages": [user(f"<session>\nmend the parser {name}\n</session>")],
        "max_tokens": 32000,
        "stream": True,
    }
    steps = [Step(0, "/v1/messages", title, headers, aside=True)]
    said = [user(f"mend the parser {name}")]
    for turn in range(dice.randint(3, 6)):
        steps.append(Step(dice.uniform(0.1, 12), "/v1/messages", _messages(model, system, said), headers))
        call = {"type": "tool_use", "id": f"t{turn}", "name": "read", "input": {"path": f"{turn}.py"}}
        result = {"type": "tool_result", "tool_use_id": f"t{turn}", "content": f"line of {turn} " * 40}
        said = [*said, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    if dice.random() < 0.4:
        probe = {"model": model, "messages": [user(f"{MARK} count")], "max_tokens": 1, "metadata": {"user_id": name}}
        steps += [Step(0.2, "/v1/messages", probe, headers) for _ in range(5)]
    return steps


def _messages(model: str, system: Any, said: list[dict[str, Any]]) -> dict[str, Any]:
    return {"model": model, "system": system, "messages": said, "tools": TOOLS, "max_tokens": 32000, "stream": True}


def opencode(dice: random.Random, name: str, model: str) -> list[Step]:
    """A title beside the first request and in front of it, under the same session."""
    headers = {"x-session-affinity": name, "user-agent": "opencode/1.18.33"}
    title = {
        "model": model,
        "messages": [
            {"role": "system", "content": f"You are a title generator. {MARK}. Write a thread title."},
            user("Generate a title for this conversation:\n"),
            user(f'"sort the list {name}"'),
        ],
        "stream": True,
    }
    said = [
        {"role": "system", "content": "You work on code. " + "A rule of style. " * 400},
        user(f"sort the list {name}"),
    ]
    steps = [Step(0, "/v1/chat/completions", title, headers, aside=True)]
    for turn in range(dice.randint(2, 5)):
        body = {"model": model, "messages": said, "tools": FUNCTIONS, "stream": True}
        steps.append(Step(dice.uniform(0.1, 20), "/v1/chat/completions", body, headers))
        said = [*said, {"role": "assistant", "content": "Done."}, user(f"now the other one, {turn}")]
    return steps


def gptme(dice: random.Random, name: str, model: str) -> list[Step]:
    """A title behind the first answer."""
    said = [{"role": "system", "content": "You help. " + "Be exact. " * 300}, user(f"why does it leak, {name}")]
    title = {
        "model": model,
        "messages": [
            {"role": "system", "content": "Generate concise conversation titles."},
            user(f"Your task: Create a 2-4 word title for this conversation. {MARK}"),
        ],
    }
    steps = []
    for turn in range(dice.randint(2, 4)):
        body = {"model": model, "messages": said, "stream": True}
        steps.append(Step(dice.uniform(5, 50), "/v1/chat/completions", body))
        if turn == 0:
            steps.append(Step(0.5, "/v1/chat/completions", title, aside=True))
        said = [*said, {"role": "assistant", "content": "So."}, user(f"and then, {turn}?")]
    return steps


def aider(dice: random.Random, name: str, model: str) -> list[Step]:
    """A commit message behind each answer, for which the user waits."""
    said = [{"role": "system", "content": "Act as a developer. " + "Edit files. " * 300}, user(f"rename it, {name}")]
    commit = {
        "model": model,
        "messages": [
            {"role": "system", "content": f"You write one-line Git commit messages for the diffs. {MARK}"},
            user("--- a\n+++ b"),
        ],
        "stream": False,
    }
    steps = []
    for turn in range(dice.randint(2, 4)):
        steps.append(Step(dice.uniform(5, 50), "/api/chat", {"model": model, "messages": said, "stream": True}))
        steps.append(Step(0.3, "/api/chat", commit))
        said = [*said, {"role": "assistant", "content": "Renamed."}, user(f"the next one, {turn}")]
    return steps


def open_webui(dice: random.Random, name: str, model: str) -> list[Step]:
    """Follow-ups behind each answer, title and tags behind the first."""
    headers = {"x-openwebui-chat-id": name, "user-agent": "Python/3.11 aiohttp/3.14.5"}
    tasks = {
        "follow_ups": "Predict 3-5 messages this user might send next",
        "title": "Generate a concise title summarizing the chat history",
        "tags": "Generate 1-3 broad tags categorizing the main themes of the chat history",
    }
    said = [user(f"tell me of {name} " + "in a few words " * 60)]
    steps = []
    for turn in range(dice.randint(2, 4)):
        body = {"model": model, "messages": said, "stream": True}
        steps.append(Step(dice.uniform(4, 50), "/api/chat", body, headers))
        for kind, task in tasks.items():
            if turn == 0 or kind == "follow_ups":
                words = (
                    f"### Task:\n{task}. {MARK}\n### Guidelines:\n- as json\n<chat_history>\n{turn}\n</chat_history>"
                )
                errand = {"model": model, "messages": [user(words)], "stream": False}
                steps.append(Step(0.1, "/api/chat", errand, headers, aside=True))
        said = [*said, {"role": "assistant", "content": "A few."}, user(f"and more of it, {turn}?")]
    return steps


CLIENTS = (
    (claude_code, "coding"),
    (opencode, "coding"),
    (gptme, "reasoning"),
    (aider, "coding"),
    (open_webui, "general"),
)


def sessions(seed: int, hours: float, every: float) -> list[tuple[float, list[Step]]]:
    """Sessions of a day by their beginning: one begins every ``every`` seconds on average, of a client by chance."""
    dice = random.Random(seed)
    found, at = [], 0.0
    while (at := at + dice.expovariate(1 / every)) < hours * HOUR:
        client, role = dice.choice(CLIENTS)
        found.append((at, client(dice, f"{client.__name__}-{len(found)}", dice.choice((role, "auto")))))
    return found


async def play(post: Post, day: list[tuple[float, list[Step]]]) -> None:
    """Live the day."""
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for at, steps in day:
            await anyio.sleep(max(0.0, began + at - anyio.current_time()))
            tasks.start_soon(_live, post, steps)


async def _live(post: Post, steps: list[Step]) -> None:
    async with anyio.create_task_group() as tasks:
        for step in steps:
            await anyio.sleep(step.after)
            if step.aside:
                tasks.start_soon(post, step)
            else:
                await post(step)


class Readings:
    """What runners read of prompts, and what errands made them read again: tokens.

    Beside each runner's cache stands a second one that never sees an errand. What that would have had of a
    conversation's prompt and the runner has not is lost by errands.
    """

    def __init__(self) -> None:
        self.read = 0
        self.lost = 0
        self._without: dict[int, PromptCache] = {}
        self._alive: list[PromptCache] = []

    def watch(self, monkeypatch: Any) -> "Readings":
        """Look into every runner's cache from now on."""
        cached, keep = PromptCache.cached, PromptCache.keep

        def noted_cached(cache: PromptCache, prompt: str, tokens: int) -> int:
            held = cached(cache, prompt, tokens)
            if MARK not in prompt:
                self.read += tokens - held
                self.lost += max(0, cached(self._twin(cache), prompt, tokens) - held)
            return held

        def noted_keep(cache: PromptCache, conversation: str, tokens: int, held: int) -> None:
            if MARK not in conversation:
                keep(self._twin(cache), conversation, tokens, held)
            keep(cache, conversation, tokens, held)

        monkeypatch.setattr(PromptCache, "cached", noted_cached)
        monkeypatch.setattr(PromptCache, "keep", noted_keep)
        return self

    def _twin(self, cache: PromptCache) -> PromptCache:
        if id(cache) not in self._without:
            self._alive.append(cache)  # or another cache could get its id
            self._without[id(cache)] = deepcopy(cache)
        return self._without[id(cache)]
