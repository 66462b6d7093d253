from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.player import Player
from support.scheduler_run import begin


def test_what_is_due_comes_by_instant_then_order_then_first_pushed():
    player = Player(begin().scheduler, 0.0, load_s=lambda _weights: None, unload_s=lambda _weights: None)
    player.push(2.0, "later")
    player.push(1.0, "second", 1)
    player.push(1.0, "third", 1)
    player.push(1.0, "first")
    player.push(None, "never")
    assert [player.pop() for _ in range(4)] == ["first", "second", "third", "later"]
    assert player.next_at is None
    assert repr(player) == "<Player at 0 s, 0 to come>"


def test_a_load_ends_in_its_time_or_never():
    for seconds, ends in ((4.0, 4.0), (None, None)):
        player = Player(begin().scheduler, 0.0, load_s={"l": seconds}.get, unload_s={}.get)
        actions = player.step(ev.Asked(ev.Ticket("t", ("l",))))
        assert [type(action) for action in actions if not isinstance(action, ev.WakeAt)] == [ev.Load]
        assert player.next_at == ends
