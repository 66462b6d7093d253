"""The memory of the Mac that is simulated: 36 GB, other people's apps, and what the runners hold.

Nothing here ticks. What a runner holds rises over its load and falls over the second after it left ``/api/ps``; both
are computed from the clock when they are read. The proportions come from recordings of ``vm_stat``; two facts hold
exactly, as they do on a Mac: active + inactive + speculative = file-backed + anonymous, and the six queues sum to all
memory less what firmware keeps.
"""

from collections.abc import Callable, Hashable

import anyio
from msgspec import Struct

GIB = 2**30
PAGE = 16_384
FIRMWARE = 3 * GIB // 4
"""Bytes that no queue of ``vm_stat`` shows on Apple silicon (0.5 to 1.0 GiB in the recordings)."""


class Slope(Struct):
    """Bytes that rise from nothing or fall to nothing, from ``since`` on, over ``seconds``."""

    size: float
    since: float
    seconds: float
    rising: bool

    def level(self, now: float) -> float:
        """Bytes held at ``now``."""
        share = 1.0 if self.seconds <= 0 else min(1.0, max(0.0, (now - self.since) / self.seconds))
        return self.size * (share if self.rising else 1.0 - share)


class Numbers(Struct, frozen=True):
    """One instant: bytes, but for ``pressure`` (1, 2, 4), ``memorystatus_level`` (percent), ``_mb`` (MiB)."""

    total: int
    free: int
    active: int
    inactive: int
    speculative: int
    wired: int
    purgeable: int
    file_backed: int
    anonymous: int
    stored: int
    occupied: int
    swap_used: int
    pressure: int
    memorystatus_level: int
    wired_limit_mb: int
    page_size: int


class Machine:
    """A Mac's memory.

    ``others`` (bytes that other apps hold) and ``pressure_level`` may be set at any time by a test.
    """

    def __init__(
        self,
        *,
        total: int = 36 * GIB,
        metal: int = 27 * GIB,
        others: int = 6 * GIB,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.total = total
        self.metal = metal
        self.others = others
        self.wired_limit_mb = 0
        self.page_size = PAGE
        self.pressure_level: int | None = None
        self.peak = 0
        """Most bytes that runners ever held or were about to hold at once."""
        self._clock = clock
        self._held: dict[Hashable, Slope] = {}

    # What the runners do

    def take(self, key: Hashable, size: int, seconds: float) -> None:
        """A runner starts to fill ``size`` bytes, over ``seconds``."""
        now = self._clock()
        self._held[key] = Slope(size, now, seconds, rising=True)
        self._note_peak()

    def hold(self, key: Hashable, size: int) -> None:
        """Something besides the load itself holds ``size`` bytes from now on."""
        self._held[key] = Slope(size, self._clock(), 0.0, rising=True)
        self._note_peak()

    def give_back(self, key: Hashable, seconds: float, at: float | None = None) -> None:
        """A runner has ended (at ``at``, else now): its bytes are freed over ``seconds``."""
        since = self._clock() if at is None else at
        slope = self._held.pop(key, None)
        if slope is not None:
            self._held[object()] = Slope(slope.level(since), since, seconds, rising=False)

    def runner_bytes(self) -> int:
        """Bytes that runners hold now, those on their way back included."""
        now = self._clock()
        self._held = {key: slope for key, slope in self._held.items() if slope.rising or slope.level(now) > 0}
        return int(sum(slope.level(now) for slope in self._held.values()))

    def _note_peak(self) -> None:
        now = self._clock()
        self.peak = max(self.peak, int(sum(s.size if s.rising else s.level(now) for s in self._held.values())))

    # What Ollama asks

    def system_free(self) -> int:
        """Ollama's formula: total - (active + inactive + speculative + wired + occupied - purgeable - file-backed)."""
        return max(0, self.total - self.others - self.runner_bytes())

    def free_alone(self) -> int:
        """Bytes that a model would find with nothing else loaded and all memory back."""
        return max(0, self.total - self.others)

    # What macOS shows

    def numbers(self) -> Numbers:
        """One consistent reading."""
        usable = max(self.total - FIRMWARE, 0) if self.total > 4 * GIB else self.total
        held = self.runner_bytes()
        wired = self._pages(self.others * 0.42 + held)
        occupied = self._pages(self.others * 0.08)
        anonymous = self._pages(self.others * 0.54)
        purgeable = self._pages(self.others * 0.04)
        rest = usable - wired - occupied - anonymous
        spilled = max(0, usable // 64 - rest)
        swap_used = min(spilled, anonymous)
        anonymous -= self._pages(swap_used)
        rest = max(0, usable - wired - occupied - anonymous)
        file_backed = min(self._pages(rest * 0.6), self._pages(self.total / 6))
        speculative = self._pages(file_backed * 0.03)
        active = self._pages((anonymous + file_backed) * 0.55)
        inactive = anonymous + file_backed - active - speculative
        free = rest - file_backed
        return Numbers(
            total=self.total, free=free, active=active, inactive=inactive, speculative=speculative, wired=wired,
            purgeable=min(purgeable, anonymous), file_backed=file_backed, anonymous=anonymous,
            stored=self._pages(occupied * 2.4), occupied=occupied, swap_used=swap_used,
            pressure=self.pressure_level or self._pressure(swap_used, rest),
            memorystatus_level=round(100 * (active + inactive + free + speculative) / max(usable, 1)),
            wired_limit_mb=self.wired_limit_mb, page_size=self.page_size,
        )  # fmt: skip

    def _pressure(self, swap_used: int, rest: int) -> int:
        if swap_used > self.total // 18:
            return 4
        return 2 if swap_used or rest < self.total // 72 else 1

    def _pages(self, size: float) -> int:
        return int(size) // self.page_size * self.page_size

    @property
    def free(self) -> int:
        """Pages free, in bytes."""
        return self.numbers().free

    @property
    def active(self) -> int:
        """Pages active, in bytes."""
        return self.numbers().active

    @property
    def inactive(self) -> int:
        """Pages inactive, in bytes."""
        return self.numbers().inactive

    @property
    def speculative(self) -> int:
        """Pages speculative, in bytes."""
        return self.numbers().speculative

    @property
    def wired(self) -> int:
        """Pages wired down, in bytes: what Metal holds is here."""
        return self.numbers().wired

    @property
    def purgeable(self) -> int:
        """Pages purgeable, in bytes."""
        return self.numbers().purgeable

    @property
    def file_backed(self) -> int:
        """File-backed pages, in bytes."""
        return self.numbers().file_backed

    @property
    def anonymous(self) -> int:
        """Anonymous pages, in bytes."""
        return self.numbers().anonymous

    @property
    def stored(self) -> int:
        """Pages stored in the compressor, in bytes: before compression, not RAM."""
        return self.numbers().stored

    @property
    def occupied(self) -> int:
        """Pages occupied by the compressor, in bytes: RAM."""
        return self.numbers().occupied

    @property
    def swap_used(self) -> int:
        """``vm.swapusage`` used, in bytes."""
        return self.numbers().swap_used

    @property
    def pressure(self) -> int:
        """``kern.memorystatus_vm_pressure_level``: 1 normal, 2 warning, 4 critical."""
        return self.numbers().pressure

    @property
    def memorystatus_level(self) -> int:
        """``kern.memorystatus_level``, percent."""
        return self.numbers().memorystatus_level
