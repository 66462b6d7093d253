import msgspec

from innkeep import wire
from innkeep.cli.record import explain_text, history_text
from support.cli_daemon import a_record


def test_history_is_a_table_of_requests():
    lines = history_text(
        [a_record(), a_record(id="77", outcome="failed", code="queue_full", model=None, timings=wire.Timings())]
    ).splitlines()
    assert lines[0].split() == ["ID", "ASKED", "CLIENT", "ROLE", "MODEL", "WAITED", "TOTAL", "TOKENS", "OUTCOME"]
    assert lines[1].split()[-8:] == ["coding", "qwen2.5-coder:32b", "12", "s", "14", "s", "3", "answered"]
    assert lines[2].split()[-8:] == ["coding", "-", "0.0", "s", "0.0", "s", "3", "queue_full"]


def test_an_empty_history_says_so():
    assert history_text([]) == "no request has been answered yet"


def test_an_explanation_tells_everything_in_the_order_in_which_it_happened():
    record = a_record(
        session="build",
        last=True,
        waits=["deepseek-r1:32b answers", "in line", "in line"],
        evicted=["deepseek-r1:32b"],
        outcome="failed",
        code="stalled",
        message="no token for 60 s",
        attempts=[
            wire.AttemptRecord("a", "passed_over", "never_fits", message="42 GiB of 27 GiB"),
            wire.AttemptRecord("b", "failed", "stalled", 61.0),
        ],
        warnings=["reloaded"],
        door="/api/chat",
        feedback="general",
    )
    lines = explain_text(record).splitlines()
    assert lines[0] == "request 3f9a01"
    assert lines[1].startswith("waited 12 s: deepseek-r1:32b answers, in line; ")
    assert lines[2].endswith(", interactive, by innkeep, via /api/chat, session build (last turn)")
    assert [line[14:] for line in lines[3:]] == [
        "coding (confidence 0.90): the word code",
        "qwen2.5-coder:32b, deepseek-r1:32b",
        "12 s; deepseek-r1:32b answers; in line",
        "deepseek-r1:32b",
        "a passed_over, never_fits: 42 GiB of 27 GiB",
        "b failed, stalled, 61 s",
        "failed, stalled: no token for 60 s",
        "20 in the prompt, 3 in the answer",
        "12 s in line, 11 s of that for a swap, 0.5 s to the first token, 14 s in all, 11.2 tokens/s",
        "reloaded",
        "should have been general",
    ]


def test_a_record_of_an_older_version_lacks_fields():
    stored = b'{"id": "1", "class": "agent", "waits": [], "budget": {"heavy": 1}}'
    old = msgspec.json.decode(stored, type=wire.DecisionRecord)
    assert explain_text(old).splitlines()[:2] == ["request 1", "asked         -, interactive"]
    assert history_text([old]).splitlines()[1].split()[:4] == ["1", "-", "-", "-"]


def test_what_a_client_calls_itself_moves_no_cursor():
    record = a_record(client="\x1b[2Jevil\nforged line", evicted=["\x9b31m"])
    for text in (explain_text(record), history_text([record])):
        assert "\x1b" not in text
        assert "\x9b" not in text
    assert explain_text(record).count("\n") == explain_text(a_record(evicted=["a"])).count("\n")
