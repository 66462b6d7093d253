"""Everything that can go wrong, one class a wire code.

    InnkeepError
    ├── ConnectionFailed       no daemon answers (never on the wire)
    │   └── ConnectionLost     it went away in the middle
    ├── ProtocolViolation      framing: bad_dialect, bad_message, frame_too_large, unknown_type, unsupported_protocol
    ├── RequestRefused         forbidden, bad_config, bad_request, unknown_model, model_missing, never_fits,
    │                          context_overflow, unsupported
    ├── Unavailable            memory_pressure, on_hold, queue_full, deadline_exceeded, cancelled, shutting_down
    ├── BackendFailure         first_token_timeout, stalled, backend_unreachable, backend_error, load_failed,
    │                          out_of_memory
    └── InternalError          internal

``code`` is the stable name on the wire, ``retryable`` whether the same request may succeed later.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

__all__ = ["CODES", "ConnectionFailed", "ConnectionLost", "InnkeepError", "from_code"]


class InnkeepError(Exception):
    """Root of the tree. ``str()`` is one line for a person; ``detail`` is for programs.

    ``request_id`` is the id of the message at fault, where one is known (the daemon answers under it).
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail: dict[str, Any] = detail or {}
        self.request_id: int | None = None

    @property
    def partial(self) -> bool:
        """Whether text had already been told when it failed."""
        return bool(self.detail.get("partial"))


class ConnectionFailed(InnkeepError):
    """No daemon answers at the socket."""

    code = "connection_failed"
    retryable = True


class ConnectionLost(ConnectionFailed):
    """The daemon went away in the middle of a request."""

    code = "connection_lost"


class ProtocolViolation(InnkeepError):
    """One side broke the protocol."""


class RequestRefused(InnkeepError):
    """The same request will be refused again."""


class Unavailable(InnkeepError):
    """Not now."""

    retryable = True


class BackendFailure(InnkeepError):
    """The backend failed every candidate."""

    retryable = True


class BadDialect(ProtocolViolation):
    """The first byte of a connection is neither 0x00 nor {."""

    code = "bad_dialect"


class BadMessage(ProtocolViolation):
    """Bytes that do not decode to a map."""

    code = "bad_message"


class FrameTooLarge(ProtocolViolation):
    """A frame or line over the cap."""

    code = "frame_too_large"


class UnknownType(ProtocolViolation):
    """A message type that this daemon does not know."""

    code = "unknown_type"


class UnsupportedProtocol(ProtocolViolation):
    """A protocol above the daemon's."""

    code = "unsupported_protocol"


class Forbidden(RequestRefused):
    """Another user's process asked."""

    code = "forbidden"


class BadConfig(RequestRefused):
    """The daemon's configuration is broken; the message names file and key."""

    code = "bad_config"


class BadRequest(RequestRefused):
    """A field is missing, wrong or contradicts another."""

    code = "bad_request"


class UnknownModel(RequestRefused):
    """No such model is known."""

    code = "unknown_model"


class ModelMissing(RequestRefused):
    """The model is configured but not pulled."""

    code = "model_missing"


class NeverFits(RequestRefused):
    """The model cannot fit this machine."""

    code = "never_fits"


class ContextOverflow(RequestRefused):
    """The prompt is longer than any candidate's context."""

    code = "context_overflow"


class Unsupported(RequestRefused):
    """The model cannot do what was asked (tools, thinking, images)."""

    code = "unsupported"


class MemoryPressure(Unavailable):
    """The machine is short of memory; nothing is loaded."""

    code = "memory_pressure"


class OnHold(Unavailable):
    """The user took the memory back for a while."""

    code = "on_hold"


class QueueFull(Unavailable):
    """Too many requests wait."""

    code = "queue_full"


class DeadlineExceeded(Unavailable):
    """The caller's deadline passed."""

    code = "deadline_exceeded"


class RequestCancelled(Unavailable):
    """The caller cancelled it."""

    code = "cancelled"


class ShuttingDown(Unavailable):
    """The daemon is leaving."""

    code = "shutting_down"


class FirstTokenTimeout(BackendFailure):
    """No token came in time."""

    code = "first_token_timeout"


class Stalled(BackendFailure):
    """Tokens stopped coming."""

    code = "stalled"


class BackendUnreachable(BackendFailure):
    """The backend does not answer."""

    code = "backend_unreachable"


class BackendError(BackendFailure):
    """The backend failed in a way of its own."""

    code = "backend_error"


class LoadFailed(BackendFailure):
    """The model could not be loaded."""

    code = "load_failed"


class OutOfMemory(BackendFailure):
    """The backend found too little memory."""

    code = "out_of_memory"


class InternalError(InnkeepError):
    """A fault of the daemon itself."""

    code = "internal"


def _leaves(root: type[InnkeepError]) -> Iterator[type[InnkeepError]]:
    below = root.__subclasses__()
    for child in below:
        yield from _leaves(child)
    if not below:
        yield root


CODES: dict[str, type[InnkeepError]] = {cls.code: cls for cls in _leaves(InnkeepError) if cls is not ConnectionLost}
"""Wire code to class."""


def from_code(code: str, message: str, detail: dict[str, Any] | None = None) -> InnkeepError:
    """The exception for a wire code; a code of a newer daemon becomes an ``InternalError`` that names it."""
    found = CODES.get(code)
    return found(message, detail) if found else InternalError(f"{code}: {message}", detail)
