from innkeep.cli.record import explain_text, history_text
from support.cli_daemon import a_record


def test_history_is_a_table_of_requests():
    lines = history_text(
        [a_record(), a_record(id="77", outcome="failed", code="queue_full", model=None, timings={})]
    ).splitlines()
    assert lines[0].split() == ["ID", "ASKED", "CLASS", "ROLE", "MODEL", "WAITED", "TOTAL", "TOKENS", "OUTCOME"]
    assert lines[1].split()[-8:] == ["coding", "qwen2.5-coder:32b", "12", "s", "14", "s", "3", "answered"]
    assert lines[2].split()[-6:] == ["coding", "-", "-", "-", "3", "queue_full"]


def test_an_empty_history_says_so():
    assert history_text([]) == "no request has been answered yet"


def test_an_explanation_tells_everything_in_the_order_in_which_it_happened():
    record = a_record(
        session="build",
        last=True,
        waits=[{"reason": "deepseek-r1:32b answers"}, "in line", "in line"],
        evicted=["deepseek-r1:32b"],
        outcome="failed",
        code="stalled",
        message="no token for 60 s",
        attempts=[
            {"model": "a", "outcome": "passed_over", "code": "never_fits", "message": "42 GiB of 27 GiB"},
            {"model": "b", "outcome": "failed", "code": "stalled", "seconds": 61.0},
        ],
        budget={"heavy": 1.5, "names": ["x", "y"]},
        nothing=None,
    )
    lines = explain_text(record).splitlines()
    assert lines[0] == "request 3f9a01"
    assert lines[1].endswith(", interactive, by innkeep, session build (last turn)")
    assert [line[14:] for line in lines[2:]] == [
        "coding (confidence 0.90): the word code",
        "qwen2.5-coder:32b, deepseek-r1:32b",
        "12 s; deepseek-r1:32b answers; in line",
        "deepseek-r1:32b",
        "a passed_over, never_fits: 42 GiB of 27 GiB",
        "b failed, stalled, 61 s",
        "failed, stalled: no token for 60 s",
        "20 in the prompt, 3 in the answer",
        "12 s in line, 11 s of that for a swap, 0.5 s to the first token, 14 s in all, 11.2 tokens/s",
        "heavy 1.50, names x, y",
    ]


def test_a_record_without_fields_is_no_accident():
    assert explain_text({"id": "1"}).splitlines() == ["request 1", "asked         -"]


def test_what_a_client_calls_itself_moves_no_cursor():
    record = a_record() | {"client": "\x1b[2Jevil\nforged line", "more": {"a": ["\x9b31m"]}}
    for text in (explain_text(record), history_text([record])):
        assert "\x1b" not in text
        assert "\x9b" not in text
    assert explain_text(record).count("\n") == explain_text(a_record() | {"more": 1}).count("\n")
