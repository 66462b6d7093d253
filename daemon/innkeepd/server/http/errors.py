"""Failures as each API tells them: an error answer, or a record in the middle of a stream that has begun.

The status is chosen for what clients do with it. What cannot be served at all is 404, at which they move on at once; a
503 is retried by some for over a minute.
"""

from typing import Literal, TypeAlias

import msgspec

Api: TypeAlias = Literal["native", "openai", "responses", "messages"]
"""Whose shapes a path speaks: Ollama's, OpenAI's, those of OpenAI's ``responses``, Anthropic's."""

STATUS = {
    "bad_request": 400,
    "context_overflow": 400,
    "unsupported": 400,
    "forbidden": 403,
    "unknown_model": 404,
    "model_missing": 404,
    "never_fits": 404,
    "cancelled": 499,
    "memory_pressure": 503,
    "on_hold": 503,
    "queue_full": 503,
    "shutting_down": 503,
    "backend_unreachable": 502,
    "first_token_timeout": 504,
    "stalled": 504,
    "deadline_exceeded": 504,
}
"""HTTP status by wire code; what is not named is 500, as Ollama has it for a failed load and for lack of memory."""

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
_ENCODE = msgspec.json.Encoder().encode


class HttpFault(Exception):
    """A request that is answered with an error. ``code`` is the wire code, where there is one."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def fault_of(code: str, message: str) -> HttpFault:
    """A failure of the journey, with the status that fits."""
    return HttpFault(STATUS.get(code, 500), message, code)


def error_body(api: Api, fault: HttpFault) -> bytes:
    """The body of an error answer."""
    kind = _TYPES.get(fault.status, "api_error")
    if api == "native":
        return _ENCODE({"error": fault.message})
    if api == "messages":
        return _ENCODE({"type": "error", "error": {"type": kind, "message": fault.message}})
    return _ENCODE({"error": {"message": fault.message, "type": kind, "param": None, "code": fault.code}})


def error_record(api: Api, fault: HttpFault) -> bytes:
    """The record that ends a stream which has begun; ``status`` is what the answer's own would have been."""
    kind = _TYPES.get(fault.status, "api_error")
    error = {"message": fault.message, "type": kind, "param": None, "code": fault.code, "status": fault.status}
    if api == "native":
        return _ENCODE({"error": fault.message, "status": fault.status}) + b"\n"
    if api == "messages":
        return b"event: error\ndata: " + _ENCODE({"type": "error", "error": error}) + b"\n\n"
    if api == "responses":
        event = {"type": "error", "sequence_number": 0, "code": fault.code, "message": fault.message, "param": None}
        return b"event: error\ndata: " + _ENCODE(event | {"error": error}) + b"\n\n"
    return b"data: " + _ENCODE({"error": error}) + b"\n\n"
