from innkeepd.chat.types import Assignment
from innkeepd.residency.catalog import Candidate


def test_a_lease_names_the_model_as_its_engine_does():
    lease = Assignment(Candidate("far/m:1b", "far/m:1b", "far"), None, None, 0.0, 1, None)
    assert lease.model == "m:1b"
    assert Assignment(Candidate("m:1b", "w"), None, None, 0.0, 1, None).model == "m:1b"
