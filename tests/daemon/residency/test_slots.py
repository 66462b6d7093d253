from innkeepd.policy.scheduling.overlap import Answer
from innkeepd.residency.slots import ParallelSlots


def in_turn(slots: ParallelSlots, many: int) -> list[bool]:
    """Two requests are always granted, and the model writes one answer after the other, 5 s each."""
    return [slots.answered("w", Answer(5.0 * number - 5.0, 5.0 * number, 5.0 * number + 5.0)) for number in range(many)]


def test_the_configuration_holds_until_something_is_known():
    slots = ParallelSlots()
    assert (slots.of("w", 4), slots.difference("w", "m", 4)) == (4, "")


def test_what_ollama_says_of_itself_bounds_what_is_granted():
    slots = ParallelSlots()
    assert slots.know(2, server=10)
    assert not slots.know(2, server=10)
    assert (slots.of("w", 4), slots.of("w", 1)) == (2, 1)
    assert "m has parallel = 4, but Ollama answers 2 at once (OLLAMA_NUM_PARALLEL is 2)" in slots.difference(
        "w", "m", 4
    )
    assert 'set parallel = 2 under [models."m"]' in slots.difference("w", "m", 1)
    assert slots.difference("w", "m", 2) == ""
    assert in_turn(slots, 20) == [False] * 20, "what is known needs no learning"
    assert repr(slots) == "<ParallelSlots 2, seen {}>"


def test_answers_that_never_overlap_teach_that_there_is_one_slot_until_another_ollama_runs():
    slots = ParallelSlots()
    assert in_turn(slots, 20).count(True) == 1
    assert slots.of("w", 4) == 1
    assert "(as its answers show): 1 are granted" in slots.difference("w", "m", 4)
    assert slots.of("other", 4) == 4
    assert not slots.know(None, server=11), "its environment cannot be read either"
    assert slots.of("w", 4) == 4


def test_answers_that_began_at_once_teach_nothing():
    slots = ParallelSlots()
    assert not any(slots.answered("w", Answer(float(number), number + 0.1, number + 9.0)) for number in range(40))
