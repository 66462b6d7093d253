"""Metal's memory limit asked of Metal itself: ``recommendedMaxWorkingSetSize`` of the default device, by ctypes.

Two frameworks and the Objective-C runtime, no process and no package. Never run on a Mac by us; it is tested through
the C calling convention. ``objc_msgSend`` is always called through a prototype of its own: its C declaration is
variadic, and on arm64 variadic arguments travel elsewhere.
"""

import ctypes
from collections.abc import Callable
from typing import Any

CORE_GRAPHICS = "/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics"
"""Has to be loaded before a program without a window gets a device (Metal's own documentation)."""
METAL = "/System/Library/Frameworks/Metal.framework/Metal"
OBJC = "/usr/lib/libobjc.A.dylib"

_GET_UINT64 = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)


class MetalDevice:
    """The limit of the default device, asked once, and again when ``iogpu.wired_limit_mb`` has changed.

    ``load`` gives a library by its path.
    """

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load
        self._asked = False
        self._override: int | None = None
        self._limit: int | None = None

    def limit(self, override: int | None) -> int | None:
        """Bytes that Metal recommends one program to use; None where there is no device or no Metal. Never raises.

        ``override`` is ``iogpu.wired_limit_mb`` now.
        """
        if not self._asked or override != self._override:
            self._asked, self._override = True, override
            try:
                self._limit = working_set(self._load) or None
            except (OSError, AttributeError):
                self._limit = None
        return self._limit


def working_set(load: Callable[[str], Any]) -> int:
    """``recommendedMaxWorkingSetSize`` in bytes, 0 for no device.

    Raises OSError where a library is missing, AttributeError where a function is.
    """
    load(CORE_GRAPHICS)
    create = load(METAL).MTLCreateSystemDefaultDevice
    create.argtypes, create.restype = [], ctypes.c_void_p
    objc = load(OBJC)
    selector, release = objc.sel_registerName, objc.objc_release
    selector.argtypes, selector.restype = [ctypes.c_char_p], ctypes.c_void_p
    release.argtypes, release.restype = [ctypes.c_void_p], None
    send = _GET_UINT64(ctypes.cast(objc.objc_msgSend, ctypes.c_void_p).value or 0)
    device = create()
    if not device:
        return 0
    try:
        return int(send(device, selector(b"recommendedMaxWorkingSetSize")))
    finally:
        release(device)
