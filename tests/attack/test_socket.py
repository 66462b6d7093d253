"""The control socket, both dialects: messages of the right shape with wrong contents, and bytes of no shape at all."""

import json
from typing import Any

import anyio
import msgspec
import trio
from hypothesis import strategies as st

from innkeep.framing import Dialect, Framer, decode_reply
from support.attack import rest
from support.daemon import Wire, config, mock_clock, open_daemon
from support.messages import REQUESTS
from support.odd import broken, encoded, spoiled

GOOD = [each for each in map(msgspec.to_builtins, REQUESTS) if each.get("action") != "train"]
"""Without ``routing train``: it fits in a thread, for which the mock clock does not wait."""
LATER = {"routed", "waiting", "loading", "started", "delta", "event"}
"""Replies after which another one comes."""


class Peer:
    """A client that says anything and notes which of its requests have ended, and how often."""

    def __init__(self, stream: Wire, dialect: Dialect) -> None:
        self.stream = stream
        self.dialect = dialect
        self.kinds: dict[int, str] = {}
        self.ends: dict[int, list[str]] = {}
        self.faults: list[Any] = []
        self.is_over = False

    async def hear(self) -> None:
        framer = Framer(self.dialect)
        try:
            while True:
                for body in framer.feed(await self.stream.receive()):
                    self._take(msgspec.to_builtins(decode_reply(body, self.dialect)))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.is_over = True

    def _take(self, reply: dict[str, Any]) -> None:
        if reply["type"] == "error" and reply["code"] == "internal":
            self.faults.append(reply)
        number = reply["id"]
        goes_on = reply["type"] in LATER or (reply["type"] == "status" and self.kinds.get(number) == "watch")
        if not goes_on and number is not None:
            self.ends.setdefault(number, []).append(reply.get("code", reply["type"]))

    async def say(self, message: dict[str, Any], number: int) -> None:
        whole = message | {"id": number}
        self.kinds[number] = str(whole.get("type"))
        body = encoded(whole) if self.dialect == "lines" else msgspec.msgpack.encode(whole)
        await self.say_bytes(body)

    async def say_bytes(self, body: bytes) -> None:
        body = body[:200_000]
        framed = body.replace(b"\n", b" ") + b"\n" if self.dialect == "lines" else len(body).to_bytes(4, "big") + body
        await self.stream.send(framed)


def _sayable(message: Any) -> bool:
    """Whether msgpack can say it: its numbers have 64 bits, and a lone surrogate is no text."""
    try:
        msgspec.msgpack.encode(message)
        json.dumps(message, ensure_ascii=False).encode()
    except (OverflowError, ValueError, RecursionError):
        return False
    return isinstance(message, dict)


MESSAGES = st.lists(
    st.sampled_from(GOOD).flatmap(lambda good: broken(good, huge=False)).filter(_sayable), min_size=8, max_size=20
)


def test_every_request_of_broken_messages_ends_exactly_once_in_both_dialects(attack):
    async def scenario(dialect: Dialect, messages: list[dict[str, Any]], room: int) -> None:
        async with open_daemon(config(timeouts={"drain": 1.0})) as daemon:
            peer = Peer(daemon.wire(room), dialect)
            daemon._tasks.start_soon(peer.hear)
            for number, message in enumerate(messages):
                await peer.say(message, number)
            await rest(lambda: peer.is_over or peer.ends.keys() >= set(range(len(messages))))
            for number in range(len(messages)):
                if number not in peer.ends and not peer.is_over:
                    await peer.say({"type": "cancel", "target": number}, 10_000 + number)
            await rest(lambda: peer.is_over or peer.ends.keys() >= set(range(len(messages))))
            assert peer.faults == []
            if not peer.is_over:
                # 'shutdown' is one of the messages; else each has its one end.
                assert {number: ends for number, ends in peer.ends.items() if len(ends) != 1} == {}
                assert {number: messages[number] for number in range(len(messages)) if number not in peer.ends} == {}
            else:
                assert all(len(ends) == 1 for ends in peer.ends.values())
                assert daemon.stopped or not peer.ends.keys() >= set(range(len(messages))), "closed without a word"
            await peer.stream.aclose()
            await rest(daemon.is_quiet)
            assert daemon.is_quiet()
            attack.count("requests", len(messages))

    def check(case: tuple[Dialect, list[dict[str, Any]], int]) -> None:
        _, options = mock_clock()
        trio.run(scenario, *case, clock=options["clock"])

    cases = st.tuples(st.sampled_from(["lines", "frames"]), MESSAGES, st.sampled_from([65536, 65536, 512]))
    attack.tries(cases, check, short=5, long=60, batch=20)


def test_bytes_of_no_message_end_their_connection_at_most_and_the_daemon_serves_on(attack):
    async def scenario(dialect: Dialect, bodies: list[bytes], raw: bytes) -> None:
        async with open_daemon() as daemon:
            peer = Peer(daemon.wire(), dialect)
            daemon._tasks.start_soon(peer.hear)
            try:
                for body in bodies:
                    await peer.say_bytes(body)
                await peer.stream.send(raw)
            except anyio.BrokenResourceError:
                attack.count("connections closed by it")
            await rest(lambda: peer.is_over)
            assert peer.faults == []
            await peer.stream.aclose()
            other = daemon.connect()
            assert (await other.status()).daemon
            await rest(daemon.is_quiet)
            assert daemon.is_quiet()
            attack.count("messages", len(bodies))

    def check(case: tuple[Dialect, list[bytes], bytes]) -> None:
        _, options = mock_clock()
        trio.run(scenario, *case, clock=options["clock"])

    def bodies(dialect: Dialect) -> st.SearchStrategy[tuple[Dialect, list[bytes], bytes]]:
        wild = [m for m in GOOD if m["type"] != "shutdown"]
        as_bytes = json.dumps if dialect == "lines" else msgspec.msgpack.encode
        some = st.sampled_from(wild).flatmap(lambda m: spoiled(_bytes(as_bytes(m))))
        return st.tuples(st.just(dialect), st.lists(some, min_size=3, max_size=12), st.binary(max_size=300))

    attack.tries(st.sampled_from(["lines", "frames"]).flatmap(bodies), check, short=2, long=20, batch=20)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
