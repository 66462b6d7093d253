from innkeepd.policy.scheduling.events import Ticket
from innkeepd.policy.scheduling.lease import Lease, Leases


def lease(name: str, weights: str) -> Lease:
    return Lease(Ticket(name, (weights,)), weights, 0.0)


def test_a_lease_counts_from_its_grant_to_its_release():
    leases = Leases()
    first, second = lease("1", "a"), lease("2", "a")
    leases.grant(first)
    leases.grant(second)
    assert (leases.count("a"), leases.of("a"), leases.all()) == (2, [first, second], [first, second])
    assert "1" in leases
    assert leases.serves("a", "interactive")
    assert not leases.serves("a", "batch")
    assert leases.release("1") is first
    assert leases.release("1") is None
    assert (leases.count("a"), leases.count("b"), leases.of("b")) == (1, 0, [])
    assert repr(leases) == "Leases({'a': 1})"
    leases.release("2")
    assert not leases.serves("a", "interactive")


def test_a_twin_shares_nothing_that_changes():
    leases = Leases()
    leases.grant(lease("1", "a"))
    twin = leases.twin()
    twin.release("1")
    assert (leases.count("a"), twin.count("a"), "1" in twin) == (1, 0, False)
