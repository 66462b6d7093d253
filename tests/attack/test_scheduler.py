"""Random lives of the scheduler in a world that lies and fails: nobody ends twice, nobody is forgotten."""

from support.scheduler_run import SchedulerRun, begin, random_event

REQUESTS = 1_000_000


def test_every_request_of_a_million_ends_exactly_once_and_no_two_heavy_models_are_in_memory(attack):
    requests = 0
    for _ in attack.rounds(short=4, long=120):
        life = begin()
        requests += _live(life, attack)
        attack.count("lives")
        if requests >= REQUESTS:
            break
    attack.count("requests, each ended once", requests)
    attack.figure("requests that ended exactly once", f"{requests:,} of {requests:,}")


def _live(life: SchedulerRun, attack) -> int:
    """One life with its end; ``Life`` checks each step, here it is checked that nobody is left."""
    foreign = attack.dice.random() < 0.5
    for _ in range(120):
        random_event(life, attack.dice, foreign=foreign)
    life.settle()
    attack.count("events", len(life.log))
    assert life.waiting == set()
    assert len(life.ended) == life.asked
    return life.asked
