import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeep.wire import DecisionRecord, Timings
from innkeepd.store.filters import RecordFilter
from innkeepd.store.records import History, MemoryHistory

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def a_record(number, **changes):
    return DecisionRecord(
        **{
            "id": f"r{number:04}",
            "asked_at": 1000.0 + number,
            "role": "coding" if number % 2 else "general",
            "model": "a:latest" if number % 3 else "b:7b",
            "outcome": "failed" if number % 5 == 0 else "answered",
            "code": "stalled" if number % 5 == 0 else None,
            "timings": Timings(total=float(number)),
        }
        | changes
    )


FILTERS = st.builds(
    RecordFilter,
    since=st.none() | st.floats(900.0, 1100.0),
    model=st.none() | st.sampled_from(["a", "a:latest", "b:7b", "nope"]),
    role=st.none() | st.sampled_from(["coding", "general"]),
    outcome=st.none() | st.sampled_from(["answered", "failed", "stalled"]),
    slower=st.none() | st.floats(0.0, 60.0),
)


@given(FILTERS)
def test_a_record_passes_exactly_where_each_condition_holds(wanted):
    for number in range(60):
        record = a_record(number)
        passes = [
            wanted.since is None or record.asked_at >= wanted.since,
            wanted.model is None or wanted.model in (record.model, record.model.removesuffix(":latest")),
            wanted.role is None or wanted.role == record.role,
            wanted.outcome is None or wanted.outcome in (record.outcome, record.code),
            wanted.slower is None or record.timings.total >= wanted.slower,
        ]
        assert wanted.takes(record) == all(passes)


def test_only_a_filter_without_conditions_is_empty():
    assert RecordFilter().is_empty
    assert not RecordFilter(slower=0.0).is_empty


@pytest.mark.parametrize(
    "wanted", [RecordFilter(), RecordFilter(since=1900.0), RecordFilter(outcome="stalled", slower=200.0)]
)
async def test_the_disk_and_memory_select_the_same_beyond_the_newest_thousand(tmp_path, wanted):
    history, memory = History.open(tmp_path / "state.sqlite3"), MemoryHistory(limit=10_000)
    for number in range(1500):
        for one in (history, memory):
            one.record(a_record(number))
    assert await history.written()
    found = [record.id for record in await history.select(wanted, 1200)]
    assert found == [record.id for record in await memory.select(wanted, 1200)]
    assert len(found) == min(1200, sum(wanted.takes(a_record(number)) for number in range(1500)))
    history.close()


async def test_without_a_disk_a_history_selects_from_memory(tmp_path):
    folder = tmp_path / "file"
    folder.write_text("no folder")
    history = History.open(folder / "state.sqlite3")
    history.record(a_record(1))
    assert [record.id for record in await history.select(RecordFilter(role="coding"), 5)] == ["r0001"]
    history.close()
