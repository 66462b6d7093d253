"""The words of a journey that do more than stand for themselves."""

from innkeepd.catalog import Candidate
from innkeepd.wish import Failure, Lease


def test_a_lease_names_the_model_as_its_engine_does():
    lease = Lease(Candidate("far/m:1b", "far/m:1b", "far"), None, None, 0.0, 1, None)
    assert lease.model == "m:1b"
    assert Lease(Candidate("m:1b", "w"), None, None, 0.0, 1, None).model == "m:1b"


def test_a_failure_is_its_message_with_a_code_and_room_for_details():
    failure = Failure("never_fits", "too big")
    assert (str(failure), failure.code, failure.detail) == ("too big", "never_fits", {})
    assert Failure("stalled", "x", {"partial": True}).detail == {"partial": True}
