from innkeep.wire import DecisionRecord, Timings
from innkeepd.store.usage import swaps_in_order_of_arrival, swaps_of, usage

Q, D, L = "qwen:32b", "deepseek:32b", "llama:8b"
TIMELINE = [
    [1.0, "loading", Q, None, None],
    [2.0, "loaded", Q, 11.0, None, 20],
    [3.0, "unloading", Q, None, "eviction"],
    [4.0, "unloaded", Q, 1.0, None],
    [5.0, "loaded", D, 12.0, None],
    [6.0, "unloading", D, None, "idle"],
    [7.0, "unloaded", D, 1.0, None],
    [8.0, "loaded", Q, 11.0, None],
    [9.0, "unloading", Q, None, "eviction"],
    [9.1, "unloading", L, None, "eviction"],
    [9.5, "unloaded", L, 0.5, None],
    [9.9, "unloaded", Q, 1.0, None],
    [10.0, "load failed", D, 2.0, "load_failed"],
]


def is_heavy(name):
    return name.endswith("32b")


def a_record(at, model, **changes):
    return DecisionRecord(**({"asked_at": at, "model": model, "role": "coding", "outcome": "answered"} | changes))


def test_only_an_unload_for_another_model_is_a_swap_and_it_costs_both_ways():
    assert swaps_of(TIMELINE) == [(D, 13.0), (D, 3.5)]


def test_the_order_of_arrival_swaps_at_each_other_large_model():
    records = [
        a_record(3.0, Q),
        a_record(1.0, Q),
        a_record(2.0, D),
        a_record(2.5, L),
        a_record(4.0, D, outcome="failed"),
    ]
    assert swaps_in_order_of_arrival(records, is_heavy) == 2
    assert swaps_in_order_of_arrival([], is_heavy) == 0


def test_a_week_sums_by_role_and_model_and_says_what_turns_saved():
    timings = Timings(queued=4.0, swap=3.0)
    records = [a_record(float(at), (Q, D)[at % 2], timings=timings, completion_tokens=10) for at in range(6)]
    records.append(a_record(9.0, None, role=None, kind="load", outcome="failed"))
    found = usage(records, TIMELINE[:5], is_heavy, 0.0)
    assert (found.requests, found.swaps, found.swap_seconds) == (7, 1, 13.0)
    assert (found.arrival_swaps, found.saved_swaps, found.saved_seconds) == (5, 4, 52.0)
    rows = {(row.role, row.model): row for row in found.rows}
    assert rows["coding", Q].requests == 3
    assert rows["coding", Q].waited_seconds == 12.0
    assert rows["coding", Q].swap_seconds == 9.0
    assert rows["coding", Q].tokens == 30
    assert rows["load", "-"].failed == 1
    assert (rows["", D].swaps, rows["", D].swap_seconds) == (1, 13.0)


def test_of_nothing_the_sums_are_zero():
    found = usage([], [], is_heavy, 5.0)
    assert (found.requests, found.swaps, found.saved_swaps, found.rows) == (0, 0, 0, [])
