import pytest

from innkeepd.simulator.body import parse


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "missing request body"),
        (None, "missing request body"),
        (b"{bad", "invalid character 'b' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b"[x]", "invalid character 'x' looking for beginning of value"),
        (b'{"a":', "unexpected EOF"),
        (b"[1]", "json: cannot unmarshal list into Go value of type api.ChatRequest"),
        (b"\xff", "invalid character '\\ufffd' looking for beginning of value"),
        (b"[" * 100_000, "exceeded max depth"),
    ],
)
def test_what_is_no_object_is_told_in_gos_words(body, words):
    assert parse(body) == (None, words)


def test_an_object_is_taken_as_it_is():
    assert parse('{"a": "한"}'.encode()) == ({"a": "한"}, None)
