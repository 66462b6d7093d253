import msgspec
import pytest

from innkeep import wire
from innkeepd.server.http.request import ENDPOINTS, read
from innkeepd.server.socket.chat_verbs import spec_of
from innkeepd.server.socket.demand import LONGEST_NAME, bounded, needs_of, turns_of

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
def test_the_same_chat_has_the_same_turns_and_needs_through_either_door(more):
    said = {"model": "auto", "messages": MESSAGES, **more}
    http = read(ENDPOINTS["/api/chat"], msgspec.json.encode(said)).wish({})
    socket = spec_of(msgspec.convert({"type": "chat", "id": 1, **said}, wire.Chat), "me")
    assert (socket.turns, socket.needs) == (http.turns, http.needs)


def test_needs_are_named_as_ollama_names_capabilities():
    assert needs_of(tools=[1], think="low", images=["x"]) == {"tools", "thinking", "vision"}
    assert needs_of(tools=None, think=None, images=False) == frozenset()


def test_neighbours_are_one_turn():
    assert turns_of((each["role"], each["content"]) for each in MESSAGES) == ("one\n\ntwo", "three")


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
    wish = spec_of(chat, "me")
    assert {len(wish.model), len(wish.fallbacks[0]), len(wish.session)} == {LONGEST_NAME}
