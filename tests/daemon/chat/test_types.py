"""The words of a journey that do more than stand for themselves."""

from innkeepd.chat.types import Assignment, RequestFailed
from innkeepd.residency.catalog import Candidate


def test_a_lease_names_the_model_as_its_engine_does():
    lease = Assignment(Candidate("far/m:1b", "far/m:1b", "far"), None, None, 0.0, 1, None)
    assert lease.model == "m:1b"
    assert Assignment(Candidate("m:1b", "w"), None, None, 0.0, 1, None).model == "m:1b"


def test_a_failure_is_its_message_with_a_code_and_room_for_details():
    failure = RequestFailed("never_fits", "too big")
    assert (str(failure), failure.code, failure.detail) == ("too big", "never_fits", {})
    assert RequestFailed("stalled", "x", {"partial": True}).detail == {"partial": True}
