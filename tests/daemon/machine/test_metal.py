import ctypes
import sys
from types import SimpleNamespace

import pytest

from innkeepd.machine.metal import CORE_GRAPHICS, METAL, OBJC, MetalDevice

LIMIT = 28_991_029_248
"""Metal's limit of a 36 GB M3 Max on macOS 26, as recorded (llama_list_devices_36g_m3max_macos26.txt)."""


class FakeFrameworks:
    """CoreGraphics, Metal and the Objective-C runtime through C's calling convention; ``device`` is a pointer."""

    def __init__(self, device: int = 0x1_2345_6789_ABCD, limit: int = LIMIT) -> None:
        self.loaded: list[str] = []
        self.released: list[int] = []
        self.value = limit
        pointer = ctypes.c_void_p

        def send(receiver, selector):
            assert (receiver, selector) == (device, 0x77)
            return self.value

        def register(name):
            assert name == b"recommendedMaxWorkingSetSize"
            return 0x77

        create = ctypes.CFUNCTYPE(pointer)(lambda: device)
        self.libraries = {
            CORE_GRAPHICS: SimpleNamespace(),
            METAL: SimpleNamespace(MTLCreateSystemDefaultDevice=create),
            OBJC: SimpleNamespace(
                sel_registerName=ctypes.CFUNCTYPE(pointer, ctypes.c_char_p)(register),
                objc_release=ctypes.CFUNCTYPE(None, pointer)(self.released.append),
                objc_msgSend=ctypes.CFUNCTYPE(ctypes.c_uint64, pointer, pointer)(send),
            ),
        }

    def load(self, path: str) -> SimpleNamespace:
        self.loaded.append(path)
        return self.libraries[path]


def test_the_default_device_is_asked_and_let_go():
    fake = FakeFrameworks()
    assert MetalDevice(fake.load).limit(0) == LIMIT
    assert fake.loaded[0] == CORE_GRAPHICS, "without it a program without a window gets no device"
    assert fake.released == [0x1_2345_6789_ABCD]


def test_it_is_asked_again_only_when_the_override_has_changed():
    fake = FakeFrameworks()
    device = MetalDevice(fake.load)
    assert [device.limit(0), device.limit(0)] == [LIMIT, LIMIT]
    assert fake.loaded.count(METAL) == 1
    fake.value = 32 * 2**30
    assert device.limit(32 * 1024) == 32 * 2**30


def test_no_device_and_no_metal_are_none():
    assert MetalDevice(FakeFrameworks(device=0).load).limit(0) is None
    assert MetalDevice(FakeFrameworks(limit=0).load).limit(0) is None

    def nothing(path: str) -> object:
        raise OSError(path)

    assert MetalDevice(nothing).limit(None) is None
    assert MetalDevice(lambda _path: object()).limit(None) is None


@pytest.mark.skipif(sys.platform != "darwin", reason="needs a Mac")
def test_this_macs_own_limit_is_a_part_of_its_memory():
    limit = MetalDevice().limit(None)
    assert limit is None or 2**30 < limit < 2**40
