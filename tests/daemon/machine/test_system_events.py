"""What macOS announces, through C's calling convention; callbacks come on a thread of libdispatch's."""

import ctypes
import threading
from types import SimpleNamespace

import pytest

from innkeepd.machine.darwin import LIBSYSTEM
from innkeepd.machine.power import IOKIT
from innkeepd.machine.system_events import (
    _DISPATCH_CALLBACK,
    _POWER_CALLBACK,
    MacEvents,
    NoEvents,
    system_events,
)

CAN_SLEEP, WILL_SLEEP, WILL_NOT, POWERED_ON = 0xE0000270, 0xE0000280, 0xE0000290, 0xE0000300
QUEUE, SOURCE, PORT, ROOT = 0x5000, 0x6000, 0x7000, 0x1903


class FakeSystem:
    """libSystem with libdispatch, and IOKit. ``root`` and ``source`` 0: what registers fails."""

    def __init__(self, root=ROOT, source=SOURCE):
        pointer, word, size = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t
        self.calls, self.allowed = [], []
        self.kind = ctypes.c_char()

        def create(kind, handle, mask, queue):
            assert (kind, handle, mask, queue) == (ctypes.addressof(self.kind), 0, 7, QUEUE)
            return source

        def on_event(made, callback):
            assert made == SOURCE
            self.pressure = _DISPATCH_CALLBACK(ctypes.cast(callback, pointer).value)

        def register(_context, port, callback, notifier):
            port[0], notifier[0] = PORT, 17
            self.power = _POWER_CALLBACK(ctypes.cast(callback, pointer).value)
            return root

        kinds = ctypes.CFUNCTYPE
        self.libraries = {
            LIBSYSTEM: SimpleNamespace(
                dispatch_source_create=kinds(pointer, pointer, size, size, pointer)(create),
                dispatch_source_set_event_handler_f=kinds(None, pointer, _DISPATCH_CALLBACK)(on_event),
                dispatch_resume=kinds(None, pointer)(lambda made: self.calls.append(("resume", made))),
                dispatch_get_global_queue=kinds(pointer, ctypes.c_long, size)(lambda _quality, _flags: QUEUE),
            ),
            IOKIT: SimpleNamespace(
                IORegisterForSystemPower=kinds(
                    word, pointer, ctypes.POINTER(pointer), _POWER_CALLBACK, ctypes.POINTER(word)
                )(register),
                IONotificationPortSetDispatchQueue=kinds(None, pointer, pointer)(
                    lambda port, queue: self.calls.append(("queue", port, queue))
                ),
                IOAllowPowerChange=kinds(ctypes.c_int, word, ctypes.c_long)(
                    lambda root, change: self.allowed.append((root, change)) or 0
                ),
            ),
        }

    def load(self, path):
        return self.libraries[path]


@pytest.fixture
def system(monkeypatch):
    fake = FakeSystem()
    symbol = SimpleNamespace(in_dll=lambda _library, _name: fake.kind)
    monkeypatch.setattr("innkeepd.machine.system_events.ctypes.c_char", symbol)
    return fake


def on_a_thread(callback, *arguments):
    thread = threading.Thread(target=callback, args=arguments)
    thread.start()
    thread.join()


def test_pressure_sleep_and_waking_are_heard(system):
    heard = []
    door = MacEvents(system.load)
    door.listen(lambda event: heard.append((event, threading.current_thread() is threading.main_thread())))
    assert system.calls == [("resume", SOURCE), ("queue", PORT, QUEUE)]
    on_a_thread(system.pressure, None)
    on_a_thread(system.power, None, 0, WILL_SLEEP, 99)
    assert heard == [("pressure", False), ("will_sleep", False)]
    assert system.allowed == [], "the system waits until answers have ended"
    door.allow_sleep()
    door.allow_sleep()
    assert system.allowed == [(ROOT, 99)]
    on_a_thread(system.power, None, 0, POWERED_ON, None)
    on_a_thread(system.power, None, 0, WILL_NOT, None)
    on_a_thread(system.power, None, 0, 0xE0000320, None)
    assert [event for event, _ in heard[2:]] == ["woke", "woke"]


def test_idle_sleep_is_never_forbidden(system):
    MacEvents(system.load).listen(lambda _event: None)
    system.power(None, 0, CAN_SLEEP, 7)
    assert system.allowed == [(ROOT, 7)]


def test_what_cannot_be_registered_for_is_not_heard(monkeypatch):
    fake = FakeSystem(root=0, source=0)
    monkeypatch.setattr(
        "innkeepd.machine.system_events.ctypes.c_char", SimpleNamespace(in_dll=lambda _library, _name: fake.kind)
    )
    door = MacEvents(fake.load)
    door.listen(lambda _event: None)
    door.allow_sleep()
    assert (fake.calls, fake.allowed) == ([], [])

    def nothing(path):
        raise OSError(path)

    MacEvents(nothing).listen(lambda _event: None)


def test_elsewhere_nothing_is_announced():
    door = system_events("linux")
    door.listen(lambda _event: None)
    door.allow_sleep()
    assert isinstance(door, NoEvents)
    assert isinstance(system_events("darwin"), MacEvents)
