"""A place in the line, later a lease: what a request holds of the keeper."""

from collections.abc import Awaitable, Callable

import anyio

from innkeepd.policy import events as ev


class Revoked(Exception):
    """A lease was taken back (a hold, a stop); ``code`` is the wire code for whoever held it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Place:
    """A place in the line, later a lease. ``settled`` is the scheduler's answer once there is one.

    ``asked`` is the keeper's instant of its beginning, ``changed`` waits for the next change in the house.
    """

    def __init__(self, ticket: ev.Ticket, asked: float, changed: Callable[[], Awaitable[None]]) -> None:
        self.ticket = ticket
        self.asked = asked
        self.settled: ev.Grant | ev.Refuse | None = None
        self.revoked: Revoked | None = None
        self._changed = changed
        self._work: anyio.CancelScope | None = None

    async def change(self, within: float) -> None:
        """Wait until something in the house changed, at most so many seconds."""
        if self.settled is None:
            with anyio.move_on_after(within):
                await self._changed()

    def works_in(self, scope: anyio.CancelScope) -> None:
        """The lease is used inside this scope: it is cancelled where the lease is taken back."""
        self._work = scope
        if self.revoked is not None:
            scope.cancel()

    def revoke(self, code: str, message: str) -> None:
        """Take the lease back."""
        self.revoked = Revoked(code, message)
        if self._work is not None:
            self._work.cancel()
