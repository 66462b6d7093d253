"""What a request holds of the residency: an entry in the queue, then a lease."""

import anyio

from innkeepd.policy.scheduling import events as ev


class Revoked(Exception):
    """A lease was taken back (a hold, a stop); ``code`` is the wire code for whoever held it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LeaseHandle:
    """An entry in the queue, then a lease. ``settled`` is the scheduler's answer once there is one.

    ``asked`` is when it was asked for, on the residency's clock, ``client`` who asks, for people. Each handle has an
    event of its own, so that a grant costs the same however many wait.
    """

    def __init__(self, ticket: ev.Ticket, asked: float, client: str = "") -> None:
        self.ticket = ticket
        self.asked = asked
        self.client = client
        self.settled: ev.Grant | ev.Refuse | None = None
        self.revoked: Revoked | None = None
        self._news = anyio.Event()
        self._work: anyio.CancelScope | None = None

    async def change(self) -> None:
        """Wait until it is settled, or until there may be something new to report (``progress.Ticker``)."""
        if self.settled is None:
            await self._news.wait()

    def settle(self, answer: ev.Grant | ev.Refuse) -> None:
        """Take the scheduler's answer."""
        self.settled = answer
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits in ``change``."""
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
