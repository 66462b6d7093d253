import json

import json5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeepd.clients.documents import MISSING, Match, NotEditable, value_at
from innkeepd.clients.jsonc import JsonDocument
from innkeepd.clients.round_trip import PlainDocument

PERSONS = """{
  // mine
  "env": { "A": "1" }, // keep
  "list": [
    { "id": "x" }, // x
  ],
  plain: 'single', /* unquoted */
  "last": 1 // last
}
"""
AUTO = ("list", Match("id", "auto"))


def test_only_what_is_set_changes_and_taking_it_away_gives_the_same_text():
    document = JsonDocument(PERSONS)
    document.set(("env", "B"), "2")
    document.set((*AUTO, "n"), 5)
    document.set(("new", "deep"), {"k": [1]})
    assert document.content()["list"] == [{"id": "x"}, {"id": "auto", "n": 5}]
    for kept in ("// mine", "// keep", "// x", "plain: 'single', /* unquoted */", "// last"):
        assert kept in document.text()
    for path in (("env", "B"), AUTO, ("new",)):
        document.delete(path)
    assert document.text() == PERSONS


def test_a_comment_stays_with_the_value_before_it():
    document = JsonDocument('{\n  "a": 1 // one\n}')
    document.set(("b",), 2)
    assert document.text() == '{\n  "a": 1, // one\n  "b": 2\n}'


def test_a_comma_behind_the_last_item_is_kept():
    document = JsonDocument('[\n  "a=1", // one\n]')
    document.set((Match("", "b="),), "b=2")
    assert document.text() == '[\n  "a=1", // one\n  "b=2",\n]'


def test_the_files_own_indentation_is_used():
    document = JsonDocument('{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n')
    document.set(("a", "c", "d"), 1)
    assert document.text() == '{\n\t"a": {\n\t\t"b": 1,\n\t\t"c": {\n\t\t\t"d": 1\n\t\t}\n\t}\n}\n'


@pytest.mark.parametrize("text", ["", "  \n", "// a note\n", "{}", "{ // note\n}", "\ufeff{}"])
def test_an_empty_file_or_mapping_takes_a_value(text):
    document = JsonDocument(text)
    document.set(("a", "b"), 1)
    assert document.content() == {"a": {"b": 1}}
    assert ("note" in text) == ("note" in document.text())


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2}'),
        ('{"b": 2, "a": 1}', '{"b": 2}'),
        ('{"a": 1}', "{}"),
        ('{"b": 2, /* x */ "a": 1,}', '{"b": 2, /* x */ }'),
        ('{\n  "b": 2, // two\n  "a": 1\n}', '{\n  "b": 2 // two\n}'),
    ],
)
def test_a_member_goes_with_its_comma(text, after):
    document = JsonDocument(text)
    document.delete(("a",))
    document.delete(("never", "there"))
    assert json5.loads(document.text()) == json5.loads(after)
    assert document.text().replace(" ", "") == after.replace(" ", "")


def test_of_a_key_that_stands_twice_the_last_one_counts():
    document = JsonDocument('{"a": 1, "a": 2}')
    document.set(("a",), 3)
    assert document.text() == '{"a": 1, "a": 3}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n "a": 1\n "b": 2}', "f: not JSON: line 3: expected , or }"),
        ('{"a" 1}', "f: not JSON: line 1: expected :"),
        ("{", "f: not JSON: line 1: expected a key"),
        ("[1] 2", "f: not JSON: line 1: expected the end of the file"),
        ('{"a": }', "f: not JSON: line 1: expected a value"),
        ("[" * 300, "f: not JSON: line 1: nested too deeply"),
        ("{a: nope}", "f: not JSON: line 1"),
        ("[1", "f: not JSON: line 1: expected , or ]"),
    ],
)
def test_a_text_that_is_no_json_is_refused_with_its_line(text, words):
    with pytest.raises(NotEditable) as refused:
        JsonDocument(text, "f")
    assert str(refused.value).startswith(words)


def test_another_shape_than_expected_is_refused():
    document = JsonDocument('{"a": "text", "b": {}}', "f")
    with pytest.raises(NotEditable, match=r"f: expected an object \{\.\.\.\} around a.b; mend that first"):
        document.set(("a", "b"), 1)
    with pytest.raises(NotEditable, match="expected a list"):
        document.set(("b", Match("id", "x"), "y"), 1)
    assert document.text() == '{"a": "text", "b": {}}'


KEYS = st.sampled_from(["a", "b", "env", "key with space", 'quo"te', "한글", "//no", "{"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
COMMENT = "/* a } comment, */"


@st.composite
def laid_out(draw, value):
    """A JSON5 text of ``value`` with comments, line ends and commas that somebody may have written."""
    blank = draw(st.sampled_from(["", " ", "\n  ", f" {COMMENT} ", "\n  // note ]\n  "]))
    if isinstance(value, dict) and value:
        members = [f"{json.dumps(key)}{blank}: {draw(laid_out(one))}" for key, one in value.items()]
    elif isinstance(value, list) and value:
        members = [draw(laid_out(one)) for one in value]
    else:
        return json.dumps(value, ensure_ascii=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return opening + blank + f",{blank}".join(members) + blank + draw(st.sampled_from(["", ","])) + blank + closing


PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)


@settings(deadline=None)
@given(st.data(), st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.tuples(PATHS, VALUES), max_size=4))
def test_any_edits_read_back_as_the_same_edits_of_the_plain_value(data, content, edits):
    text = data.draw(laid_out(content))
    document, expected = JsonDocument(text), PlainDocument(content)
    for path, value in edits:
        if data.draw(st.booleans()):
            _both(document, expected, lambda one, path=path, value=value: one.set(path, value))
        else:
            _both(document, expected, lambda one, path=path: one.delete(path))
        assert json5.loads(document.text()) == expected.content()
        assert value_at(document.content(), path) == value_at(expected.content(), path)
    assert text.count("comment") >= document.text().count("comment")


def _both(document, expected, change):
    """Change both, or neither where the shape forbids it."""
    try:
        change(expected)
    except NotEditable:
        with pytest.raises(NotEditable):
            change(document)
    else:
        change(document)


@settings(deadline=None)
@given(st.text(alphabet="{}[]\",:/*'a1 \n", max_size=40))
def test_no_text_makes_it_fail_otherwise_than_by_refusing(text):
    try:
        document = JsonDocument(text)
        document.set(("a",), 1)
    except NotEditable:
        return
    assert value_at(json5.loads(document.text()), ("a",)) == 1


def test_an_edit_that_would_not_read_back_leaves_the_text(monkeypatch):
    document = JsonDocument('{"a": 1}', "f")
    monkeypatch.setattr(JsonDocument, "_spelled", lambda *_, **__: "2")
    with pytest.raises(NotEditable, match="cannot be changed there without a risk"):
        document.set(("a",), 3)
    assert (document.text(), document.content()) == ('{"a": 1}', {"a": 1})
    assert value_at(document.content(), ("b",)) is MISSING
