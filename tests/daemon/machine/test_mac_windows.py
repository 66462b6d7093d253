"""Full-screen apps of a Mac: what covers a display, and the window server through C's calling convention."""

import ctypes
from types import SimpleNamespace

import pytest

from innkeepd.machine.mac_windows import _Rect, covers, has_full_screen_window
from innkeepd.machine.metal import CORE_GRAPHICS
from innkeepd.machine.power import CORE_FOUNDATION

LAPTOP = (0.0, 0.0, 1512.0, 982.0)
"""A 14-inch MacBook Pro with a camera housing, in points."""
SECOND = (1512.0, 0.0, 1920.0, 1080.0)
MENU_BAR = (24, (0.0, 0.0, 1512.0, 32.0))


@pytest.mark.parametrize(
    ("display", "windows", "is_covered"),
    [
        (SECOND, [(0, SECOND)], True),
        (LAPTOP, [(0, (0.0, 32.0, 1512.0, 950.0))], True),
        (LAPTOP, [MENU_BAR, (0, (0.0, 32.0, 1512.0, 950.0))], False),
        (SECOND, [MENU_BAR, (0, SECOND)], True),
        (SECOND, [(0, (1512.0, 0.0, 1920.0, 1000.0))], False),
        (SECOND, [(0, (1512.0, 0.0, 960.0, 1080.0))], False),
        (SECOND, [(20, SECOND), (-2147483603, SECOND)], False),
        (SECOND, [], False),
    ],
    ids=["whole display", "below the camera", "with a menu bar", "menu bar elsewhere", "a Dock below", "half", "layers",
         "nothing"],
)  # fmt: skip
def test_a_window_that_covers_a_display_is_full_screen(display, windows, is_covered):
    assert covers(display, windows) is is_covered


class WindowServer:
    """CoreGraphics and CoreFoundation; every object is a number, and what is made is let go again."""

    def __init__(self, windows, displays=(LAPTOP,), code=0, listed=0x9000):
        self.live = set()
        self.strings = {}
        pointer, word = ctypes.c_void_p, ctypes.c_uint32
        rect = ctypes.POINTER(_Rect)

        def active(most, numbers, count):
            assert most >= len(displays)
            for index in range(len(displays)):
                numbers[index] = index + 1
            count[0] = len(displays)
            return code

        def copy(options, relative):
            assert (options, relative) == (1, 0)
            if listed:
                self.live.add(listed)
            return listed

        def value(window, key):
            return window * 2 + (1 if self.strings[key] == b"kCGWindowBounds" else 0)

        def number(found, kind, out):
            assert kind == 3
            out[0] = windows[found // 2 - 100][0]
            return True

        def bounds(found, out):
            box = windows[found // 2 - 100][1]
            if box is None:
                return False
            out[0] = _Rect(*box)
            return True

        def string(allocator, text, encoding):
            assert (allocator, encoding) == (None, 0x08000100)
            made = 0x100 + len(self.strings)
            self.strings[made] = text
            self.live.add(made)
            return made

        kinds = ctypes.CFUNCTYPE
        self.libraries = {
            CORE_GRAPHICS: SimpleNamespace(
                CGGetActiveDisplayList=kinds(ctypes.c_int32, word, ctypes.POINTER(word), ctypes.POINTER(word))(active),
                CGDisplayBounds=_Bounds(displays),
                CGWindowListCopyWindowInfo=kinds(pointer, word, word)(copy),
                CGRectMakeWithDictionaryRepresentation=kinds(ctypes.c_bool, pointer, rect)(bounds),
            ),
            CORE_FOUNDATION: SimpleNamespace(
                CFArrayGetCount=kinds(ctypes.c_long, pointer)(lambda _array: len(windows)),
                CFArrayGetValueAtIndex=kinds(pointer, pointer, ctypes.c_long)(lambda _array, index: index + 100),
                CFDictionaryGetValue=kinds(pointer, pointer, pointer)(value),
                CFNumberGetValue=kinds(ctypes.c_bool, pointer, ctypes.c_long, ctypes.POINTER(ctypes.c_int32))(number),
                CFStringCreateWithCString=kinds(pointer, pointer, ctypes.c_char_p, word)(string),
                CFRelease=kinds(None, pointer)(self.live.remove),
            ),
        }

    def load(self, path):
        return self.libraries[path]


class _Bounds:
    """A callback of ctypes cannot return a struct, so this one is Python's."""

    def __init__(self, displays):
        self.displays = displays

    def __call__(self, number):
        return _Rect(*self.displays[number - 1])


def test_the_window_server_is_asked_and_everything_made_is_let_go():
    server = WindowServer([(24, LAPTOP), (0, None), (0, SECOND)], displays=(LAPTOP, SECOND))
    assert has_full_screen_window(server.load) is True
    assert server.live == set()
    plain = WindowServer([(0, (0.0, 32.0, 800.0, 600.0))])
    assert (has_full_screen_window(plain.load), plain.live) == (False, set())


def test_without_a_window_server_nothing_can_be_told():
    for server in (WindowServer([], listed=0), WindowServer([], code=1000)):
        with pytest.raises(OSError, match=r"window server|DisplayList"):
            has_full_screen_window(server.load)
        assert server.live == set()
