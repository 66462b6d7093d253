import pytest

from innkeep.wire import DecisionRecord
from innkeepd.policy.memory.estimate import Estimates
from innkeepd.store.records import MemoryHistory
from innkeepd.store.settings import State


@pytest.fixture
def anyio_backend():
    return "asyncio"


def test_selection_pins_and_estimates_are_as_they_were_put():
    records = MemoryHistory()
    state = State(records)
    assert state.selection() == (None, {})
    assert (state.pins(), state.learned(), state.warnings()) == (set(), {}, [])
    state.put_selection("a:1b", {"coding": "b:1b"})
    state.put_pins({"b", "a"})
    state.put_learned({"a": 1})
    again = State(records)
    assert again.selection() == ("a:1b", {"coding": "b:1b"})
    assert (again.pins(), again.learned()) == ({"a", "b"}, {"a": 1})


def test_a_degraded_history_is_a_warning():
    records = MemoryHistory()
    records.degraded = "the disk is full"
    assert State(records).warnings() == ["the disk is full"]


@pytest.mark.anyio
async def test_records_are_found_with_what_was_said_of_them():
    state = State(MemoryHistory())
    for name in ("aa1", "aa2", "bb1"):
        state._records.record(DecisionRecord(id=name))
    state.put_feedback("aa2", "coding")
    assert await state.recent(2) == [DecisionRecord(id="bb1"), DecisionRecord(id="aa2", feedback="coding")]
    assert [record.id for record in await state.find("aa")] == ["aa2", "aa1"]
    assert await state.find("last") == [DecisionRecord(id="bb1")]


def test_only_the_newest_thousand_words_of_feedback_are_kept():
    state = State(MemoryHistory())
    for number in range(1002):
        state.put_feedback(str(number), "general")
    kept = state._records.get("feedback")
    assert (len(kept), "0" in kept, "1001" in kept) == (1000, False, True)


def test_a_configuration_that_could_not_be_read_again_is_a_warning_until_it_could():
    state = State(MemoryHistory())
    state.note("the configuration stays as it was: config.toml: foo: unknown key")
    assert state.warnings() == ["the configuration stays as it was: config.toml: foo: unknown key"]
    state.note(None)
    assert state.warnings() == []


@pytest.mark.parametrize("kept", ["x", 7, ["a"], {"model": 3}, {"roles": ["a"]}, [[]], {"a": {"load": 1}}])
def test_a_fact_of_another_shape_is_as_good_as_none(kept):
    records = MemoryHistory()
    for name in ("selection", "pins", "feedback", "learned"):
        records.put(name, kept)
    state = State(records)
    assert state.selection() == (None, {})
    assert state.pins() in (set(), {"a"})
    assert Estimates.from_dict(state.learned()).to_dict() == {}
    state.put_feedback("a1", "coding")
    assert records.get("feedback") == {"a1": "coding"}
