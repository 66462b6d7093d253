import msgspec

from innkeep import wire
from innkeep.cli.top_state import KEPT_REQUESTS, SAMPLE_EVERY, RowKey, TopState
from support.cli_daemon import a_record, a_status


def a_state(**changes):
    state = TopState()
    state.take(a_status(**changes), 1000.0)
    return state


def test_a_request_that_ended_is_put_on_top_once():
    state = a_state()
    state.take_history([a_record(id="old")])
    event = wire.Event(id=0, kind="request", at=1.0, what="answered", data=msgspec.to_builtins(a_record(id="new")))
    state.take(event, 1001.0)
    state.take(event, 1001.0)
    assert [one.id for one in state.requests] == ["new", "old"]


def test_no_more_requests_are_kept_than_can_be_scrolled_to():
    state = a_state()
    for number in range(KEPT_REQUESTS + 50):
        state.add_record(a_record(id=str(number)))
    assert len(state.requests) == KEPT_REQUESTS
    assert state.requests[0].id == str(KEPT_REQUESTS + 49)


def test_memory_is_sampled_at_most_once_in_five_seconds():
    state = a_state()
    for second in range(int(SAMPLE_EVERY) * 4):
        state.sample(1000.0 + second)
    assert len(state.samples) == 4


def test_the_cursor_walks_over_models_queue_and_requests_and_stops_at_the_ends():
    state = a_state(waiting=[wire.Waiter("w1", "m", "batch", 1.0, position=1)])
    state.take_history([a_record(id="r1")])
    walked = []
    for _ in range(6):
        state.move(1)
        walked.append(state.cursor.name)
    assert walked == ["qwen2.5-coder:32b", "llama3.1:8b", "w1", "r1", "r1", "r1"]
    state.move(-10)
    assert state.cursor == RowKey("model", "qwen2.5-coder:32b")


def test_a_key_is_about_the_row_under_the_cursor_or_the_only_one():
    state = a_state()
    assert state.model() is None  # two are in memory, none is chosen
    state.move(1)
    assert state.model() == "qwen2.5-coder:32b"
    state.take(a_status(resident=a_status().resident[1:]), 1001.0)
    assert state.model() == "llama3.1:8b"
    assert state.loading() is None
    state.take(a_status(changing=[wire.Changing("m", "loading", 1.0), wire.Changing("n", "unloading", 1.0)]), 1002.0)
    assert state.loading() == "m"
    assert state.request() is None
    state.take_history([a_record(id="r1"), a_record(id="r2")])
    assert state.request() == "r1"
    state.cursor = RowKey("request", "r2")
    assert state.request() == "r2"


def test_with_nothing_known_there_is_nothing_to_choose():
    state = TopState()
    state.move(1)
    state.sample(5.0)
    assert (state.cursor, state.model(), state.loading(), list(state.samples)) == (None, None, None, [])
