import pytest

from innkeepd.clients.documents import MISSING, Match, dotted, leaves, value_at, wrapped

AUTO = Match("id", "auto")


def test_a_value_is_found_through_mappings_and_items_of_lists():
    content = {"a": {"list": [{"id": "x"}, {"id": "auto", "n": 1}]}, "env": ["A=1", "B=2"]}
    assert value_at(content, ("a", "list", AUTO, "n")) == 1
    assert value_at(content, ("env", Match("", "B="))) == "B=2"
    assert value_at(content, ("a", "list", Match("id", "other"))) is MISSING
    assert value_at(content, ("a", AUTO)) is MISSING
    assert value_at(content, ("env", "A")) is MISSING


def test_the_leaves_of_a_tree_name_items_of_lists_by_their_member():
    tree = {"a": {"b": 1, "list": [{"id": "auto", "n": 2}]}, "set": ["K=v"], "plain": ["x"]}
    found = {dotted(path): value for path, value in leaves(tree, {"a.list": "id", "set": "="})}
    assert found == {"a.b": 1, "a.list[auto].id": "auto", "a.list[auto].n": 2, "set[K=]": "K=v", "plain": ["x"]}


def test_a_file_that_is_a_list_has_leaves_too():
    assert list(leaves([{"id": "auto", "n": 1}], {"": "id"})) == [((AUTO, "id"), "auto"), ((AUTO, "n"), 1)]


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        (("a", "b"), {"a": {"b": 1}}),
        (("a", AUTO, "n"), {"a": [{"id": "auto", "n": 1}]}),
        (("a", Match("", "K=")), {"a": [1]}),
        ((), 1),
    ],
)
def test_what_is_missing_on_the_way_is_made(path, whole):
    assert wrapped(path, 1) == whole


def test_missing_says_what_it_is():
    assert repr(MISSING) == "MISSING"
