"""What macOS announces by itself: memory pressure that changes, sleep that comes, waking up.

* Pressure: a dispatch source of the type ``memorypressure`` (dispatch/source.h; xnu's doc/vm/memorystatus_notify.md).
* Sleep: ``IORegisterForSystemPower`` (IOKit/pwr_mgt/IOPMLib.h). The system waits up to 30 s for ``IOAllowPowerChange``.

Both call back on a thread of libdispatch; ``heard`` is called there, and hands the event over to the event loop. Read
in Apple's headers and sources, never run on a Mac by us; tested through the C calling convention. Elsewhere nothing is
announced, and polling notices the same things later.
"""

import ctypes
import sys
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

from innkeepd.machine.darwin import LIBSYSTEM
from innkeepd.machine.power import IOKIT

SystemEvent: TypeAlias = Literal["pressure", "will_sleep", "woke"]

_CAN_SLEEP, _WILL_SLEEP, _WILL_NOT_SLEEP, _POWERED_ON = 0xE0000270, 0xE0000280, 0xE0000290, 0xE0000300
"""kIOMessageCanSystemSleep, ...SystemWillSleep, ...SystemWillNotSleep, ...SystemHasPoweredOn (IOMessage.h)."""
_PRESSURE_MASK = 0x1 | 0x2 | 0x4
"""DISPATCH_MEMORYPRESSURE_NORMAL, _WARN and _CRITICAL."""
_QUEUE_UTILITY = 0x11
"""QOS_CLASS_UTILITY."""

_POWER_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)
_DISPATCH_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class EventsDoor(Protocol):
    """Whoever announces what the system does. No method raises."""

    def listen(self, heard: Callable[[SystemEvent], None]) -> None:
        """Call ``heard`` at each event from now on, on any thread."""
        ...

    def allow_sleep(self) -> None:
        """The system need not wait for us any longer; without a ``will_sleep`` before it nothing happens."""
        ...


class NoEvents:
    """A system that announces nothing."""

    def listen(self, heard: Callable[[SystemEvent], None]) -> None:
        """Nothing will be heard."""

    def allow_sleep(self) -> None:
        """Nobody waits."""


class MacEvents:
    """A Mac's events. ``load`` gives a library by its path."""

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._heard: Callable[[SystemEvent], None] = lambda _event: None
        self._kept: list[Any] = []
        """What C holds on to: were it collected, the next event would end the process."""
        self._allow: Callable[[int, int], int] | None = None
        self._root = 0
        self._asked: int | None = None

    def listen(self, heard: Callable[[SystemEvent], None]) -> None:
        """Register for both; one that cannot be registered for is not heard."""
        self._heard = heard
        for register in (self._register_pressure, self._register_power):
            try:
                register()
            except (OSError, AttributeError, ValueError):
                continue

    def allow_sleep(self) -> None:
        """Answer the last ``will_sleep``."""
        asked, self._asked = self._asked, None
        if asked is not None and self._allow is not None:
            self._allow(self._root, asked)

    def _register_pressure(self) -> None:
        system, pointer = self._load(LIBSYSTEM), ctypes.c_void_p
        kind = ctypes.addressof(ctypes.c_char.in_dll(system, "_dispatch_source_type_memorypressure"))
        create, queue = system.dispatch_source_create, _queue(system)
        create.argtypes, create.restype = [pointer, ctypes.c_size_t, ctypes.c_size_t, pointer], pointer
        handle, resume = system.dispatch_source_set_event_handler_f, system.dispatch_resume
        handle.argtypes, handle.restype = [pointer, _DISPATCH_CALLBACK], None
        resume.argtypes, resume.restype = [pointer], None
        source = create(kind, 0, _PRESSURE_MASK, queue)
        if not source:
            raise OSError("dispatch_source_create failed")
        callback = _DISPATCH_CALLBACK(lambda _context: self._heard("pressure"))
        self._kept.append(callback)
        handle(source, callback)
        resume(source)

    def _register_power(self) -> None:
        system, iokit, pointer = self._load(LIBSYSTEM), self._load(IOKIT), ctypes.c_void_p
        register, attach, allow = (
            iokit.IORegisterForSystemPower,
            iokit.IONotificationPortSetDispatchQueue,
            iokit.IOAllowPowerChange,
        )
        word = ctypes.POINTER(ctypes.c_uint32)
        register.argtypes = [pointer, ctypes.POINTER(pointer), _POWER_CALLBACK, word]
        register.restype = ctypes.c_uint32
        attach.argtypes, attach.restype = [pointer, pointer], None
        allow.argtypes, allow.restype = [ctypes.c_uint32, ctypes.c_long], ctypes.c_int
        callback, port, notifier = _POWER_CALLBACK(self._power), pointer(), ctypes.c_uint32()
        self._kept += [callback, notifier]
        self._allow = allow
        self._root = register(None, ctypes.byref(port), callback, ctypes.byref(notifier))
        if not self._root or not port.value:
            raise OSError("IORegisterForSystemPower failed")
        attach(port, _queue(system))

    def _power(self, _context: int | None, _service: int, message: int, argument: int | None) -> None:
        if message == _CAN_SLEEP and self._allow is not None:
            self._allow(self._root, argument or 0)  # while work runs, our own assertion holds idle sleep off
        elif message == _WILL_SLEEP:
            self._asked = argument or 0
            self._heard("will_sleep")
        elif message in (_POWERED_ON, _WILL_NOT_SLEEP):
            self._heard("woke")


def _queue(system: Any) -> int | None:
    """A concurrent queue of the whole process."""
    get = system.dispatch_get_global_queue
    get.argtypes, get.restype = [ctypes.c_long, ctypes.c_size_t], ctypes.c_void_p
    queue: int | None = get(_QUEUE_UTILITY, 0)
    return queue


def system_events(platform: str = sys.platform) -> EventsDoor:
    """This machine's door."""
    return MacEvents() if platform == "darwin" else NoEvents()
