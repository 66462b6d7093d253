"""A request's JSON, and what Go's decoder would say against it."""

import json
from typing import Any

BEGINNINGS = {"Expecting property": "looking for beginning of object key string", "Expecting ':'": "after object key"}


def parse(body: bytes | None) -> tuple[dict[str, Any] | None, str | None]:
    """The body's object, or the words of the error (status 400)."""
    if not body:
        return None, "missing request body"
    try:
        value = json.loads(body)
    except UnicodeDecodeError:
        return None, "invalid character '\\ufffd' looking for beginning of value"
    except json.JSONDecodeError as wrong:
        return None, _go_words(wrong)
    except RecursionError:
        return None, "exceeded max depth"
    if not isinstance(value, dict):
        return None, f"json: cannot unmarshal {type(value).__name__} into Go value of type api.ChatRequest"
    return value, None


def _go_words(wrong: json.JSONDecodeError) -> str:
    if wrong.pos >= len(wrong.doc.rstrip()):
        return "unexpected EOF"
    place = next(
        (text for start, text in BEGINNINGS.items() if wrong.msg.startswith(start)), "looking for beginning of value"
    )
    return f"invalid character '{wrong.doc[wrong.pos]}' {place}"
