"""What the whole of a simulated 0.33 does: reloads, leftovers, hidden memory, other hosts."""

import anyio
import pytest

from innkeepd.simulator.catalog import GIB
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V33

pytestmark = pytest.mark.anyio

QWEN, DEEPSEEK, LLAMA, HUGE = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b", "llama3.3:latest"
MLX, CLOUD = "qwen3-mlx:8b", "gpt-oss:120b-cloud"


@pytest.fixture
def ollama():
    return V33


@pytest.fixture
def simulator(ollama):
    return Simulator(ollama=ollama, new_kinds=True, cache_in_memory=True)


def chat(model=LLAMA, text="hi", context=4096, **more):
    options = {"num_ctx": context, **more.pop("options", {})}
    message = {"role": "user", "content": text}
    return "POST", "/api/chat", {"model": model, "messages": [message], "options": options, **more}


def load(model=LLAMA, **more):
    return "POST", "/api/generate", {"model": model, "options": {"num_ctx": 4096}, **more}


async def listed(ask):
    return [line["name"] for line in (await ask("GET", "/api/ps")).json["models"]]


# ---- loads and reloads -----------------------------------------------------------------------------------------------


async def test_shift_on_one_door_and_not_on_another_reloads_each_time_and_is_counted(simulator, ask):
    await ask(*load())
    quick = (await ask(*chat())).lines[-1]
    reloaded = (await ask(*chat(shift=False))).lines[-1]
    await ask(*chat())
    assert quick["load_duration"] < 0.1e9 < reloaded["load_duration"]
    assert len(simulator.loads) == 3
    assert simulator.reload_reasons == {"shift": 2}
    assert [(each.name, each.why) for each in simulator.reloads] == [(LLAMA, ("shift",))] * 2
    assert (await ask("GET", "/simulator/loads")).json == {"loads": 3, "reloads": {"shift": 2}}


async def test_a_context_over_the_training_context_does_not_reload(simulator, ask):
    await ask(*chat(QWEN, context=32_768))
    await ask(*chat(QWEN, context=65_536))
    assert [each.context for each in simulator.loads] == [32_768]


async def test_a_model_that_is_reloaded_is_not_listed_until_it_is_there_again(simulator, ask):
    await ask(*load())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, *chat(shift=False))
        await anyio.sleep(1)
        assert await listed(ask) == []
    assert await listed(ask) == [LLAMA]


async def test_gone_from_the_list_means_that_the_memory_is_back(simulator, ask):
    before = simulator.machine.system_free()
    await ask(*load())
    await ask(*load(keep_alive=0))
    await anyio.sleep(0.04)
    assert await listed(ask) == []
    assert simulator.machine.system_free() == before


async def test_v1_and_requests_without_it_leave_the_keep_alive_until_a_reload(simulator, ask):
    await ask(*load(keep_alive=-1))
    v1 = {"model": LLAMA, "messages": [{"role": "user", "content": "hi"}]}
    await ask("POST", "/api/create", {"model": "four", "from": LLAMA, "parameters": {"num_ctx": 4096}})
    await ask("POST", "/v1/chat/completions", v1 | {"model": "four"})
    await ask(*chat())
    await anyio.sleep(4000)
    assert await listed(ask) == [LLAMA]
    await ask("POST", "/v1/chat/completions", v1)
    await anyio.sleep(301)
    assert await listed(ask) == []


async def test_the_fourth_load_evicts_a_pinned_model_too(simulator, ask):
    simulator.machine.metal = simulator.machine.total = 400 * GIB
    for model in (LLAMA, QWEN, DEEPSEEK, HUGE):
        await ask(*load(model, keep_alive=-1))
    assert simulator.resident == [QWEN, DEEPSEEK, HUGE]


# ---- memory ----------------------------------------------------------------------------------------------------------


async def test_what_does_not_fit_is_loaded_where_malloc_allows(simulator, ask):
    simulator.machine.others = 20 * GIB
    assert (await ask(*load(QWEN))).status == 200
    assert simulator.machine.swap_used > 0


async def test_beside_a_32b_the_8b_fits_only_where_the_32b_is_small_enough(simulator, ask):
    """36 GB with 27 GiB for Metal: 5.08 GiB are asked for, four fifths of what the 32B leaves are 5.28 or 4.47 GiB."""
    for context, stand in ((4096, [QWEN, LLAMA]), (8192, [LLAMA])):
        await ask(*chat(QWEN, context=context))
        await ask(*load(LLAMA))
        assert simulator.resident == stand


async def test_what_malloc_refuses_costs_everybody_and_is_tried_twice(simulator, ask):
    await ask(*load(LLAMA, keep_alive=-1))
    got = await ask(*chat(HUGE))
    assert got.status == 500
    assert got.json["error"].startswith("llama-server process has terminated: exit status 1: ggml_aligned_malloc")
    assert [each.name for each in simulator.loads] == [LLAMA, HUGE, HUGE]
    assert simulator.resident == []


async def test_a_gpu_out_of_memory_lets_everybody_go(simulator, ask):
    await ask(*load(LLAMA, keep_alive=-1))
    simulator.machine.others = 2 * GIB
    await ask(*load(QWEN, keep_alive=-1))
    simulator.fail("metal_out_of_memory", QWEN)
    assert "Compute error." in (await ask(*chat(QWEN))).json["error"]
    await anyio.sleep(0.1)
    assert simulator.resident == []


async def test_a_gpu_out_of_memory_in_mid_answer_is_not_told_and_breaks_the_runner_until_it_is_unloaded(simulator, ask):
    simulator.fail("metal_lost", LLAMA, after=2)
    lost = await ask(*chat())
    assert (lost.status, [line["done"] for line in lost.lines]) == (200, [False, False])
    assert (await ask(*chat())).status == 500
    assert await listed(ask) == [LLAMA]
    await ask(*load(keep_alive=0))
    await anyio.sleep(0.1)
    assert (await ask(*chat())).lines[-1]["done"] is True


async def test_conversations_weigh_in_the_machine_and_not_in_ps(simulator, ask):
    await ask(*load())
    size = (await ask("GET", "/api/ps")).json["models"][0]["size"]
    free = simulator.machine.system_free()
    for number in range(20):
        await ask(*chat(text=f"{number} " + "word " * 1000, options={"num_predict": 1}))
    assert (await ask("GET", "/api/ps")).json["models"][0]["size"] == size
    grown = free - simulator.machine.system_free()
    assert grown == pytest.approx(19 * 1256 * 131_072, rel=0.02)
    await ask(*load(keep_alive=0))
    await anyio.sleep(1)
    assert await listed(ask) == []
    assert simulator.machine.system_free() > free


async def test_a_cached_prompt_is_counted_in_full_and_read_in_no_time(simulator, ask):
    first, again = [(await ask(*chat(text="word " * 2000))).lines[-1] for _ in range(2)]
    assert first["prompt_eval_count"] == again["prompt_eval_count"] > 2000
    assert again["prompt_eval_duration"] < first["prompt_eval_duration"] / 100
    assert [(read.tokens - read.cached) for read in simulator.journal.reads] == [first["prompt_eval_count"], 1]


# ---- runners that misbehave ------------------------------------------------------------------------------------------


async def test_a_killed_ollama_leaves_its_runners_behind(simulator, ask):
    await ask(*load())
    held = simulator.machine.runner_bytes()
    simulator.kill()
    simulator.start()
    assert await listed(ask) == []
    assert simulator.machine.runner_bytes() == held
    await ask(*load())
    assert simulator.machine.runner_bytes() == 2 * held
    assert [runner.model.name for runner in simulator.runners.orphans] == [LLAMA]
    simulator.runners.end_orphans()
    assert simulator.machine.runner_bytes() == held


async def test_a_frozen_runner_keeps_ps_waiting_and_is_then_loaded_anew(simulator, ask):
    await ask(*load())
    simulator.fail("frozen", LLAMA)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, *chat())
        await anyio.sleep(0.1)
        waited = (await ask("GET", "/api/ps")).chunks[-1][0]
        assert (await ask("GET", "/api/version")).chunks[-1][0] == 0
    assert waited == pytest.approx(19.9, abs=0.1)
    assert len(simulator.loads) == 2


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_an_error_that_is_lost_leaves_a_stream_without_its_end(simulator, ask, path):
    body = {"model": LLAMA, "stream": True, "input": "hi", "messages": [{"role": "user", "content": "hi"}]}
    simulator.fail("lost", LLAMA, after=3)
    got = await ask("POST", path, body)
    assert got.status == 200
    assert not any(end in got.text for end in ('"done":true', "[DONE]", "message_stop", "response.completed"))


# ---- other kinds of models -------------------------------------------------------------------------------------------


async def test_mlx_takes_any_context_grows_with_use_and_copies_derived_names(simulator, ask):
    await ask(*chat(MLX))
    first = simulator.runners.standing()[0].size
    await ask(*chat(MLX, "word " * 20_000, context=8192))
    assert len(simulator.loads) == 1
    assert simulator.runners.standing()[0].size > first + 20_000 * 147_456
    await ask("POST", "/api/create", {"model": "copy", "from": MLX, "parameters": {"num_ctx": 8192}})
    await ask(*load("copy"))
    assert simulator.resident == [MLX, "copy:latest"]
    assert simulator.machine.runner_bytes() > 2 * 4_600_000_000


async def test_ps_waits_while_mlx_loads(simulator, ask):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, *load(MLX))
        await anyio.sleep(1)
        got = await ask("GET", "/api/ps")
    assert got.chunks[-1][0] == pytest.approx(2.0)
    assert [line["name"] for line in got.json["models"]] == [MLX]


async def test_mlx_says_its_format_and_no_heads(ask):
    shown = (await ask("POST", "/api/show", {"model": MLX})).json
    assert shown["details"]["format"] == "safetensors"
    assert not any("head_count" in key for key in shown["model_info"])


async def test_a_cloud_name_leaves_this_machine_pulled_or_not(simulator, ask):
    for name in ("llama3.1:cloud", "what:7b-cloud"):
        assert (await ask(*chat(name))).status == 502
    simulator.no_cloud = True
    assert (await ask(*chat("llama3.1:cloud"))).status == 403
    assert len(simulator.journal.sent_away) == 2
    assert (await ask(*chat("bad name!"))).json == {"error": "invalid model name"}
