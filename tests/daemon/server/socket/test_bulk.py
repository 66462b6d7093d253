import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeepd.server.socket import bulk
from innkeepd.server.socket.bulk import FREE, MOST, MOST_CONTAINERS, is_bulky

ENCODE = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
FORMS = sorted(ENCODE)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ([[]] * (MOST_CONTAINERS + 5), True),
        ([{}] * (MOST_CONTAINERS + 5), True),
        ([[1]] * (MOST_CONTAINERS - 5), False),
        ([1] * (MOST + 5), True),
        ([1.5] * (MOST - 5), False),
        (["ab"] * (MOST + 5), True),
        ({"messages": [{"role": "user", "content": '[{,"\\' * 200_000}]}, False),
        ({"images": ["a" * 1_000_000] * 4}, False),
        ([b"x" * 100_000, 1, -1, 2**63, -(2**63), 1.5, None, True, "a" * 70_000, "b" * 300, "c" * 40], False),
    ],
)
def test_values_are_counted_and_long_texts_are_none(form, what, expected):
    assert is_bulky(ENCODE[form](what), form) is expected


@pytest.mark.parametrize("form", FORMS)
def test_a_small_message_needs_no_look(form):
    assert not is_bulky(ENCODE[form]([[]] * 1000), form)
    assert not is_bulky(b"[" * FREE, form)


@given(st.lists(st.text(alphabet='a"\\[,{', max_size=9), max_size=9), st.integers(1, 9))
def test_however_strings_are_cut_only_what_is_outside_of_them_counts(texts, size):
    before = bulk._SLICE, bulk.MOST, bulk.MOST_CONTAINERS
    try:
        bulk._SLICE, bulk.MOST_CONTAINERS = size, 10**6
        for most in (len(texts), len(texts) - 1):
            bulk.MOST = most
            body = json.dumps(texts).encode()
            assert bulk._json(body) is (max(len(texts) - 1, 0) + 1 > most)
    finally:
        bulk._SLICE, bulk.MOST, bulk.MOST_CONTAINERS = before


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=40) | st.binary(),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner, max_size=20),
    max_leaves=20,
))  # fmt: skip
def test_a_walk_through_msgpack_meets_each_value_once(value):
    def count(what):
        if isinstance(what, list):
            return 1 + sum(map(count, what))
        return 1 + sum(1 + count(each) for each in what.values()) if isinstance(what, dict) else 1

    body = ENCODE["msgpack"](value)
    before = bulk.MOST
    try:
        bulk.MOST = count(value)
        assert not bulk._msgpack(body)
        bulk.MOST -= 1
        assert bulk._msgpack(body)
    finally:
        bulk.MOST = before
