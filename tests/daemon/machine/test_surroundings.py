import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from innkeepd.machine import surroundings
from innkeepd.machine.surroundings import MachineSurroundings, machine_surroundings
from innkeepd.policy.conditions import Conditions

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_only_what_is_wanted_is_read_and_what_fails_is_unknown():
    def fails():
        raise OSError("no such device")

    door = MachineSurroundings({"camera": lambda: True, "microphone": fails, "low_power": lambda: 1 / 0}, lambda: 0.0)
    found = await door.read({"camera", "microphone", "full_screen"})
    local = time.localtime(0.0)
    minute = local.tm_hour * 60 + local.tm_min
    assert found == Conditions(minute=minute, weekday=local.tm_wday, camera=True)
    assert repr(door) == "<MachineSurroundings of camera, microphone, low_power>"


async def test_the_time_is_the_one_on_the_wall_here(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        found = await MachineSurroundings({}, lambda: 1767571200.0).read(())  # 2026-01-05, a Monday, 00:00 in UTC
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (found.minute, found.weekday) == (9 * 60, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="psutil reads the battery from /sys here")
@pytest.mark.parametrize(("online", "on_battery"), [("0", True), ("1", False)])
def test_a_real_battery_of_linux(tmp_path: Path, monkeypatch, online, on_battery):
    """The files of a laptop's kernel, read by the real psutil."""
    battery, mains = tmp_path / "BAT0", tmp_path / "AC0"
    for folder, values in (
        (battery, {"energy_now": "10000000", "energy_full": "50000000", "power_now": "9000000", "capacity": "20",
                   "status": "Discharging" if on_battery else "Charging"}),
        (mains, {"online": online}),
    ):  # fmt: skip
        folder.mkdir()
        for name, value in values.items():
            (folder / name).write_text(f"{value}\n")
    monkeypatch.setattr(psutil._pslinux, "POWER_SUPPLY_PATH", str(tmp_path))
    assert (surroundings.on_battery(), surroundings.battery_percent()) == (on_battery, 20.0)


def test_a_machine_without_a_battery_is_never_on_it(monkeypatch):
    monkeypatch.setattr(psutil, "sensors_battery", lambda: None, raising=False)
    assert (surroundings.on_battery(), surroundings.battery_percent()) == (False, None)


async def test_this_machine_tells_its_programs():
    found = await machine_surroundings().read({"apps", "on_battery"})
    assert psutil.Process().name().lower() in found.apps
    assert found.on_battery in (True, False)


async def test_a_mac_reads_by_its_frameworks_and_tells_nothing_where_there_are_none(monkeypatch):
    monkeypatch.setattr(surroundings, "has_full_screen_window", lambda: True)
    found = await machine_surroundings("darwin").read({"camera", "thermal", "full_screen"})
    assert found.full_screen is True
    if sys.platform != "darwin":
        assert (found.camera, found.thermal) == (None, None)


def test_processes_without_a_name_are_passed_over(monkeypatch):
    found = [SimpleNamespace(info={"name": name}) for name in ("Zoom.us", None, "")]
    monkeypatch.setattr(psutil, "process_iter", lambda _wanted: iter(found))
    assert surroundings.programs() == {"zoom.us"}
