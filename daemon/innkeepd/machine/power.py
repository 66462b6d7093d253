"""Holding off idle sleep while an answer or a load runs.

A Mac that nobody touches falls asleep in mid-answer, and the client finds a dead connection in the morning. So the
first piece of work takes one power assertion and the last one gives it back at once: a laptop with nothing to do
sleeps as it always did. Closing the lid or choosing Sleep still puts it to sleep; that is the user's word.
"""

import ctypes
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

IOKIT = "/System/Library/Frameworks/IOKit.framework/IOKit"
CORE_FOUNDATION = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation"

_TYPE = b"PreventUserIdleSystemSleep"
"""kIOPMAssertPreventUserIdleSystemSleep: the display may sleep, the machine may not."""
_LEVEL_ON = 255
_UTF8 = 0x08000100


class PowerDoor(Protocol):
    """Whoever can hold off idle sleep. Neither method raises."""

    def hold(self, reason: str) -> int | None:
        """Hold it off until released; a number to release it by, None where it could not be done."""
        ...

    def release(self, assertion: int) -> None:
        """Let the machine sleep again."""
        ...


class NoPower:
    """A machine whose sleep is not ours to hold off (Linux servers don't sleep)."""

    def hold(self, reason: str) -> int | None:  # noqa: ARG002 - the door's signature
        """Nothing is held."""
        return None

    def release(self, assertion: int) -> None:
        """Nothing was held."""


class IOKitPower:
    """macOS's power assertions; ``pmset -g assertions`` shows ours by its reason.

    ``iokit`` and ``core_foundation`` are loaded libraries, or None for this machine's; raises OSError or
    AttributeError where they can't be had.
    """

    def __init__(self, iokit: Any = None, core_foundation: Any = None) -> None:
        iokit = iokit if iokit is not None else ctypes.CDLL(IOKIT)
        core = core_foundation if core_foundation is not None else ctypes.CDLL(CORE_FOUNDATION)
        self._create, self._release = iokit.IOPMAssertionCreateWithName, iokit.IOPMAssertionRelease
        self._string, self._free = core.CFStringCreateWithCString, core.CFRelease
        self._create.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint32)]
        self._create.restype = ctypes.c_int
        self._release.argtypes = [ctypes.c_uint32]
        self._release.restype = ctypes.c_int
        self._string.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32]
        self._string.restype = ctypes.c_void_p
        self._free.argtypes = [ctypes.c_void_p]
        self._free.restype = None

    def hold(self, reason: str) -> int | None:
        """One assertion called "innkeep: ``reason``"."""
        assertion = ctypes.c_uint32()
        strings = [self._string(None, text, _UTF8) for text in (_TYPE, f"innkeep: {reason}".encode())]
        code = self._create(strings[0], _LEVEL_ON, strings[1], ctypes.byref(assertion)) if all(strings) else -1
        for string in filter(None, strings):
            self._free(string)
        return None if code else assertion.value

    def release(self, assertion: int) -> None:
        """Give it back; an unknown one changes nothing."""
        self._release(assertion)


class Awake:
    """Counts the work for which the machine must stay awake, and holds one assertion as long as there is any."""

    def __init__(self, door: PowerDoor) -> None:
        self._door = door
        self._work: Counter[str] = Counter()
        self._assertion: int | None = None

    @property
    def reason(self) -> str | None:
        """What sleep is held off for ("2 answers, 1 load"), for ``status``; None where it is not."""
        if self._assertion is None:
            return None
        return ", ".join(f"{count} {what}{'s' * (count > 1)}" for what, count in sorted(self._work.items()))

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Stay awake for one piece of work ("answer", "load"); never raises on its own."""
        self.begin(what)
        try:
            yield
        finally:
            self.end(what)

    def begin(self, what: str) -> None:
        """One more piece of this work runs."""
        self._work[what] += 1
        if self._work.total() == 1:
            self._assertion = self._door.hold(f"{'an' if what[:1] in 'aeiou' else 'a'} {what} is running")

    def end(self, what: str) -> None:
        """One piece of it has ended. One end too many is a bug of the caller: RuntimeError."""
        if not self._work[what]:
            raise RuntimeError(f"no {what} is running that could end")
        self._work[what] -= 1
        self._work += Counter()  # drops the zeros
        if not self._work and self._assertion is not None:
            self._door.release(self._assertion)
            self._assertion = None

    def __repr__(self) -> str:
        return f"<Awake {self.reason or 'nothing to stay awake for'}>"


def power_door(platform: str = sys.platform) -> PowerDoor:
    """This machine's door; where IOKit can't be had, one that holds nothing."""
    if platform != "darwin":
        return NoPower()
    try:
        return IOKitPower()
    except (OSError, AttributeError):
        return NoPower()
