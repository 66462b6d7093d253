"""Both versions side by side."""

import anyio
import pytest

from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import NEWEST, RELEASES, V17, V33
from support.transport import MemoryTransport, fetch

pytestmark = pytest.mark.anyio


def test_the_newest_is_the_default():
    assert Simulator().release is NEWEST is V33
    assert list(RELEASES) == ["0.17", "0.33"]


@pytest.mark.parametrize("ollama", RELEASES.values(), ids=RELEASES)
async def test_each_tells_its_version_and_what_tags_tells_of_a_model(ollama):
    transport = MemoryTransport(Simulator(ollama=ollama))
    assert (await fetch(transport, "GET", "/api/version")).json == {"version": ollama.version}
    assert ollama.version.endswith("-simulated")
    line = (await fetch(transport, "GET", "/api/tags")).json["models"][0]
    assert ("capabilities" in line) is ("context_length" in line["details"]) is (ollama is V33)
    assert ((await fetch(transport, "GET", "/api/status")).status == 200) is (ollama is V33)


async def test_only_017_lists_a_model_while_it_loads():
    for ollama in (V17, V33):
        simulator = Simulator(ollama=ollama)
        transport = MemoryTransport(simulator)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetch, transport, "POST", "/api/generate", {"model": "llama3.1:8b"})
            await anyio.sleep(1)
            listed = (await fetch(transport, "GET", "/api/ps")).json["models"]
            assert bool(listed) is (ollama is V17)
            assert simulator.resident == ["llama3.1:8b"]


async def test_017_embeds_with_any_model_and_033_only_with_those_that_can():
    for ollama, status in ((V17, 200), (V33, 501)):
        simulator = Simulator(ollama=ollama)
        got = await fetch(MemoryTransport(simulator), "POST", "/api/embed", {"model": "llama3.1:8b", "input": "a"})
        assert got.status == status
        assert simulator.resident == ["llama3.1:8b"], "it is loaded to be refused"
