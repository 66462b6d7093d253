import pytest

from innkeep import errors
from innkeep.cli import outcome


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ConnectionFailed("nobody answers"), 3),
        (errors.ConnectionLost("it went away"), 4),
        (errors.QueueFull("512 wait"), 4),
        (errors.Stalled("no token for 60 s"), 4),
        (errors.NeverFits("too big"), 1),
        (errors.InternalError("a fault"), 1),
    ],
)
def test_the_status_tells_whether_to_start_the_daemon_try_again_or_give_up(error, status):
    assert status == outcome.exit_status(error)


def test_an_error_is_one_line_with_what_to_do():
    assert (
        outcome.error_line(errors.OnHold("on hold\nuntil 14:00."))
        == "on hold until 14:00; `innkeep resume` ends the hold"
    )


def test_advice_of_the_daemon_is_not_doubled():
    assert (
        outcome.error_line(errors.NeverFits("42 GiB of 27 GiB; take llama3.1:8b"))
        == "42 GiB of 27 GiB; take llama3.1:8b"
    )


def test_a_code_without_advice_says_what_happened():
    assert outcome.error_line(errors.BadRequest("messages is empty")) == "messages is empty"


def test_a_broken_off_answer_is_called_incomplete():
    assert outcome.error_line(errors.Stalled("stalled", {"partial": True})) == "stalled (the text above is incomplete)"


def test_every_advice_belongs_to_a_code():
    assert set(outcome.ADVICE) <= set(errors.CODES) | {"connection_failed", "connection_lost"}


def test_an_error_as_an_object_has_the_shape_of_the_wire():
    assert outcome.error_object(errors.QueueFull("full", {"limit": 512})) == {
        "type": "error",
        "id": None,
        "code": "queue_full",
        "message": "full",
        "retryable": True,
        "detail": {"limit": 512},
    }
