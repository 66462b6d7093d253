import subprocess
import sys

import pytest
from msgspec.structs import replace

from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import GIB, Pulled
from innkeepd.simulator.engine import Simulator

pytestmark = pytest.mark.anyio


async def test_requests_are_written_down_with_their_body(simulator, ask):
    await ask("GET", "/api/ps?x=1")
    await ask("POST", "/api/show", {"model": "nope"})
    assert [(seen.method, seen.path, seen.body) for seen in simulator.requests] == [
        ("GET", "/api/ps", None),
        ("POST", "/api/show", {"model": "nope"}),
    ]


async def test_a_line_full_on_demand_strikes_only_who_would_stand_in_it(simulator, ask):
    simulator.fail("queue_full")
    assert (await ask("GET", "/api/ps")).status == 200
    assert (await ask("POST", "/api/show", {"model": "llama3.1:8b"})).status == 200
    assert (await ask("POST", "/api/embed", {"model": "llama3.1:8b", "input": "a"})).status == 503


@pytest.mark.parametrize(("metal", "context"), [(8, 4096), (27, 32_768), (48, 131_072)])
def test_the_default_context_follows_metal_up_to_the_models_own_length(metal, context):
    simulator = Simulator(metal=metal * GIB)
    model, asked = simulator.find("llama3.1:8b"), Asked("m", "hi", "hi", promptless=False, stream=True)
    assert simulator.launch(model, asked).num_ctx == context
    assert simulator.launch(model, replace(asked, options={"num_ctx": 2048})).num_ctx == 2048


def test_a_test_brings_its_own_models():
    simulator = Simulator(models=[Pulled("tiny", 1000, 1000)])
    assert [model.name for model in simulator.catalog] == ["tiny:latest"]
    assert simulator.heavy == frozenset()
    assert repr(simulator) == "<Simulator up ollama=0.33 speed=1>"


def test_the_package_costs_nothing_until_it_is_used():
    code = "import innkeepd.simulator, sys; print([m for m in ('uvicorn', 'anyio', 'msgspec') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
