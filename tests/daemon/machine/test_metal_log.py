import os

import pytest

from innkeepd.machine.metal_log import MetalLog, log_paths, parse_metal_limit
from support.macos import GIB, text

START = (
    'time=2026-07-03T22:00:21.555-03:00 level=INFO source=types.go:32 msg="inference compute" id=0 filter_id=0 '
    'library=Metal compute=0.0 name=MTL0 type=iGPU total="{}" available="1.0 GiB"\n'
)
EXACT = "ggml_metal_device_init: recommendedMaxWorkingSetSize  = {} MB\n"


@pytest.mark.parametrize(
    ("recording", "limit"),
    [
        ("ollama_log_32g_m1max.txt", 25 * GIB),
        ("llama_metal_init_36g_m4max_macos15.txt", 28_991_030_000),
        ("llama_list_devices_36g_m3max_macos26.txt", 30_150_670_000),
        ("llama_list_devices_48g_m4pro.txt", 40_200_900_000),
        ("llama_list_devices_128g_m4max.txt", 115_448_730_000),
        ("ollama_log_16g_m2_macos15.txt", None),
    ],
)
def test_the_recorded_logs_tell_metals_limit(recording, limit):
    assert parse_metal_limit(text(recording)) == limit


def test_the_last_start_counts_and_the_exact_number_where_both_mean_the_same():
    assert parse_metal_limit(START.format("27.0 GiB") + EXACT.format("28991.03")) == 28_991_030_000
    assert parse_metal_limit(EXACT.format("28991.03") + START.format("27.0 GiB")) == 28_991_030_000
    assert parse_metal_limit(EXACT.format("28991.03") + START.format("30.0 GiB")) == 30 * GIB


def test_another_gpus_line_is_not_metals():
    assert parse_metal_limit(START.format("27.0 GiB").replace("library=Metal", "library=CUDA")) is None


def test_the_newest_log_that_tells_it_counts(tmp_path):
    app, brew = tmp_path / "server.log", tmp_path / "ollama.log"
    app.write_text(START.format("27.0 GiB"))
    brew.write_text(START.format("20.0 GiB"))
    os.utime(app, (2000, 2000))
    os.utime(brew, (1000, 1000))
    assert MetalLog([brew, app, tmp_path / "absent.log"]).limit(0) == 27 * GIB


def test_a_long_log_is_read_at_its_ends_only(tmp_path):
    log = tmp_path / "server.log"
    filler = "x" * 99 + "\n"
    log.write_text(START.format("27.0 GiB") + filler * 10_000)
    assert MetalLog([log]).limit(0) == 27 * GIB
    log.write_text(filler * 10_000 + START.format("26.0 GiB"))
    assert MetalLog([log]).limit(0) == 26 * GIB
    log.write_text(filler * 5_000 + START.format("26.0 GiB") + filler * 5_000)
    assert MetalLog([log]).limit(0) is None


def test_a_log_is_read_again_only_after_a_rest_and_a_change(tmp_path):
    log = tmp_path / "server.log"
    metal = MetalLog([log], rest=60)
    assert metal.limit(0) is None
    log.write_text(START.format("27.0 GiB"))
    assert [metal.limit(59), metal.limit(60), metal.limit(121)] == [None, 27 * GIB, 27 * GIB]


def test_what_a_log_once_said_still_holds_when_the_line_has_gone(tmp_path):
    log = tmp_path / "server.log"
    metal = MetalLog([log], rest=0)
    log.write_text(START.format("27.0 GiB"))
    metal.limit(0)
    log.write_text("rotated\n")
    assert metal.limit(1) == 27 * GIB


def test_a_log_that_is_a_folder_tells_nothing(tmp_path):
    assert MetalLog([tmp_path]).limit(0) is None


def test_the_logs_are_the_apps_and_homebrews(tmp_path):
    assert log_paths(tmp_path)[0] == tmp_path / ".ollama" / "logs" / "server.log"
    assert len(MetalLog()._paths) == 3
