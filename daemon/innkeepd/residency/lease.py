"""What a request holds of the residency: a place in the queue, then a lease."""

import anyio

from innkeepd.policy.scheduling import events as ev

CROWD = 32
"""So many who wait are woken by each change at once; more of them look once a second."""


class Revoked(Exception):
    """A lease was taken back (a hold, a stop); ``code`` is the wire code for whoever held it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LeaseHandle:
    """A place in the queue, then a lease. ``settled`` is the scheduler's answer once there is one.

    ``asked`` is when it was asked for, on the residency's clock, ``client`` who asks, for people. Each is woken by its
    own news, so that a change costs the same however many wait.
    """

    def __init__(self, ticket: ev.Ticket, asked: float, client: str = "") -> None:
        self.ticket = ticket
        self.asked = asked
        self.client = client
        self.settled: ev.Grant | ev.Refuse | None = None
        self.revoked: Revoked | None = None
        self._news = anyio.Event()
        self._work: anyio.CancelScope | None = None

    async def change(self, within: float) -> None:
        """Wait until it is settled or there may be something new to tell, at most so many seconds."""
        if self.settled is None:
            with anyio.move_on_after(within):
                await self._news.wait()

    def settle(self, answer: ev.Grant | ev.Refuse) -> None:
        """Take the scheduler's answer."""
        self.settled = answer
        self.wake()

    def wake(self) -> None:
        """Something changed that whoever waits here may want to tell."""
        self._news.set()
        self._news = anyio.Event()

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
