import pytest
from msgspec import to_builtins

from innkeep import wire
from innkeep.cli import render
from support.cli_daemon import GIB, a_record, a_status

QWEN, DEEPSEEK = "qwen2.5-coder:32b", "deepseek-r1:32b"


def bracketed(style, text):
    return f"<{style}>{text}</>"


def test_status_shows_memory_residents_and_counters_in_eighty_cells():
    text = render.status_text(a_status(), now=2000.0, cells=80)
    assert text.splitlines() == [
        "innkeepd 0.1.0  pid 4711, up 2 h 10 min",
        "ollama 0.17.4  http://127.0.0.1:11434",
        "memory   normal: 3.0 GiB free of 27.0 GiB for models (36.0 GiB in all)",
        "",
        "IN MEMORY            MEMORY  CONTEXT  STATE                            UNLOADS",
        "qwen2.5-coder:32b  21.0 GiB     8192  answering 1                      -",
        "llama3.1:8b         6.0 GiB     4096  idle, loaded by another program  in 60 s",
        "",
        "since start: 12 requests, 1 swap, 2 loads",
    ]
    assert max(map(len, text.splitlines())) <= 80


def test_status_shows_what_the_user_has_set_and_how_to_undo_it():
    status = a_status(
        selected=QWEN,
        selected_roles={"coding": "tiny"},
        held_until=2060.0,
        held_why="video call",
        pins=["llama3.1:8b", "mid"],
        awaits_restart=["http"],
        rules=["night (hours 22:00-07:00): hold"],
    )
    lines = render.status_text(status, 2000.0, bracketed).splitlines()
    told = [line.removeprefix("<yellow>").removesuffix("</>") for line in lines if line.startswith("<yellow>")]
    assert told[:2] == [
        f"routing  all chats to {QWEN} (`innkeep models set auto` ends it)",
        "routing  coding: tiny first (`innkeep models set auto --role coding` ends it)",
    ]
    assert told[2].endswith('60 s more ("video call") (`innkeep resume` ends it)')
    assert told[3:] == [
        "rule     night (hours 22:00-07:00): hold",
        "pinned   mid, not in memory (`innkeep unpin mid` ends it)",
        "config   [http] changed; takes effect at a restart (`innkeep restart`)",
    ]


def test_status_tells_simulation_changes_and_who_waits():
    status = a_status(
        backend=wire.BackendState("http://127.0.0.1:1", reachable=False, simulated=True),
        changing=[wire.Changing(QWEN, "loading", 7.0, 12.0), wire.Changing(DEEPSEEK, "unloading", 1.0)],
        waiting=[
            wire.Waiter("b", QWEN, "interactive", 7.3, 28.4, 2, "innkeep ask"),
            wire.Waiter("a", QWEN, "interactive", 9.3, position=1),
        ],
        awake="2 answers",
        warnings=["the old plist is still loaded"],
    )
    text = render.status_text(status, 2000.0, bracketed)
    assert "ollama  http://127.0.0.1:1<red>, unreachable</><yellow>, simulated</>" in text
    assert "unknown" in text, "nobody can say when a model of an unreachable Ollama is unloaded"
    assert f"loading {QWEN}, 7 s of ~12 s\nunloading {DEEPSEEK}, 1 s" in text
    assert (
        "<dim>WAITS  FOR                CLIENT       SINCE  STILL</>\n"
        "a      qwen2.5-coder:32b  -            9.3 s      -\n"
        "b      qwen2.5-coder:32b  innkeep ask  7.3 s  ~28 s" in text
    )
    assert "awake    2 answers" in text
    assert "<yellow>warning: the old plist is still loaded</>" in text


def test_an_empty_memory_is_told():
    assert "no model is in memory" in render.status_text(a_status(resident=[]), 0.0)


@pytest.mark.parametrize(
    ("pressure", "word"),
    [("warning", "<yellow>short of memory</>"), ("critical", "<red>critically short of memory</>")],
)
def test_memory_pressure_is_told_in_words_and_colour(pressure, word):
    memory = wire.MemoryState(36 * GIB, 27 * GIB, 0, pressure, "vm_stat")
    assert f"memory   {word}: 0.0 GiB" in render.status_text(a_status(memory=memory), 0.0, bracketed)


def test_a_pinned_model_does_not_leave():
    resident = wire.Resident(QWEN, "heavy", GIB, None, 0, pinned=True, owned=True, since=0.0, expires=10.0)
    assert "idle, pinned  -" in render.status_text(a_status(resident=[resident]), 0.0)


def test_models_are_a_table_with_fit_and_reason():
    models = wire.Models(
        id=0,
        models=[
            wire.ModelState(
                QWEN, 19_851_336_256, 32_763_876_352, "Q4_K_M", ["coding"], "heavy", 21 * GIB, "resident", "in memory"
            ),
            wire.ModelState(
                "llama3.3:latest", 0, 0, "", [], "heavy", 0, "missing", "not pulled: `ollama pull llama3.3`"
            ),
        ],
        selected=QWEN,
    )
    assert render.models_text(models, cells=80).splitlines() == [
        "MODEL                ROLES   WEIGHT      SIZE    MEMORY  FIT",
        "* qwen2.5-coder:32b  coding  heavy   18.5 GiB  21.0 GiB  in memory",
        "  llama3.3:latest    -       -              -         -  not pulled",
        "",
        "routing  all chats to qwen2.5-coder:32b (`innkeep models set auto` ends it)",
    ]
    assert "not pulled: `ollama pull llama3.3`" in render.models_text(models, long=True)


def test_no_models_says_how_to_get_one():
    assert "innkeep init" in render.models_text(wire.Models(id=0, models=[]))


@pytest.mark.parametrize(
    ("model", "role", "text"),
    [
        (QWEN, None, f"all chats that name no model go to {QWEN}"),
        (None, None, "routing: automatic"),
        (QWEN, "coding", f"coding: {QWEN} first"),
        (None, "coding", "coding: as configured"),
    ],
)
def test_a_selection_is_told(model, role, text):
    assert text == render.selected_text(wire.Selected(id=0, model=model, role=role))


def test_a_route_tells_who_why_and_who_is_next():
    route = wire.RouteReply(
        id=0, role="coding", confidence=0.9, model=QWEN, candidates=[QWEN, DEEPSEEK], reason="the word 코드"
    )
    assert render.route_text(route) == f"{QWEN} as coding (confidence 0.90)\nbecause the word 코드\nthen {DEEPSEEK}"


def test_a_route_tells_words_options_and_the_price():
    route = wire.RouteReply(
        id=0,
        role="coding",
        confidence=0.9,
        model=QWEN,
        candidates=[QWEN, "llama3.3:latest"],
        reason="code",
        words=["python"],
        shares={"coding": 0.9, "general": 0.1},
        options=[
            wire.RouteOption(QWEN, "after_eviction", "fits when it leaves"),
            wire.RouteOption("llama3.3:latest", "never", "too big"),
        ],
        leaves=[DEEPSEEK],
        expected=21.0,
    )
    told = render.route_text(route, verbose=True).splitlines()[2:]
    assert told == [
        "never fits: llama3.3:latest",
        f"would unload {DEEPSEEK} first",
        "in memory in ~21 s",
        "roles: coding 0.90, general 0.10",
        "words: python",
        f"{QWEN}: after eviction, fits when it leaves",
        "llama3.3:latest: never fits, too big",
    ]
    assert render.route_text(route).splitlines()[2:] == told[:3]


def test_a_failed_attempt_names_the_model_that_answers_instead():
    failed = wire.Failed(QWEN, "load_failed", "no room")
    started = wire.Started(id=0, model=DEEPSEEK, attempt=2, after=failed)
    assert render.failed_over_line(started) == f"{QWEN} failed (load_failed: no room); {DEEPSEEK} answers"
    assert render.failed_over_line(wire.Started(id=0, model=QWEN, attempt=1)) == ""
    again = wire.Started(id=0, model=QWEN, attempt=2, after=wire.Failed(QWEN, "backend_unreachable", "refused"))
    assert render.failed_over_line(again) == ""


def test_the_end_of_an_answer_tells_what_it_took():
    done = wire.Done(
        id=0,
        model=QWEN,
        role="coding",
        finish_reason="stop",
        usage=wire.Usage(20, 412),
        timings=wire.Timings(queued=12.0, total=51.0, tokens_per_second=11.24),
        attempts=[],
    )
    assert render.done_line(done) == f"{QWEN}, coding; 412 tokens, 11.2/s; 51 s: waited 12 s"


def test_an_event_is_one_line():
    event = wire.Event(
        id=0, kind="memory", at=86400.0, what="reading", data={"free": 1.25, "who": ["a", "b"], "none": []}
    )
    assert render.event_line(event).endswith("  memory     reading  free=1.2  who=a,b")


def test_a_finished_request_is_a_short_event_though_its_record_is_long():
    data = to_builtins(a_record(evicted=["deepseek-r1:32b"]))
    event = wire.Event(id=0, kind="request", at=86400.0, what="answered", data=data)
    assert render.event_line(event).partition("answered")[2] == (
        "  id=3f9a01  priority=interactive  client=innkeep  role=coding  model=qwen2.5-coder:32b  outcome=answered"
        "  evicted=deepseek-r1:32b  prompt_tokens=20  completion_tokens=3"
    )
