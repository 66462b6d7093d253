import math

import msgspec
import pytest

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.decoding import MOST, Undecodable, count, decode, decode_lines, mean_count

ANYTHING = msgspec.json.Decoder()
NUMBERS = msgspec.json.Decoder(dict[str, int])
DEEP = b"[" * 5000 + b"]" * 5000
GARBAGE = {
    "no JSON": b"<html>oops</html>",
    "invalid UTF-8": b'{"a":"\xff\xfe"}',
    "nested 5,000 deep": b'{"a":' + DEEP + b"}",
    "a number of 5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "another type": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_every_kind_of_garbage_is_one_fault_of_the_engine(data):
    with pytest.raises(BackendFault) as one:
        decode(data, NUMBERS)
    with pytest.raises(BackendFault) as lines:
        decode_lines(data or b"{", NUMBERS)
    assert {one.value.code, lines.value.code} == {"backend_error"}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_told_in_a_few_words_that_do_not_quote_it(data):
    with pytest.raises(Undecodable) as reported:
        decode(data, NUMBERS)
    assert 0 < len(reported.value.message) < 100
    assert not any(part in reported.value.message for part in ("xff", "99999", "oops"))


def test_what_is_right_is_decoded():
    assert decode(b'{"a":1}', ANYTHING) == {"a": 1}
    assert decode_lines(b'{"a":1}\n{"a":2}\n', ANYTHING) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("value", [1e308, -1e308, math.inf, math.nan, -4, MOST, 10**400, "8", None, [1], {}])
def test_a_count_that_cannot_be_true_is_zero(value):
    assert count(value) == 0


@pytest.mark.parametrize(
    ("value", "number"),
    [(8, 8), (8.9, 8), ([8, 3], 6), ([8, 1e308], 0), ([8, "x"], 0), ([], 0), ([-8], 0), (MOST - 1, MOST - 1)],
)
def test_counts_are_read_and_lists_by_their_mean(value, number):
    assert mean_count(value) == number
