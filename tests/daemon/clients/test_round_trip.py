import pytest
import tomlkit
from ruamel.yaml import YAML

from innkeepd.clients.documents import Match, NotEditable
from innkeepd.clients.round_trip import PlainDocument, TomlDocument, YamlDocument

TOML = """# mine
model = "gpt" # the best
approval_policy = "never"

[mcp_servers.files] # a server
command = "x"
"""

YAML_TEXT = """# mine
name: Local   # a name
models:
  - name: a
    roles: [chat, 'edit']   # r
# end
"""


def test_toml_keeps_comments_and_order_and_is_the_same_after_the_way_back():
    document = TomlDocument(TOML)
    document.set(("model",), "coding")
    document.set(("model_providers", "innkeep", "name"), "innkeep")
    document.set(("model_context_window",), 16384)
    text = document.text()
    assert '[model_providers.innkeep]\nname = "innkeep"' in text
    assert text.index("model_context_window") < text.index("[mcp_servers.files] # a server")
    assert "# mine" in text
    assert tomlkit.parse(text)["model"] == "coding"
    document.set(("model",), "gpt")
    document.delete(("model_context_window",))
    document.delete(("model_providers",))
    assert document.text().rstrip() == TOML.rstrip()


def test_yaml_keeps_comments_and_layout():
    document = YamlDocument(YAML_TEXT)
    document.set(("models", Match("name", "innkeep"), "roles"), ["chat"])
    for kept in ("# mine", "name: Local   # a name", "  - name: a", "[chat, 'edit']   # r", "# end"):
        assert kept in document.text()
    assert document.content()["models"][1] == {"name": "innkeep", "roles": ["chat"]}
    document.delete(("models", Match("name", "innkeep")))
    assert document.text() == YAML_TEXT


def test_yaml_that_nobody_changed_is_the_very_same_text():
    text = "a:   {b: 1,   c:  2}\n\n\nlist:\n-   x\n"
    document = YamlDocument(text)
    document.set(("a", "b"), 1)
    assert document.text() == text


def test_a_list_of_texts_has_an_item_replaced_or_added():
    document = YamlDocument("set-env:\n- A=1\n- B=2\n")
    document.set(("set-env", Match("", "A=")), "A=3")
    document.set(("set-env", Match("", "C=")), "C=4")
    assert document.content() == {"set-env": ["A=3", "B=2", "C=4"]}


@pytest.mark.parametrize("kind", [YamlDocument, PlainDocument])
def test_an_empty_file_becomes_a_mapping_or_a_list(kind):
    mapping, items = kind(None if kind is PlainDocument else ""), kind(None if kind is PlainDocument else "# note\n")
    mapping.set(("a",), 1)
    items.set((Match("id", "x"), "n"), 1)
    assert (mapping.content(), items.content()) == ({"a": 1}, [{"id": "x", "n": 1}])


def test_comments_of_a_file_without_a_value_stay():
    document = YamlDocument("# note\n")
    document.set(("a",), {"b": [1]})
    assert document.text() == "# note\na:\n  b:\n  - 1\n"


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (TomlDocument, "a = \n", "f: not TOML: "),
        (YamlDocument, "a: [1\nb: 2\n", "f: not YAML: line 2: "),
        (YamlDocument, "a: 1\na: 2\n", "f: not YAML: line 2: "),
        (YamlDocument, "just text\n", "f: expected a mapping or a list"),
        (YamlDocument, "a: 1\n---\nb: 2\n", "f: not YAML: "),
    ],
)
def test_a_text_that_cannot_be_parsed_is_refused_with_its_place(kind, text, words):
    with pytest.raises(NotEditable) as refused:
        kind(text, "f")
    assert str(refused.value).startswith(words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [TomlDocument, YamlDocument])
def test_another_shape_than_expected_is_refused(kind):
    document = kind('a = "x"\n' if kind is TomlDocument else "a: x\n", "f")
    with pytest.raises(NotEditable, match=r"f: expected a mapping around a\.b"):
        document.set(("a", "b"), 1)
    with pytest.raises(NotEditable, match="f: expected a list around a"):
        document.set(("a", Match("id", "x"), "y"), 1)
    document.delete(("a", Match("id", "x"), "y"))
    document.delete(("b",))
    document.delete(("b", "c", "d"))


def test_what_is_written_is_read_by_others():
    document = YamlDocument("")
    document.set(("a", "텍스트"), "x: y # z")
    assert YAML(typ="safe").load(document.text()) == {"a": {"텍스트": "x: y # z"}}
