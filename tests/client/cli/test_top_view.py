import pytest

from innkeep import wire
from innkeep.cli.table import width
from innkeep.cli.top_state import TopState
from innkeep.cli.top_view import ASCII, BLOCKS, screen
from support.cli_daemon import GIB, a_record, a_status

NOW = 1000.0


def a_state(*records, read_only=False, **changes):
    state = TopState(read_only=read_only)
    memory = wire.MemoryState(
        total=36 * GIB,
        budget=27 * GIB,
        available=3 * GIB,
        pressure="normal",
        source="vm_stat",
        promised=27 * GIB,
        real=26 * GIB,
        used=30 * GIB,
        wired=25 * GIB,
        compressed=GIB // 2,
    )
    state.take(a_status(**({"memory": memory} | changes)), NOW)
    state.take_history(list(records))
    return state


def lines(state, now=NOW, columns=80, rows=24, marks=BLOCKS):
    return ["".join(text for text, _ in line) for line in screen(state, now, columns, rows, marks)]


BUSY = {
    "resident": [
        wire.Resident(
            "qwen2.5-coder:32b", "heavy", 20 * GIB, 8192, 2, pinned=False, owned=True, since=0.0, process=18 * GIB
        ),
        wire.Resident("llama3.1:8b", "light", 6 * GIB, 4096, 0, pinned=False, owned=True, since=0.0, expires=NOW + 247),
        wire.Resident("한국어모델:8b", "light", 6 * GIB, 4096, 0, pinned=True, owned=False, since=0.0, on_cpu=GIB),
    ],
    "changing": [
        wire.Changing("deepseek-r1:32b", "loading", 3.0, 12.0),
        wire.Changing("mistral:7b", "unloading", 1.0),
    ],
    "waiting": [
        wire.Waiter("w2", "llama3.1:8b", "batch", 2.0, position=2, reason="2nd in line; behind 1 agent turn"),
        wire.Waiter("w1", "deepseek-r1:32b", "agent", 9.0, 30.0, 1, "한글 편집기", "1st in line; qwen is answering 2"),
    ],
}


def test_every_fact_has_its_place_at_80_by_24():
    shown = lines(a_state(a_record(), **BUSY), now=NOW + 3)
    assert shown[1] == "promised ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒  27.0 of 27.0 GiB  3.0 GiB free for models"
    assert shown[2] == "real     █████████████████████░  26.0 of 27.0 GiB  pressure normal"
    assert "used        ▇ 30.0  wired        ▆ 25.0  comp        ▁ 0.5  press        ▁" in shown[3]
    assert shown[5] == "qwen2.5-coder:32b        ███████░░░     20.0   18.0  answers 2"
    assert shown[6] == "llama3.1:8b              ██░░░░░░░░      6.0      -  idle, unloads in 4:04"
    assert shown[7].startswith("한국어모델:8b            ██░░░░░░░░      6.0      -  idle, pinned, loaded by")
    assert shown[8] == "deepseek-r1:32b          █████░░░░░ loading 6 s of ~12 s, 50%"
    assert shown[9] == "mistral:7b               ░░░░░░░░░░ unloading 4 s"
    assert shown[11].startswith("deepseek-r1:32b          agent          12 s   ~27 s  qwen is answering 2 (한")
    assert shown[12] == "llama3.1:8b              batch           5 s       -  behind 1 agent turn"
    assert shown[14].endswith(" coding    qwen2.5-coder:32b     12.0s   0.5s  11.2  answered")
    assert shown[-1] == "↑↓ choose  u unload  p pin  h hold  c cancel load  e explain  q quit"


@pytest.mark.parametrize("columns", [20, 80, 81, 132, 300])
@pytest.mark.parametrize("rows", [1, 5, 24, 70])
def test_it_fits_every_size(columns, rows):
    records = [a_record(id=f"{number:08}", client="긴 이름") for number in range(100)]
    shown = lines(a_state(*records, **BUSY, warnings=["w" * 400, "x", "y"]), columns=columns, rows=rows)
    assert len(shown) == rows
    assert all(width(line) <= columns for line in shown)


def test_korean_names_leave_the_columns_aligned():
    shown = lines(a_state(a_record(model="한국어모델:8b"), a_record(model="m"), **BUSY))
    bars = [line for line in shown if "idle" in line or "answers" in line]
    assert {width(line.partition("█")[0]) for line in bars} == {25}
    requests = [line for line in shown if line.endswith("answered")]
    assert len({width(line) for line in requests}) == 1


def test_what_does_not_fit_is_counted_and_the_cursor_stays_in_sight():
    state = a_state(*(a_record(id=f"r{number}") for number in range(60)), resident=[])
    for _ in range(50):
        state.move(1)
    shown = screen(state, NOW, 80, 24)
    marked = [line for line in shown if line[0][1] == "reverse"]
    assert [line[0][0].split()[0] for line in marked] == ["r49"]
    heads = [line[0][0] for line in shown if line[0][1] == "dim"]
    assert any(head.startswith("ID +46   ASKED") for head in heads), heads


def test_a_model_that_holds_less_than_is_promised_shows_both():
    held = a_status().resident[0]
    grown = wire.Resident("m", "heavy", 18 * GIB, 1, 0, pinned=False, owned=True, since=0.0, process=9 * GIB)
    shown = lines(a_state(resident=[grown, held]))
    assert "███▒▒▒▒░░░" in shown[5]


def test_a_control_character_of_a_client_never_reaches_the_terminal():
    bad = wire.Waiter("w", "m\x1b[2J", "batch", 1.0, client="c\x07", reason="1st in line; x\x1b]0;y\x07")
    state = a_state(a_record(model="\x1b[31m", role="r\n", outcome="o\x9b"), waiting=[bad])
    assert all(line.isprintable() for line in lines(state))


def test_a_hold_a_warning_and_an_ollama_that_is_gone_are_said():
    state = a_state(
        held_until=NOW + 90,
        held_why="영상 통화",
        warnings=["Ollama 9.9 is not proved"],
        backend=wire.BackendState("u", reachable=False, version="0.33.0"),
    )
    shown = lines(state)
    assert "ollama 0.33.0 does not answer" in shown[0]
    assert shown[4:6] == ['on hold for 90 s ("영상 통화")', "Ollama 9.9 is not proved"]


def test_without_a_snapshot_it_says_why_and_read_only_says_so():
    state = TopState(read_only=True)
    assert lines(state)[0] == "connecting to innkeepd"
    state.message = "gone; trying again"
    assert lines(state)[0] == "gone; trying again"
    assert "unload" not in lines(state)[-1]


def test_ascii_is_ascii():
    state = a_state(a_record(), **{name: each for name, each in BUSY.items() if name != "waiting"})
    state.status.resident.pop()
    assert all(line.isascii() for line in lines(state, marks=ASCII))
