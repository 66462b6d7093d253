"""Load and unload as both doors ask for them, and the look-up of the names that users give."""

from innkeepd.backends.backend import BackendFault, Completion
from innkeepd.chat.demand import bounded
from innkeepd.chat.dispatch import Dispatcher
from innkeepd.chat.request import Request
from innkeepd.chat.types import Assignment, OnProgress, RequestFailed
from innkeepd.residency.catalog import Candidate
from innkeepd.residency.control import ResidencyControl


class ModelCommands:
    """What a user does to models beside asking them. Every method raises ``RequestFailed``."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    @property
    def _control(self) -> ResidencyControl:
        return self._dispatcher.control

    async def find(self, name: str) -> Candidate:
        """The model of this name, pulled or elsewhere; asks Ollama once more before it refuses."""
        catalog = self._control.catalog
        candidate = catalog.candidate(bounded(name))
        if not catalog.is_known(candidate) and not await self._control.pulled.refresh():
            raise RequestFailed("backend_unreachable", f"Ollama does not answer at {self._control.backend.url}")
        if not catalog.is_known(candidate):
            raise RequestFailed("unknown_model", catalog.how_to_get(candidate))
        return candidate

    async def load(self, request: Request, tell: OnProgress) -> None:
        """Load the model of a request of kind ``load`` by taking and releasing a lease on it; proved."""

        async def prove(assignment: Assignment) -> Completion:
            if assignment.candidate.engine is None:
                await self._control.monitor.insist()
            return Completion()

        await self._dispatcher.serve(request, prove, tell)

    async def unload(self, name: str | None) -> str | None:
        """Unload a model, or with None all of them, once their answers have ended; proved. The model's full name."""
        await self._control.monitor.ready.wait()
        found = None if name is None else self._in_memory(name) or await self.find(name)
        leaving = tuple(self._control.scheduler.ledger.residents) if found is None else (found.weights,)
        try:
            await self._control.unload(leaving)
        except BackendFault as fault:
            raise RequestFailed(fault.code, fault.message) from None
        return None if found is None else found.name

    async def cancel_load(self, name: str, *, by: str = "") -> str:
        """Give up the load of a model that is on its way in, and wait until it is gone; the model's full name.

        Who waits for it goes on to the next candidate. Raises ``RequestFailed`` where it is not loading.
        """
        candidate = self._control.catalog.candidate(bounded(name))
        if not await self._control.cancel_load(candidate.weights, by=by):
            raise RequestFailed("bad_request", f"{candidate.name} is not loading", {"field": "model"})
        return candidate.name

    def _in_memory(self, name: str) -> Candidate | None:
        """The model of this name where it is in memory, be it removed from the disk since."""
        candidate = self._control.catalog.candidate(bounded(name))
        return candidate if candidate.weights in self._control.scheduler.ledger.residents else None
