"""Where an answer goes, at either door, and how a client that reads slowly is treated.

A client that leaves much unread is waited for, and that time is not the model's. One that reads nothing of it for its
door's patience, which is ``timeouts.stall`` at both, is cut off, and its request ends as cancelled.
"""

from typing import Protocol, TypeVar

from innkeepd.chat.deadline import ResponseDeadline
from innkeepd.chat.types import RequestFailed

Part_contra = TypeVar("Part_contra", contravariant=True)


class ClientStuck(RequestFailed):
    """A client read nothing for so many seconds that its connection was cut."""

    def __init__(self, seconds: float) -> None:
        super().__init__("cancelled", f"the client read nothing for {seconds:g} s")


class Sink(Protocol[Part_contra]):
    """The client's side of one answer."""

    @property
    def is_full(self) -> bool:
        """Whether the client has much left to read, so that ``write`` waits."""
        ...

    async def write(self, part: Part_contra) -> None:
        """Pass a part on once there is room for it. Raises ``ClientStuck``."""
        ...


async def deliver(part: Part_contra, sink: Sink[Part_contra], deadline: ResponseDeadline) -> None:
    """Pass on a part that the engine has just given."""
    deadline.went_on()
    if sink.is_full:
        deadline.pause()
        await sink.write(part)
        deadline.went_on()
    else:
        await sink.write(part)
