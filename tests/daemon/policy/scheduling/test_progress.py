import pytest

from innkeepd.policy.scheduling import events as ev
from innkeepd.policy.scheduling.progress import _ordinal
from support.scheduler_run import begin


def test_a_waiter_hears_its_place_who_is_ahead_and_what_is_under_way():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    life.ask(chain=("b",))
    life.ask(chain=("b",), priority="batch")
    life.ask(chain=("b",), priority="batch")
    first, last = (life.scheduler.outlook(name, 0) for name in ("t2", "t4"))
    assert first.reason == "1st in line; a:32b is answering"
    ahead = "behind 1 interactive chat for b:32b, 1 batch request for b:32b"
    assert last.reason == f"3rd in line; {ahead}; a:32b is answering"
    assert (last.weights, last.position, last.ahead, last.resident, last.expected) == ("b", 3, 2, ("a",), 20 + 17 + 30)


def test_loads_and_unloads_are_named():
    life = begin()
    life.ask(chain=("a",))
    life.ask(chain=("a",))
    outlook = life.scheduler.outlook("t2", 0)
    assert outlook.reason == "2nd in line; behind 1 interactive chat for a:32b; a:32b is loading"
    assert outlook.resident == ()
    life.load_ended(1)
    life.step(ev.Released("t1"))
    life.step(ev.Released("t2"))
    life.ask(chain=("b",))
    assert life.scheduler.outlook("t3", 0).reason == "1st in line; a:32b is unloading to make room for b:32b"
    life.unload_ended(2)
    life.load_ended(3)
    life.step(ev.Released("t3"))
    life.step(ev.UnloadAsked(("b",)))
    life.ask(chain=("b",))
    assert life.scheduler.outlook("t4", 0).reason == "1st in line; b:32b is unloading"


def test_the_next_turn_of_a_session_is_a_reason():
    life = begin()
    life.ask(chain=("a",), session="s", last=False)
    life.load_ended(1)
    life.step(ev.Released("t1"))
    life.ask(chain=("b",))
    assert life.scheduler.outlook("t2", 0).reason == "1st in line; a:32b is kept for the next turn of a session"


def test_a_model_that_answers_two_and_a_remote_one():
    life = begin()
    for _ in range(3):
        life.ask(chain=("r",))
    assert life.scheduler.outlook("t3", 0).reason == "1st in line; far/r is answering 2"
    life.ask(chain=("b",))
    life.ask(chain=("b",))
    life.load_ended(1)
    life.ask(chain=("b",))
    assert life.scheduler.outlook("t6", 0).reason.endswith("b:32b is answering 2")


def test_a_hold_has_an_end_and_no_expectation():
    life = begin()
    life.step(ev.HoldBegan(500))
    life.ask(chain=("a",))
    outlook = life.scheduler.outlook("t1", 0)
    assert (outlook.until, outlook.expected, outlook.reason) == (500, None, "on hold; 1st in line")


def test_a_model_that_is_free_but_given_to_nobody_needs_no_words():
    life = begin()
    life.ask(chain=("a",))
    life.load_ended(1)
    life.step(ev.UnloadAsked(("a",)))
    life.ask(chain=("a",))
    assert life.scheduler.outlook("t2", 0).reason == "1st in line; a:32b is answering"


def test_places_are_told_as_people_say_them():
    numbers = (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)
    expected = ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th"]
    assert [_ordinal(number) for number in numbers] == expected


def test_the_positions_of_all_are_what_each_is_shown():
    life = begin()
    for number in range(12):
        life.ask(chain=(("a", "b")[number % 2],), priority=("interactive", "agent", "batch")[number % 3])
    names = [waiter.ticket.id for waiter in life.scheduler.queue]
    assert life.scheduler.positions(0) == {name: life.scheduler.outlook(name, 0).position for name in names}
    assert sorted(life.scheduler.positions(0).values()) == list(range(1, len(names) + 1))


def test_nobody_is_shown_the_queue_who_does_not_stand_in_it():
    with pytest.raises(LookupError, match="nobody does not wait"):
        begin().scheduler.outlook("nobody", 0)
