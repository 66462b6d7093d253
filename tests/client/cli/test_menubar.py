"""The menu, byte for byte."""

import pytest

from innkeep import wire
from innkeep.cli.menubar_text import menu, menu_without_daemon
from support.cli_daemon import GIB, a_status

NOW = 1000.0
INNKEEP = "/opt/homebrew/bin/innkeep"
RUN = f"| bash={INNKEEP}"
END = "terminal=false refresh=true"


def test_what_is_in_memory_who_waits_and_what_can_be_done():
    status = a_status(
        http="127.0.0.1:11435",
        waiting=[
            wire.Waiter("b", "llama3.1:8b", "batch", 3.0, position=2),
            wire.Waiter("a", "deepseek-r1:32b", "agent", 14.2, position=1, client="한글 편집기"),
        ],
    )
    assert menu(status, NOW, INNKEEP) == (
        "qwen2.5-coder:32b +1 (2)\n"
        "---\n"
        "qwen2.5-coder:32b  21.0 GiB, heavy, answers 1\n"
        f"--Unload {RUN} param1=unload param2=qwen2.5-coder:32b {END}\n"
        f"--Pin {RUN} param1=pin param2=qwen2.5-coder:32b {END}\n"
        "llama3.1:8b  6.0 GiB, light, unloads in 18 min\n"
        f"--Unload {RUN} param1=unload param2=llama3.1:8b {END}\n"
        f"--Pin {RUN} param1=pin param2=llama3.1:8b {END}\n"
        "---\n"
        "2 requests waiting\n"
        "--deepseek-r1:32b  14 s (한글 편집기)\n"
        "--llama3.1:8b  3 s\n"
        "---\n"
        "3.0 GiB of 27.0 GiB free\n"
        f"Hold 30 min {RUN} param1=hold param2=30m {END}\n"
        "Open the dashboard | href=http://127.0.0.1:11435/ui/\n"
        "Refresh | refresh=true"
    )


def test_an_empty_machine_has_a_short_menu():
    assert menu(a_status(resident=[]), NOW, INNKEEP) == (
        "innkeep\n"
        "---\n"
        "no model is in memory\n"
        "---\n"
        "3.0 GiB of 27.0 GiB free\n"
        f"Hold 30 min {RUN} param1=hold param2=30m {END}\n"
        "Refresh | refresh=true"
    )


def test_a_load_a_notice_a_pin_and_pressure_are_shown():
    pinned = wire.Resident("m", "light", GIB, 4096, 0, pinned=True, owned=True, since=0.0)
    memory = wire.MemoryState(total=36 * GIB, budget=27 * GIB, available=0, pressure="critical", source="x")
    status = a_status(
        resident=[pinned],
        changing=[wire.Changing("deepseek-r1:32b", "loading", 4.0, 12.0)],
        notices=[wire.Notice("memory_pressure", 'short | of "memory"\n', 0.0)],
        memory=memory,
    )
    assert menu(status, NOW, INNKEEP) == (
        "⟳ deepseek-r1:32b\n"
        "---\n"
        "⚠ short ¦ of 'memory'  | color=orange\n"
        "---\n"
        "m  1.0 GiB, light, pinned\n"
        f"--Unload {RUN} param1=unload param2=m {END}\n"
        f"--Unpin {RUN} param1=unpin param2=m {END}\n"
        "loading deepseek-r1:32b  4 s / ~12 s\n"
        "---\n"
        "0.0 GiB of 27.0 GiB free, pressure critical\n"
        f"Hold 30 min {RUN} param1=hold param2=30m {END}\n"
        "Refresh | refresh=true"
    )


def test_a_hold_and_an_ollama_that_is_away_are_the_title():
    held = menu(a_status(resident=[], held_until=2e9), NOW, INNKEEP).splitlines()
    assert held[0] == "⏸ innkeep"
    assert held[-2].startswith("End the hold (until 2033-")
    assert held[-2].endswith(f" {RUN} param1=resume {END}")
    away = a_status(backend=wire.BackendState("u", reachable=False))
    assert menu(away, NOW, INNKEEP).splitlines()[0] == "ollama ✕"


def test_without_a_daemon_the_menu_starts_it():
    assert menu_without_daemon("nobody listens | at x", "/a path/innkeep") == (
        "innkeep ✕\n"
        "---\n"
        "nobody listens ¦ at x\n"
        f'Start innkeepd | bash="/a path/innkeep" param1=service param2=start {END}\n'
        "Refresh | refresh=true"
    )


@pytest.mark.parametrize("http", ["0.0.0.0:11435", "[::]:11435", ":11435"])
def test_a_port_that_is_open_to_all_is_opened_here(http):
    assert "href=http://127.0.0.1:11435/ui/" in menu(a_status(http=http), NOW, INNKEEP)


def test_the_command_prints_a_menu_whether_or_not_a_daemon_answers(innkeep, daemon):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    ended = innkeep("menubar", "--command", INNKEEP)
    assert (ended.status, ended.out.splitlines()[0]) == (0, "qwen2.5-coder:32b +1")
    away = innkeep("menubar", "--socket", "/nowhere/d.sock")
    assert (away.status, away.out.splitlines()[0], away.err) == (0, "innkeep ✕", "")
    assert innkeep("menubar", "--json").status == 2
