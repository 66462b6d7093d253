"""Conditions that macOS tells by ctypes: Low Power Mode, thermal state, camera and microphone in use.

* ``NSProcessInfo``: ``isLowPowerModeEnabled`` (macOS 12), ``thermalState`` (0 nominal to 3 critical, NSProcessInfo.h).
* CoreMediaIO and CoreAudio: the property "is running somewhere" (``gone``) of each camera and of each input device. No
  grant is needed, because only the state of a device is read, never what it records.

Read in Apple's headers and in other people's programs, never run on a Mac by us; tested through the C calling
convention. ``objc_msgSend`` is called through prototypes of its own, see ``metal``.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from innkeepd.machine.metal import OBJC
from innkeepd.policy.conditions import THERMAL, Thermal

FOUNDATION = "/System/Library/Frameworks/Foundation.framework/Foundation"
CORE_AUDIO = "/System/Library/Frameworks/CoreAudio.framework/CoreAudio"
CORE_MEDIA_IO = "/System/Library/Frameworks/CoreMediaIO.framework/CoreMediaIO"

_SYSTEM = 1
"""kAudioObjectSystemObject and kCMIOObjectSystemObject."""
_GLOBAL, _INPUT = b"glob", b"inpt"
_DEVICES, _STREAMS, _RUNNING = b"dev#", b"stm#", b"gone"
_MOST = 256
"""Devices that are looked at; a Mac has a handful."""

_GET_OBJECT = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_GET_INTEGER = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_GET_BOOL = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)


class _Address(ctypes.Structure):
    """AudioObjectPropertyAddress and CMIOObjectPropertyAddress: selector, scope, element (0: the main one)."""

    _fields_ = (("selector", ctypes.c_uint32), ("scope", ctypes.c_uint32), ("element", ctypes.c_uint32))


class MacConditions:
    """Each method reads one condition. Raises OSError or AttributeError where a framework or a function is missing.

    ``load`` gives a library by its path.
    """

    def __init__(self, load: Callable[[str], Any] = ctypes.CDLL) -> None:
        self._load = load

    def low_power(self) -> bool:
        """Whether Low Power Mode is on."""
        return bool(self._process_info(_GET_BOOL, b"isLowPowerModeEnabled"))

    def thermal(self) -> Thermal | None:
        """The thermal state; None for one that is unknown to us."""
        state = int(self._process_info(_GET_INTEGER, b"thermalState"))
        return THERMAL[state] if 0 <= state < len(THERMAL) else None

    def camera(self) -> bool:
        """Whether any program uses a camera."""
        library = self._load(CORE_MEDIA_IO)
        devices = _numbers(_media_io(library), _SYSTEM, _DEVICES, _GLOBAL)
        return any(_is_running(_media_io(library), device) for device in devices)

    def microphone(self) -> bool:
        """Whether any program uses an audio device that has inputs: a headset that only plays counts too."""
        read = _audio(self._load(CORE_AUDIO))
        devices = _numbers(read, _SYSTEM, _DEVICES, _GLOBAL)
        return any(_numbers(read, each, _STREAMS, _INPUT) and _is_running(read, each) for each in devices)

    def _process_info(self, prototype: Any, question: bytes) -> Any:
        self._load(FOUNDATION)
        objc = self._load(OBJC)
        selector, lookup = objc.sel_registerName, objc.objc_getClass
        selector.argtypes, selector.restype = [ctypes.c_char_p], ctypes.c_void_p
        lookup.argtypes, lookup.restype = [ctypes.c_char_p], ctypes.c_void_p
        send = ctypes.cast(objc.objc_msgSend, ctypes.c_void_p).value or 0
        info = _GET_OBJECT(send)(lookup(b"NSProcessInfo"), selector(b"processInfo"))
        if not info:
            raise OSError("NSProcessInfo: no process information")
        return prototype(send)(info, selector(question))


Read = Callable[[int, _Address, Any, int], int | None]
"""(object, address, buffer, its bytes): fills the buffer; the bytes that it filled, None where it could not."""


def _audio(library: Any) -> Read:
    get = library.AudioObjectGetPropertyData
    word = ctypes.POINTER(ctypes.c_uint32)
    get.argtypes = [
        *(ctypes.c_uint32, ctypes.POINTER(_Address), ctypes.c_uint32, ctypes.c_void_p, word, ctypes.c_void_p),
    ]
    get.restype = ctypes.c_int32

    def read(device: int, address: _Address, buffer: Any, size: int) -> int | None:
        used = ctypes.c_uint32(size)
        return None if get(device, ctypes.byref(address), 0, None, ctypes.byref(used), buffer) else used.value

    return read


def _media_io(library: Any) -> Read:
    get = library.CMIOObjectGetPropertyData
    word = ctypes.POINTER(ctypes.c_uint32)
    get.argtypes = [
        *(ctypes.c_uint32, ctypes.POINTER(_Address), ctypes.c_uint32, ctypes.c_void_p),
        *(ctypes.c_uint32, word, ctypes.c_void_p),
    ]
    get.restype = ctypes.c_int32

    def read(device: int, address: _Address, buffer: Any, size: int) -> int | None:
        used = ctypes.c_uint32()
        return None if get(device, ctypes.byref(address), 0, None, size, ctypes.byref(used), buffer) else used.value

    return read


def _numbers(read: Read, device: int, selector: bytes, scope: bytes) -> list[int]:
    """A property that is an array of 32-bit numbers; [] where it cannot be read."""
    buffer = (ctypes.c_uint32 * _MOST)()
    used = read(device, _Address(_code(selector), _code(scope), 0), buffer, ctypes.sizeof(buffer))
    return list(buffer[: (used or 0) // 4])


def _is_running(read: Read, device: int) -> bool:
    return any(_numbers(read, device, _RUNNING, _GLOBAL)[:1])


def _code(text: bytes) -> int:
    return int.from_bytes(text, "big")
