"""All dialects say the same things of an answer."""

import json

import pytest

from innkeepd.simulator.asked import Asked
from innkeepd.simulator.dialect import Said, Tally
from innkeepd.simulator.messages import Messages
from innkeepd.simulator.native import Native
from innkeepd.simulator.openai import OpenAI
from innkeepd.simulator.release import V17
from innkeepd.simulator.responses import Responses
from innkeepd.simulator.wall import Wall

ASKED = Asked("m", "hi", "hi", promptless=False, stream=True)
PLAIN = Asked("m", "hi", "hi", promptless=False, stream=True, is_chat=False)
TALLY = Tally("stop", 6, 5, 1.0, 0.0, 0.5, 0.5)
WALL = Wall(lambda: 0.0)

DIALECTS = {
    "chat": lambda: Native(ASKED, WALL),
    "generate": lambda: Native(PLAIN, WALL),
    "v1 chat": lambda: OpenAI(ASKED, WALL, V17),
    "v1 completions": lambda: OpenAI(PLAIN, WALL, V17),
    "responses": lambda: Responses(ASKED, WALL, {}, V17),
    "messages": lambda: Messages(ASKED, V17),
}


def records(data):
    for line in data.decode().splitlines():
        text = line.removeprefix("data: ")
        if text and not text.startswith("event: ") and text != "[DONE]":
            yield json.loads(text)


@pytest.mark.parametrize("name", DIALECTS)
def test_text_failure_and_tokens_are_told(name):
    dialect = DIALECTS[name]()
    streamed = dialect.piece(Said("가나")) + dialect.finish(TALLY)
    assert any("가나" in json.dumps(each, ensure_ascii=False) for each in records(streamed))
    whole = json.loads(DIALECTS[name]().whole(Said("가나"), TALLY))
    assert "가나" in json.dumps(whole, ensure_ascii=False)
    [broken] = records(DIALECTS[name]().broken("it died"))
    assert "it died" in json.dumps(broken)
    assert "it died" in str(broken.get("error") or broken["response"]["error"])
    assert list(records(DIALECTS[name]().finish(TALLY)))
