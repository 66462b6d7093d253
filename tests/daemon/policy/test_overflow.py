import re

import pytest

from innkeepd.policy.overflow import overflow_text

PATTERNS = [
    r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)",  # Claude Code
    r"maximum context length is \d+ tokens",  # pi, opencode
    r"this model's maximum context length is",  # litellm
    r"context (length|window|limit)",  # cline
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_client_knows_the_text(pattern):
    assert re.search(pattern, overflow_text([], estimate=24000, context=16384), re.IGNORECASE)


@pytest.mark.parametrize(
    ("messages", "estimate", "tokens"),
    [
        (["request (3516 tokens) exceeds the available context size (512 tokens)", "other"], 1, 3516),
        (["the input length exceeds the context length"], 700, 700),
        (["the input length exceeds the context length"], 100, 513),
        ([], 0, 513),
    ],
)
def test_the_exact_count_is_told_else_the_estimate_and_never_less_than_was_refused(messages, estimate, tokens):
    expected = f"prompt is too long: {tokens} tokens > 512 maximum; this model's maximum context length is 512 tokens"
    assert overflow_text(messages, estimate=estimate, context=512) == expected
