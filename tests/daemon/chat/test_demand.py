import msgspec
import pytest

from innkeep import wire
from innkeepd.chat.demand import LONGEST_NAME, Said, bounded, turns_of, understand
from innkeepd.server.http.request import ENDPOINTS, read
from innkeepd.server.socket.chat_verbs import spec_of

MESSAGES = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one"},
    {"role": "user", "content": "two"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": ""},
    {"role": "user", "content": "three"},
]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": []},
        {"think": True},
        {"think": "high"},
        {"think": False},
        {"messages": [{"role": "user", "content": "what is it?", "images": ["aGk="]}]},
        {"messages": [{"role": "user", "content": "what is it?", "images": []}]},
    ],
)
def test_the_same_chat_demands_the_same_through_either_door(more):
    said = {"model": "auto", "messages": MESSAGES, **more}
    http = read(ENDPOINTS["/api/chat"], msgspec.json.encode(said)).spec({})
    socket = spec_of(msgspec.convert({"type": "chat", "id": 1, **said}, wire.Chat), "me")
    assert socket.demand == http.demand


def test_needs_are_named_as_ollama_names_capabilities():
    assert understand((), tools=[1], think="low", images=["x"]).needs == {"tools", "thinking", "vision"}
    assert understand((), tools=None, think=None, images=False).needs == frozenset()


def test_neighbours_are_one_turn():
    assert turns_of(Said(each["role"], each["content"]) for each in MESSAGES) == ("one\n\ntwo", "three")


def test_a_long_name_is_cut_and_stays_another_than_every_other():
    assert bounded("a" * LONGEST_NAME) == "a" * LONGEST_NAME
    long, other = bounded("a" * 10**6), bounded("a" * (10**6 - 1) + "b")
    assert len(long) == len(other) == LONGEST_NAME
    assert long != other
    assert bounded("\ud800" * 300) != bounded("\ud800" * 301)


def test_names_are_cut_at_both_doors():
    name = "m" * 10**6
    assert len(read(ENDPOINTS["/api/chat"], msgspec.json.encode({"model": name})).name) == LONGEST_NAME
    chat = wire.Chat(id=1, messages=[], model=name, fallbacks=[name], session=name)
    spec = spec_of(chat, "me")
    assert {len(spec.model), len(spec.fallbacks[0]), len(spec.session)} == {LONGEST_NAME}
