"""Conditions that Linux tells by files: a platform profile that saves power, a camera or a microphone in use."""

import os
from pathlib import Path

ROOT = Path("/")


def low_power(root: Path = ROOT) -> bool:
    """Whether the firmware's platform profile is one that saves power. Raises OSError where there is none."""
    profile = (root / "sys/firmware/acpi/platform_profile").read_text(encoding="ascii").strip()
    return profile in ("low-power", "quiet")


def camera(root: Path = ROOT) -> bool:
    """Whether a process that we may look at has a video device open."""
    return any(target.startswith("/dev/video") for target in _open_files(root))


def microphone(root: Path = ROOT) -> bool:
    """Whether a capture stream of ALSA runs, PipeWire's and PulseAudio's included. Raises OSError without ALSA."""
    cards = root / "proc/asound"
    if not cards.is_dir():
        raise FileNotFoundError(cards)
    return any("RUNNING" in file.read_text(errors="replace") for file in cards.glob("card*/pcm*c/sub*/status"))


def _open_files(root: Path) -> list[str]:
    """Where the descriptors of all processes lead; what may not be looked at is passed over."""
    found = []
    for folder in (root / "proc").glob("[0-9]*/fd"):
        try:
            found += [os.readlink(entry) for entry in os.scandir(folder)]  # noqa: PTH115 - a name such as "socket:[1]"
        except OSError:
            continue
    return found
