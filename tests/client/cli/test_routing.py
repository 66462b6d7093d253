from innkeep import wire
from innkeep.cli.routing import routing_text

COUNTS = {"coding": 2, "reasoning": 0, "general": 1}


def test_a_fit_is_told_with_its_measures():
    found = wire.Routing(
        id=0,
        examples=COUNTS,
        in_use=True,
        changed=True,
        message="fitted",
        before=wire.RoutingMeasure(1, 3, 0.9),
        after=wire.RoutingMeasure(3, 3, 0.41),
    )
    assert routing_text(found).splitlines() == [
        "fitted",
        "held back, before: 1 of 3 right, log-loss 0.900",
        "held back, after:  3 of 3 right, log-loss 0.410",
        "examples kept, as hashed features: 2 coding, 0 reasoning, 1 general",
        "the router is corrected by them",
    ]


def test_without_a_fit_only_what_is_kept_is_told():
    assert "as delivered" in routing_text(wire.Routing(id=0, examples=COUNTS, in_use=False))


def test_a_training_that_changed_nothing_fails_and_a_look_does_not(daemon, innkeep):
    daemon.script[wire.RoutingAsk] = lambda ask: [
        wire.Routing(id=0, examples=COUNTS, in_use=False, message="too few", warning="the disk is slow")
    ]
    refused = innkeep("routing", "train")
    assert refused.status == 1
    assert "too few" in refused.out
    assert "the disk is slow" in refused.err
    assert daemon.last(wire.RoutingAsk).action == "train"
    assert innkeep("routing").status == 0
    assert '"in_use"' in innkeep("routing", "--json").out
