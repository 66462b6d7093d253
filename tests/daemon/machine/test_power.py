import ctypes
import sys

import pytest

from innkeepd.machine import power
from innkeepd.machine.power import Awake, IOKitPower, NoPower, power_door


class Doors:
    """Counts what is held."""

    def __init__(self, works=True):
        self.works, self.held, self.told = works, [], []

    def hold(self, reason):
        self.told.append(reason)
        if not self.works:
            return None
        self.held.append(len(self.told))
        return self.held[-1]

    def release(self, assertion):
        self.held.remove(assertion)


def test_one_assertion_is_held_from_the_first_work_to_the_last():
    door = Doors()
    awake = Awake(door)
    with awake.during("load"):
        with awake.during("answer"), awake.during("answer"):
            assert awake.reason == "2 answers, 1 load"
            assert door.held == [1]
        assert (awake.reason, door.held) == ("1 load", [1])
    assert (awake.reason, door.held) == (None, [])
    assert door.told == ["a load is running"]


def test_sleep_is_allowed_at_once_after_a_failure():
    door = Doors()
    with pytest.raises(ValueError, match="broken"), Awake(door).during("answer"):
        raise ValueError("broken")
    assert (door.told, door.held) == (["an answer is running"], [])


def test_each_new_work_after_a_rest_holds_anew():
    door = Doors()
    awake = Awake(door)
    for _ in range(2):
        awake.begin("answer")
        awake.end("answer")
    assert (len(door.told), door.held) == (2, [])


def test_a_machine_that_cannot_be_held_awake_works_all_the_same():
    awake = Awake(Doors(works=False))
    with awake.during("answer"):
        assert awake.reason is None
    with Awake(NoPower()).during("answer"):
        NoPower().release(1)


def test_one_end_too_many_is_a_bug_that_raises():
    with pytest.raises(RuntimeError, match="no answer is running"):
        Awake(Doors()).end("answer")


def test_the_repr_tells_what_it_stays_awake_for():
    awake = Awake(Doors())
    assert repr(awake) == "<Awake nothing to stay awake for>"
    awake.begin("load")
    assert repr(awake) == "<Awake 1 load>"


class FakeIOKit:
    """IOKit and CoreFoundation through C's calling convention; strings are counted, so that none is lost."""

    def __init__(self, code=0, strings=True):
        self.strings: dict[int, bytes] = {}
        self.assertions: dict[int, tuple[bytes, int, bytes]] = {}
        u32, pointer = ctypes.c_uint32, ctypes.c_void_p

        def create(kind, level, name, assertion):
            self.assertions[42] = (self.strings[kind], level, self.strings[name])
            assertion[0] = 42
            return code

        def release(assertion):
            self.assertions.pop(assertion, None)
            return 0

        def string(allocator, content, encoding):
            assert (allocator, encoding) == (None, 0x08000100)
            if not strings:
                return None
            self.strings[len(self.strings) + 1] = content
            return len(self.strings)

        made = ctypes.CFUNCTYPE(ctypes.c_int, pointer, u32, pointer, ctypes.POINTER(u32))
        self.IOPMAssertionCreateWithName = made(create)
        self.IOPMAssertionRelease = ctypes.CFUNCTYPE(ctypes.c_int, u32)(release)
        self.CFStringCreateWithCString = ctypes.CFUNCTYPE(pointer, pointer, ctypes.c_char_p, u32)(string)
        self.freed = []
        self.CFRelease = ctypes.CFUNCTYPE(None, pointer)(self.freed.append)


def test_iokit_holds_off_idle_sleep_of_the_system_under_our_name():
    lib = FakeIOKit()
    door = IOKitPower(lib, lib)
    assertion = door.hold("an answer is running")
    assert lib.assertions == {42: (b"PreventUserIdleSystemSleep", 255, b"innkeep: an answer is running")}
    door.release(assertion)
    assert lib.assertions == {}
    assert lib.freed == [1, 2]


def test_iokit_that_refuses_holds_nothing():
    refusing = FakeIOKit(code=-536870206)
    assert IOKitPower(refusing, refusing).hold("x") is None
    stringless = FakeIOKit(strings=False)
    assert (IOKitPower(stringless, stringless).hold("x"), stringless.freed) == (None, [])


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has IOKit")
def test_a_machine_without_iokit_holds_nothing():
    assert isinstance(power_door("darwin"), NoPower)
    assert isinstance(power_door("linux"), NoPower)


def test_a_mac_has_iokits_door(monkeypatch):
    monkeypatch.setattr(power, "IOKitPower", Doors)
    assert isinstance(power_door("darwin"), Doors)
