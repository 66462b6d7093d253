"""Low Power Mode, heat, camera and microphone of a Mac, through C's calling convention against scripted frameworks."""

import ctypes
from types import SimpleNamespace

import pytest

from innkeepd.machine.mac_conditions import CORE_AUDIO, CORE_MEDIA_IO, FOUNDATION, MacConditions
from innkeepd.machine.metal import OBJC

CLASS, INFO = 0x1_0000_1000, 0x1_0000_2000
SELECTORS = {b"processInfo": 0x11, b"isLowPowerModeEnabled": 0x22, b"thermalState": 0x33}
HEADSET, SPEAKER, CAMERA = 73, 74, 31


def code(text: bytes) -> int:
    return int.from_bytes(text, "big")


class Frameworks:
    """``properties``: (object, selector, scope) -> 32-bit numbers; what is missing fails as on a Mac (``who?``)."""

    def __init__(self, properties=None, *, low_power=False, thermal=0, info=INFO):
        self.properties = properties or {}
        self.loaded = []
        pointer, word = ctypes.c_void_p, ctypes.c_uint32

        def send(receiver, selector):
            if selector == SELECTORS[b"processInfo"]:
                assert receiver == CLASS
                return info
            assert receiver == INFO
            return int(low_power) if selector == SELECTORS[b"isLowPowerModeEnabled"] else thermal

        def find(device, address, buffer, size, used):
            selector, scope, element = (ctypes.c_uint32 * 3).from_address(address)
            assert element == 0
            found = self.properties.get((device, selector.to_bytes(4, "big"), scope.to_bytes(4, "big")))
            if found is None:
                return code(b"who?") - 2**32
            assert len(found) * 4 <= size
            (word * len(found)).from_address(buffer)[:] = found
            ctypes.cast(used, ctypes.POINTER(word))[0] = len(found) * 4
            return 0

        def audio(device, address, qualified, qualifier, size, buffer):  # noqa: PLR0917 - C's signature
            assert (qualified, qualifier) == (0, None)
            return find(device, address, buffer, ctypes.cast(size, ctypes.POINTER(word))[0], size)

        def media(device, address, qualified, qualifier, size, used, buffer):  # noqa: PLR0917 - C's signature
            assert (qualified, qualifier) == (0, None)
            return find(device, address, buffer, size, used)

        self.libraries = {
            FOUNDATION: SimpleNamespace(),
            OBJC: SimpleNamespace(
                sel_registerName=ctypes.CFUNCTYPE(pointer, ctypes.c_char_p)(SELECTORS.__getitem__),
                objc_getClass=ctypes.CFUNCTYPE(pointer, ctypes.c_char_p)({b"NSProcessInfo": CLASS}.__getitem__),
                objc_msgSend=ctypes.CFUNCTYPE(ctypes.c_uint64, pointer, pointer)(send),
            ),
            CORE_AUDIO: SimpleNamespace(
                AudioObjectGetPropertyData=ctypes.CFUNCTYPE(
                    ctypes.c_int32, word, pointer, word, pointer, pointer, pointer
                )(audio)
            ),
            CORE_MEDIA_IO: SimpleNamespace(
                CMIOObjectGetPropertyData=ctypes.CFUNCTYPE(
                    ctypes.c_int32, word, pointer, word, pointer, word, pointer, pointer
                )(media)
            ),
        }

    def load(self, path):
        self.loaded.append(path)
        return self.libraries[path]


@pytest.mark.parametrize("on", [True, False])
def test_low_power_mode(on):
    fake = Frameworks(low_power=on)
    assert MacConditions(fake.load).low_power() is on
    assert fake.loaded[0] == FOUNDATION, "without it there is no NSProcessInfo"


@pytest.mark.parametrize(
    ("state", "name"), [(0, "nominal"), (1, "fair"), (2, "serious"), (3, "critical"), (4, None), (-1, None)]
)
def test_the_thermal_state_by_its_number(state, name):
    assert MacConditions(Frameworks(thermal=state % 2**64).load).thermal() == name


def test_without_a_process_information_nothing_can_be_told():
    with pytest.raises(OSError, match="NSProcessInfo"):
        MacConditions(Frameworks(info=0).load).low_power()


def audio(headset_runs=0, speaker_runs=1):
    return {
        (1, b"dev#", b"glob"): [HEADSET, SPEAKER],
        (HEADSET, b"stm#", b"inpt"): [5],
        (SPEAKER, b"stm#", b"inpt"): [],
        (HEADSET, b"gone", b"glob"): [headset_runs],
        (SPEAKER, b"gone", b"glob"): [speaker_runs],
    }


def test_a_microphone_is_an_input_that_runs_somewhere_and_a_speaker_is_none():
    assert MacConditions(Frameworks(audio()).load).microphone() is False
    assert MacConditions(Frameworks(audio(headset_runs=1)).load).microphone() is True
    assert MacConditions(Frameworks({}).load).microphone() is False


def test_a_camera_that_runs_somewhere():
    for runs in (0, 1):
        cameras = {(1, b"dev#", b"glob"): [CAMERA], (CAMERA, b"gone", b"glob"): [runs]}
        assert MacConditions(Frameworks(cameras).load).camera() is bool(runs)
    assert MacConditions(Frameworks({(1, b"dev#", b"glob"): [CAMERA]}).load).camera() is False


def test_a_system_without_the_framework_raises_for_the_door_to_catch():
    with pytest.raises(AttributeError):
        MacConditions(lambda _path: SimpleNamespace()).camera()
