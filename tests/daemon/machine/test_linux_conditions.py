from pathlib import Path

import pytest

from innkeepd.machine.linux_conditions import camera, low_power, microphone


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(("profile", "saves"), [("low-power", True), ("quiet", True), ("balanced", False)])
def test_a_platform_profile_may_save_power(tmp_path, profile, saves):
    write(tmp_path / "sys/firmware/acpi/platform_profile", f"{profile}\n")
    assert low_power(tmp_path) is saves


def test_a_machine_without_profiles_or_alsa_cannot_tell(tmp_path):
    with pytest.raises(OSError, match="platform_profile"):
        low_power(tmp_path)
    with pytest.raises(OSError, match="asound"):
        microphone(tmp_path)


def test_a_microphone_is_in_use_while_a_capture_stream_runs(tmp_path):
    status = tmp_path / "proc/asound/card0/pcm0c/sub0/status"
    write(status, "closed\n")
    write(tmp_path / "proc/asound/card0/pcm0p/sub0/status", "state: RUNNING\n")
    assert microphone(tmp_path) is False, "music plays"
    write(status, "state: RUNNING\nowner_pid   : 17\n")
    assert microphone(tmp_path) is True


def test_a_camera_is_in_use_while_a_process_has_it_open(tmp_path):
    descriptors = tmp_path / "proc/17/fd"
    descriptors.mkdir(parents=True)
    (descriptors / "0").symlink_to("/dev/null")
    (tmp_path / "proc/18").mkdir()
    (tmp_path / "proc/18/fd").write_text("not to be looked at")
    assert camera(tmp_path) is False
    (descriptors / "4").symlink_to("/dev/video0")
    assert camera(tmp_path) is True
