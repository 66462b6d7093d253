"""Whether an app is full screen, as the window server tells it: bounds and layers only, so no grant is needed.

Names of windows and owners are not read. Read in Apple's headers (CGWindow.h, CGDirectDisplay.h), never run on a Mac by
us; tested through the C calling convention.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from innkeepd.machine.metal import CORE_GRAPHICS
from innkeepd.machine.power import CORE_FOUNDATION

_ON_SCREEN = 1
"""kCGWindowListOptionOnScreenOnly."""
_SINT32 = 3
"""kCFNumberSInt32Type."""
_UTF8 = 0x08000100
_MOST = 32
_MENU_BAR = 24
"""kCGMainMenuWindowLevel: where the menu bar of a display is on screen, nothing is full screen there."""
_NOTCH = 40
"""Points that a full-screen window leaves free above it on a display with a camera housing."""

Box = tuple[float, float, float, float]
"""x, y, width, height in points, from the upper left corner of the main display."""


class _Rect(ctypes.Structure):
    """CGRect."""

    _fields_ = tuple((name, ctypes.c_double) for name in ("x", "y", "width", "height"))

    def box(self) -> Box:
        """As numbers."""
        return self.x, self.y, self.width, self.height


def has_full_screen_window(load: Callable[[str], Any] = ctypes.CDLL) -> bool:
    """Whether a window covers a whole display.

    Raises OSError or AttributeError where a framework, a function or the window server is missing.
    """
    graphics, core = load(CORE_GRAPHICS), load(CORE_FOUNDATION)
    return any(covers(display, windows(graphics, core)) for display in displays(graphics))


def covers(display: Box, found: list[tuple[int, Box]]) -> bool:
    """Whether one of the windows (layer, bounds) covers the display, and no menu bar lies on it."""
    x, y, width, height = display
    on_it = [(layer, box) for layer, box in found if x <= box[0] < x + width and y <= box[1] < y + height]
    if any(layer == _MENU_BAR for layer, _ in on_it):
        return False
    return any(
        layer == 0 and box[0] == x and box[2] == width and box[1] - y <= _NOTCH and box[1] + box[3] >= y + height
        for layer, box in on_it
    )


def displays(graphics: Any) -> list[Box]:
    """The bounds of every display that is on."""
    active, bounds = graphics.CGGetActiveDisplayList, graphics.CGDisplayBounds
    word = ctypes.POINTER(ctypes.c_uint32)
    active.argtypes, active.restype = [ctypes.c_uint32, word, word], ctypes.c_int32
    bounds.argtypes, bounds.restype = [ctypes.c_uint32], _Rect
    numbers, count = (ctypes.c_uint32 * _MOST)(), ctypes.c_uint32()
    if active(_MOST, numbers, ctypes.byref(count)):
        raise OSError("CGGetActiveDisplayList failed")
    return [bounds(number).box() for number in numbers[: count.value]]


def windows(graphics: Any, core: Any) -> list[tuple[int, Box]]:
    """Layer and bounds of every window on screen. Raises OSError without a window server (a daemon, ssh)."""
    pointer = ctypes.c_void_p
    copy, rect_of = graphics.CGWindowListCopyWindowInfo, graphics.CGRectMakeWithDictionaryRepresentation
    copy.argtypes, copy.restype = [ctypes.c_uint32, ctypes.c_uint32], pointer
    rect_of.argtypes, rect_of.restype = [pointer, ctypes.POINTER(_Rect)], ctypes.c_bool
    count, at, value = core.CFArrayGetCount, core.CFArrayGetValueAtIndex, core.CFDictionaryGetValue
    count.argtypes, count.restype = [pointer], ctypes.c_long
    at.argtypes, at.restype = [pointer, ctypes.c_long], pointer
    value.argtypes, value.restype = [pointer, pointer], pointer
    number_of = core.CFNumberGetValue
    number_of.argtypes, number_of.restype = [pointer, ctypes.c_long, ctypes.POINTER(ctypes.c_int32)], ctypes.c_bool
    free = core.CFRelease
    free.argtypes, free.restype = [pointer], None
    found: list[tuple[int, Box]] = []
    with _string(core, b"kCGWindowLayer") as layer_key, _string(core, b"kCGWindowBounds") as bounds_key:
        listed = copy(_ON_SCREEN, 0)
        if not listed:
            raise OSError("no window server")
        try:
            for index in range(count(listed)):
                window, layer, rect = at(listed, index), ctypes.c_int32(), _Rect()
                number, bounds = value(window, layer_key), value(window, bounds_key)
                if number and bounds and number_of(number, _SINT32, ctypes.byref(layer)) and rect_of(bounds, rect):
                    found.append((layer.value, rect.box()))
        finally:
            free(listed)
    return found


@contextmanager
def _string(core: Any, text: bytes) -> Iterator[int]:
    """A CFString while it is needed; the constants of CGWindow.h are strings of their own names."""
    make, free = core.CFStringCreateWithCString, core.CFRelease
    make.argtypes, make.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32], ctypes.c_void_p
    free.argtypes, free.restype = [ctypes.c_void_p], None
    made = make(None, text, _UTF8)
    if not made:
        raise OSError("CFStringCreateWithCString failed")
    try:
        yield made
    finally:
        free(made)
