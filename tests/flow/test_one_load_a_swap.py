"""Whatever clients ask, in any order and by any endpoint: one load a swap, and nobody's options reload a model."""

import os
import random
from collections import Counter

import anyio
import pytest

from innkeep import wire
from innkeepd.backends.ollama_dialect import LAUNCH_OPTIONS
from innkeepd.simulator.catalog import DEEPSEEK, LIBRARY, LLAMA8, QWEN
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import RELEASES
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

REQUESTS = int(os.environ.get("INNKEEP_MIXED_REQUESTS", "1500"))
"""For each version, bounded for `make test`; the whole proof sets 10000 (3 ms of CPU each)."""
CHATS = [QWEN.name, DEEPSEEK.name, LLAMA8.name]
EMBEDDER = LIBRARY[2].name
OWN_OPTIONS = {
    "num_ctx": [512, 2048, 8192, 65_536], "num_batch": [64, 512, 1024], "num_gpu": [0, 99], "main_gpu": [1],
    "use_mmap": [False, True], "num_thread": [1, 8], "draft_num_predict": [4], "temperature": [0.5], "num_keep": [9],
}  # fmt: skip


class Clients:
    """Clients of every kind; ``dice`` decides what they ask."""

    def __init__(self, server, dice):
        self.server, self.dice = server, dice
        self.client = server.daemon.connect()
        self.statuses = Counter()
        self.model = LLAMA8.name

    async def ask(self):
        """One request; most stay with the model that was asked last."""
        if self.dice.random() < 0.03:
            self.model = self.dice.choice(CHATS)
        kinds = [self.socket, self.native, self.generate, self.embed, self.v1, self.load, self.renew]
        await self.dice.choices(kinds, weights=[20, 20, 15, 10, 40, 4, 0.3])[0]()

    def own(self):
        """Options and fields of a client that believes it is alone."""
        options = {"num_predict": self.dice.randint(1, 4)}
        for name in self.dice.sample(list(OWN_OPTIONS), self.dice.randint(0, 4)):
            options[name] = self.dice.choice(OWN_OPTIONS[name])
        fields = {"options": options, "stream": self.dice.random() < 0.5}
        if self.dice.random() < 0.4:
            fields["shift"] = self.dice.random() < 0.5
        if self.dice.random() < 0.4:
            fields["keep_alive"] = self.dice.choice([30, "5m", "1h", -1])
        return fields

    def text(self):
        """Short, or now and then so long that it must be measured under ``/v1``."""
        return "word " * 640 if self.dice.random() < 0.02 else f"hello {self.dice.randint(0, 99)}"

    def messages(self):
        return [{"role": "user", "content": self.text()}]

    async def socket(self):
        options = {name: value for name, value in self.own()["options"].items() if name != "num_ctx"}
        reply = await self.client.chat_to_end(self.text(), model=self.model, options=options)
        self.statuses[type(reply).__name__ + getattr(reply, "code", "")] += 1

    async def post(self, path, body):
        answer = await self.server.http.post(path, body)
        self.statuses[path, answer.status] += 1

    async def native(self):
        await self.post("/api/chat", {"model": self.model, "messages": self.messages(), **self.own()})

    async def generate(self):
        await self.post("/api/generate", {"model": self.model, "prompt": self.text(), **self.own()})

    async def embed(self):
        path = self.dice.choice(["/api/embed", "/api/embeddings", "/v1/embeddings"])
        own = {} if path.startswith("/v1") else self.own()
        await self.post(path, {"model": EMBEDDER, "input": "a", "prompt": "a", **own})

    async def v1(self):
        path = self.dice.choice(["chat/completions", "responses", "messages", "completions"])
        body = {"model": self.model, "max_tokens": 3, "max_output_tokens": 3, "stream": self.dice.random() < 0.5}
        said = {"messages": self.messages(), "input": self.text(), "prompt": self.text()}
        await self.post(f"/v1/{path}", body | said | {"shift": False, "options": {"num_ctx": 512}})

    async def load(self):
        request = self.dice.choice([wire.Pin, wire.Unpin])(id=0, model=self.model)
        if self.dice.random() < 0.5:
            await self.post("/api/generate", {"model": self.model, **self.own()})
            return
        await self.client.answer(request)
        await self.client.answer(wire.Unpin(id=0, model=self.model))

    async def renew(self):
        """Time passes in which pinned models are renewed and idle ones leave."""
        await self.client.answer(wire.Pin(id=0, model=self.model))
        await anyio.sleep(self.dice.choice([200, 1000, 4000]))
        await self.client.answer(wire.Unpin(id=0, model=self.model))


@pytest.mark.parametrize("ollama", RELEASES.values(), ids=RELEASES)
async def test_mixed_requests_make_one_load_a_swap_and_no_reload(ollama, monkeypatch):
    simulator = Simulator(ollama=ollama, models=[QWEN, DEEPSEEK, LLAMA8, *LIBRARY], others=2 * 2**30)
    async with open_http_daemon(simulator=simulator) as server:
        monkeypatch.setattr("innkeepd.residency.clock.epoch", simulator.wall.epoch)
        clients = Clients(server, random.Random(9))
        for _ in range(REQUESTS):
            await clients.ask()
        assert simulator.reload_reasons == {}
        assert simulator.journal.load_count == server.daemon.control.counts["loads"], clients.statuses
        assert simulator.journal.most_heavy == 1
        strange = [
            (seen.path, key)
            for seen in simulator.requests
            for key in (seen.body or {}).get("options", {})
            if key in LAUNCH_OPTIONS - {"num_ctx"} and not seen.path.startswith("/v1")
        ]
        assert strange == []
        assert sum(count for status, count in clients.statuses.items() if "200" in str(status)) > REQUESTS / 2
