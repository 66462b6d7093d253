import msgspec
import pytest

from innkeepd.policy.scheduling import events as ev

SPEC = ev.Spec("w", "name", ((4096, 20), (8192, 22), (32768, 30)), context=8192)


@pytest.mark.parametrize(("context", "size"), [(0, 20), (4096, 20), (4097, 22), (32768, 30), (99999, 30)])
def test_a_footprint_is_that_of_the_smallest_known_context_that_holds_it(context, size):
    assert SPEC.bytes_at(context) == size


@pytest.mark.parametrize(("need", "context"), [(0, 8192), (8192, 8192), (8193, 32768), (99999, 99999)])
def test_a_load_takes_the_own_context_or_the_smallest_known_step_that_does(need, context):
    assert SPEC.context_for(need) == context


def test_a_log_of_events_survives_json():
    events: list[ev.Event] = [
        ev.Known((SPEC,)),
        ev.Measured(27, None, "warning"),
        ev.Asked(ev.Ticket("t", ("w",), session="s", last=False, patience=5.0)),
        ev.Observed(1.0, (ev.Seen("w", 20),)),
        ev.LoadEnded(1, "load_failed", "text"),
        ev.HoldBegan(9.0),
        ev.Woke(),
    ]
    assert msgspec.json.decode(msgspec.json.encode(events), type=list[ev.Event]) == events
