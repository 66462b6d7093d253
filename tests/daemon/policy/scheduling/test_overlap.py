from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.scheduling.overlap import ENOUGH, Answer, slots_seen


def served(slots: int, granted: int, many: int, seconds: float = 5.0, prompt: float = 0.5) -> list[Answer]:
    """So many answers of a model with ``slots``, of which ``granted`` requests are under way at any time."""
    free, done = [0.0] * slots, [0.0] * granted
    answers = []
    for number in range(many):
        asked = done[number % granted]
        free.sort()
        first = max(asked, free[0]) + prompt
        ended = first + seconds
        free[0] = done[number % granted] = ended
        answers.append(Answer(asked, first, ended))
    return answers


def test_one_after_the_other_is_one_slot():
    assert slots_seen(served(1, 4, 32)) == 1


def test_two_at_once_are_two_slots():
    assert slots_seen(served(2, 4, 32)) == 2


def test_as_many_as_are_granted_say_nothing_of_a_limit():
    assert slots_seen(served(4, 4, 32)) is None


def test_a_few_answers_are_not_enough():
    assert slots_seen(served(1, 2, ENOUGH - 1)) is None
    assert slots_seen([]) is None


def test_short_answers_say_nothing():
    assert slots_seen(served(1, 2, 32, seconds=0.3, prompt=0.05)) is None


def test_as_many_written_at_once_as_were_ever_granted_is_no_limit():
    one_at_a_time = served(1, 2, 32)
    later = one_at_a_time[-1].ended + 100.0
    both_at_once = [Answer(later, later + 0.5, later + 5.0), Answer(later, later + 0.5, later + 5.0)]
    assert slots_seen([*one_at_a_time, *both_at_once]) is None


@given(st.integers(1, 5), st.integers(1, 6), st.floats(0.1, 20.0), st.floats(0.0, 10.0))
def test_never_fewer_than_there_are(slots, granted, seconds, prompt):
    seen = slots_seen(served(slots, granted, 32, seconds, prompt))
    assert seen is None or seen >= min(slots, granted)
