"""The same conversation gets the same model and leaves the same record, whichever door it comes by."""

import json
import re

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from innkeep import wire
from innkeepd.server.http.app import HttpApp
from support.asgi import asgi_client
from support.daemon import LLAMA8, mock_clock, open_daemon

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
TEXTS = (
    "debug this function",
    "why is the sky blue? compare two theories",
    "hello there",
    "한국어로 코드를 고쳐 줘",
    "",
    "word " * 900,
)
OF_THE_DOOR = {"id", "asked_at", "timings", "door", "client"}
"""Fields of a record that may differ: two are the door's own, three tell of this one request."""


message = st.builds(wire.Message, st.sampled_from(["system", "user", "assistant"]), st.sampled_from(TEXTS))
last = st.builds(
    wire.Message, st.just("user"), st.sampled_from(TEXTS[:4]), images=st.sampled_from([None, None, ["aGk="]])
)
chats = st.builds(
    wire.Chat,
    id=st.just(0),
    messages=st.builds(lambda before, end: [*before, end], st.lists(message, max_size=5), last),
    tools=st.sampled_from([None, None, [TOOL]]),
    think=st.sampled_from([None, False, True]),
    session=st.sampled_from([None, "s1", "s" * 300]),
    stream=st.just(False),
)


@settings(max_examples=20, deadline=None)
@given(chats, st.sampled_from([{}, {"role": "coding"}, {"model": LLAMA8}]))
def test_a_conversation_has_one_record_at_every_door(chat, wanted):
    chat = replace(chat, **wanted)
    socket, *http = (
        anyio.run(send, chat, backend="trio", backend_options={"clock": mock_clock()[1]["clock"]})
        for send in (by_socket, by_native, by_v1)
    )
    for record in http:
        assert record == socket


async def by_socket(chat):
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        await daemon.connect().answer(chat)
        return comparable(daemon.records)


async def by_native(chat):
    body = {"model": chat.model or chat.role or "auto", "stream": False}
    body["messages"] = [
        {"role": each.role, "content": each.content, **({"images": each.images} if each.images else {})}
        for each in chat.messages
    ]
    more = {"tools": chat.tools, "think": chat.think}
    return await by_http("/api/chat", body | {key: value for key, value in more.items() if value is not None}, chat)


async def by_v1(chat):
    body = {"model": chat.model or chat.role or "auto", "stream": False}
    body["messages"] = [{"role": each.role, "content": shown(each)} for each in chat.messages]
    effort = {None: None, False: "none", True: "high"}[chat.think]
    more = {"tools": chat.tools, "reasoning_effort": effort}
    path = "/v1/chat/completions"
    return await by_http(path, body | {key: value for key, value in more.items() if value is not None}, chat)


def shown(message):
    """A message's content as OpenAI's API has it."""
    if not message.images:
        return message.content
    url = {"url": f"data:image/png;base64,{message.images[0]}"}
    return [{"type": "text", "text": message.content}, {"type": "image_url", "image_url": url}]


async def by_http(path, body, chat):
    headers = {"x-innkeep-session": chat.session} if chat.session else {}
    async with open_daemon() as daemon:
        await daemon.control.monitor.ready.wait()
        app = HttpApp(daemon.app.config.http, daemon.app.dispatcher, daemon.control)
        async with asgi_client(app) as client:
            await client.start("POST", path, body, headers).returned.wait()
        return comparable(daemon.records)


def comparable(records):
    (record,) = records
    kept = {name: value for name, value in record.items() if name not in OF_THE_DOOR}
    kept["attempts"] = [each | {"seconds": None} for each in kept["attempts"]]
    # Under /v1 a prompt is counted by another body: its tools take a few tokens more or less.
    return json.loads(re.sub(r"\(\d+ tokens\) exceeds", "exceeds", json.dumps(kept)))
