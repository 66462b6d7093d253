from innkeepd.policy.scheduling.settings import SchedulerSettings


def test_the_defaults_are_those_of_the_recommended_policy():
    rules = SchedulerSettings()
    assert (rules.turn, rules.batch_turn, rules.gate, rules.session_hold) == (90.0, 600.0, 4, 6.0)
    assert (rules.queue_limit, rules.heavy_limit, rules.idle_unload, rules.hold_wait) == (512, 1, 300.0, 60.0)
    assert rules.order == "turns"
