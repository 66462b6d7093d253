"""``POST /v1/messages/count_tokens``: an estimate, at once and without a model.

Claude Code asks for a dozen counts at a time and, where it gets none,
sends as many requests with ``max_tokens`` 1: each
would load a model or push a conversation out of its cache.
"""

from typing import Any

from innkeepd.policy.prompt_layout import estimated_tokens, messages_prompt
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.request import ENDPOINTS, read

COUNT_TOKENS = "/v1/messages/count_tokens"


def counted_tokens(data: bytes | bytearray) -> dict[str, Any]:
    """The answer; ``is_estimate`` says what it is. Raises ``HttpFault`` 400 for a body that is no request."""
    body = read(ENDPOINTS["/v1/messages"], data).body
    if not isinstance(body.get("messages"), list):
        raise HttpFault(400, "messages is required: a list of messages", "bad_request")
    try:
        return {"input_tokens": estimated_tokens(messages_prompt(body, newer=True)), "is_estimate": True}
    except RecursionError:
        raise HttpFault(400, "the body is nested too deeply", "bad_request") from None
