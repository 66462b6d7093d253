"""A prompt that is too long, told in the one text by which every client under ``/v1`` knows it.

Claude Code looks for ``prompt is too long: N tokens > N`` and then compacts, pi and opencode for several such texts,
litellm for ``this model's maximum context length is``; codex, opencode and cline look at the code. Source: those
clients and their recordings (Claude Code 2.1.197, pi 0.73.1, opencode 1.18.33, cline 3.0.65, litellm 1.108.7,
codex 0.169.0).
"""

from collections.abc import Iterable

from innkeepd.policy.fallback import prompt_tokens

CODE = "context_length_exceeded"
"""OpenAI's own code."""


def overflow_text(messages: Iterable[str], *, estimate: int, context: int) -> str:
    """The text, with both numbers always.

    ``messages``: refusals of engines, one of which may tell the exact count; ``estimate``: tokens of the prompt, about;
    ``context``: the largest that was tried. A prompt that was refused has at least one token more.
    """
    tokens = max(max(map(prompt_tokens, messages), default=0) or estimate, context + 1)
    longest = f"this model's maximum context length is {context} tokens"
    return f"prompt is too long: {tokens} tokens > {context} maximum; {longest}"
