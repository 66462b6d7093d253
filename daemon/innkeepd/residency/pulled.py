"""What Ollama has on its disk, read anew whenever somebody may have changed it."""

from collections.abc import Callable, Iterable

import anyio
from anyio.abc import TaskGroup

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.ledger import MemoryLedger
from innkeepd.residency.announcer import Announcer
from innkeepd.residency.catalog import Catalog

READ_WITHIN = 10.0
"""Seconds for the list of what is pulled: an Ollama that accepts and never answers must not keep everybody waiting."""
MOST_UNPULLED = 256
"""Names in ``/api/ps`` that are known not to be pulled; past them all are forgotten and looked up again."""


class PulledModels:
    """Keeps the catalogue true to ``/api/tags``. ``looked_up`` is called once new names were looked up.

    ``ledger`` is only read.
    """

    def __init__(
        self,
        backend: Backend,
        catalog: Catalog,
        ledger: MemoryLedger,
        *,
        tasks: TaskGroup,
        post: Callable[[ev.Event], None],
        announcer: Announcer,
        looked_up: Callable[[], None],
    ) -> None:
        self._backend = backend
        self._catalog = catalog
        self._ledger = ledger
        self._tasks = tasks
        self._post = post
        self._announcer = announcer
        self._looked_up = looked_up
        self._unpulled: set[str] = set()
        self._is_reading = self._read_again = False
        self._read_at = float("-inf")

    def __repr__(self) -> str:
        return f"<PulledModels {sorted(self._catalog.models)}>"

    def age(self) -> float:
        """Seconds since the list was read."""
        return anyio.current_time() - self._read_at

    async def refresh(self) -> bool:
        """Read the list. False where the backend does not answer."""
        left_out = self._catalog.left_out
        try:
            with anyio.fail_after(READ_WITHIN):
                self._catalog.update(await self._backend.pulled(), self._ledger.residents)
        except (BackendFault, TimeoutError):
            return False
        for name, why in self._catalog.left_out.items():
            if name not in left_out:
                self._announcer.tell("log", "a model is left out", {"model": name, "why": why})
        self._read_at = anyio.current_time()
        self._post(ev.Known(self._catalog.specs()))
        for name in self._catalog.pins:
            self._post(ev.PinSet(self._catalog.weights_of(name)))
        return True

    def look_anew(self) -> None:
        """Somebody changed what is pulled: read it soon, and once more where it is just being read."""
        if self._is_reading:
            self._read_again = True
        else:
            self._begin(set())

    def unknown(self, names: Iterable[str]) -> set[str]:
        """Names whose weights are not known yet; what stands behind them is found out soon."""
        found = {name for name in names if not self._catalog.find(name)} - self._unpulled
        if found and not self._is_reading:
            self._begin(found)
        return found

    def _begin(self, names: set[str]) -> None:
        self._is_reading = True
        self._tasks.start_soon(self._look_up, names)

    async def _look_up(self, names: set[str]) -> None:
        try:
            if await self.refresh():
                if len(self._unpulled) > MOST_UNPULLED:
                    self._unpulled.clear()
                self._unpulled |= {name for name in names if not self._catalog.find(name)}
                self._looked_up()
        except Exception as error:  # noqa: BLE001
            self._announcer.report("the look at what is pulled", error)
        finally:
            self._is_reading = False
            if self._read_again:
                self._read_again = False
                self.look_anew()
