from innkeep import wire
from innkeep.cli.story import story
from support.cli_daemon import a_record


def test_a_slow_request_is_told_in_the_order_in_which_its_time_went():
    record = a_record(
        waits=["qwen2.5-coder:32b was answering 2 requests"],
        evicted=["qwen2.5-coder:32b"],
        attempts=[wire.AttemptRecord("deepseek-r1:32b", "answered", None, 14.1)],
        timings=wire.Timings(26.9, 12.7, 2.1, 41.0, 12.5),
    )
    assert story(record) == (
        "waited 27 s: qwen2.5-coder:32b was answering 2 requests; qwen2.5-coder:32b was unloaded for it; "
        "13 s of that was the swap; first token 2.1 s later; whole after 41 s"
    )


def test_a_failed_one_names_what_was_tried_and_why_it_ended():
    record = a_record(
        outcome="failed",
        code="stalled",
        message="no token for 60 s",
        waits=[],
        evicted=[],
        attempts=[
            wire.AttemptRecord("a", "passed_over", "never_fits", message="42 GiB of 27 GiB"),
            wire.AttemptRecord("b", "failed", "stalled", 61.0),
        ],
        timings=wire.Timings(0.0, 0.0, None, 61.0),
    )
    assert story(record) == (
        "did not wait; a was passed over: 42 GiB of 27 GiB; b failed after 61 s: stalled; "
        "failed after 61 s: no token for 60 s"
    )


def test_a_record_without_times_has_no_story():
    assert story(a_record(timings=wire.Timings())) == ""


def test_a_swap_tells_who_answered_who_left_and_who_came_each_with_its_time():
    record = a_record(
        waits=[
            "2nd in line; behind 1 agent turn for x; qwen2.5-coder:32b is answering",
            "1st in line; qwen2.5-coder:32b is answering 2",
            "1st in line; qwen2.5-coder:32b is unloading to make room for deepseek-r1:32b",
            "1st in line; deepseek-r1:32b is loading",
        ],
        evicted=["qwen2.5-coder:32b"],
        moves=[wire.Move("qwen2.5-coder:32b", "unloaded", 0.9), wire.Move("deepseek-r1:32b", "loaded", 11.8)],
        timings=wire.Timings(14.2, 12.7, 2.1, 20.0),
    )
    assert story(record) == (
        "waited 14 s: qwen2.5-coder:32b was answering 2 requests, behind 1 agent turn for x; "
        "qwen2.5-coder:32b left in 0.9 s; deepseek-r1:32b loaded in 12 s; first token 2.1 s later; whole after 20 s"
    )


def test_a_wait_in_the_queue_alone_names_no_places():
    record = a_record(waits=["3rd in the queue; m is answering 4"], moves=[], timings=wire.Timings(3.0, 0.0, 0.2, 4.0))
    assert story(record) == "waited 3.0 s: m was answering 4 requests; first token 0.2 s later; whole after 4.0 s"
