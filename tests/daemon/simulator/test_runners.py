"""Ollama's own scheduler with its traps, which innkeep exists to avoid."""

from itertools import pairwise

import anyio
import pytest

from innkeepd.simulator.catalog import GIB

pytestmark = pytest.mark.anyio

QWEN, DEEPSEEK, LLAMA, HUGE = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b", "llama3.3:latest"


def load(model, context=8192, **more):
    return "POST", "/api/generate", {"model": model, "options": {"num_ctx": context}, **more}


def chat(model, text="hi", context=8192, **more):
    message = {"role": "user", "content": text}
    return "POST", "/api/chat", {"model": model, "messages": [message], "options": {"num_ctx": context}, **more}


async def test_what_never_fits_costs_every_resident_model(simulator, ask):
    await ask(*load(QWEN, keep_alive=-1))
    await ask(*load(LLAMA, 4096, keep_alive=-1))
    got = await ask(*chat(HUGE, context=4096))
    assert got.status == 500
    assert got.json["error"] == "model requires more system memory (41.9 GiB) than is available (30.0 GiB)"
    assert simulator.resident == []
    assert [each.why for each in simulator.unloads] == ["evicted", "evicted"]


async def test_a_light_one_stands_beside_a_heavy_one_while_bytes_allow(simulator, ask):
    await ask(*load(QWEN))
    await ask(*load(LLAMA, 4096))
    assert simulator.resident == [QWEN, LLAMA]
    assert simulator.heavy == {QWEN}
    assert simulator.journal.most_heavy == 1


async def test_two_heavy_ones_never_fit_so_the_first_is_evicted(simulator, ask):
    await ask(*load(QWEN))
    await ask(*load(DEEPSEEK))
    assert simulator.resident == [DEEPSEEK]
    assert simulator.journal.most_heavy == 1
    assert simulator.machine.peak > 40 * GIB, "Ollama does not wait for the memory to come back: that is innkeep's job"


async def test_beside_others_only_four_fifths_of_what_is_free_are_given(simulator, ask):
    await ask(*load(QWEN))
    free = simulator.machine.system_free()
    size = simulator.catalog.find(LLAMA).footprint(18_000)
    assert 0.8 * free < size < free
    await ask(*load(LLAMA, 18_000))
    assert simulator.resident == [LLAMA]


async def test_another_context_reloads(simulator, ask):
    await ask(*load(QWEN, 8192))
    got = await ask(*chat(QWEN, context=4096))
    assert got.chunks[0][0] > 13
    assert [(each.name, each.context) for each in simulator.loads] == [(QWEN, 8192), (QWEN, 4096)]
    assert [each.why for each in simulator.unloads] == ["reload"]


async def test_the_default_context_comes_from_metals_memory(simulator, ask):
    await ask("POST", "/api/generate", {"model": LLAMA})
    assert simulator.loads[0].context == 32_768


async def test_v1_ignores_the_context_and_sets_the_keep_alive_back(simulator, ask):
    await ask(*load(LLAMA, 8192, keep_alive="1h"))
    message = {"role": "user", "content": "hi"}
    await ask("POST", "/v1/chat/completions", {"model": LLAMA, "messages": [message], "options": {"num_ctx": 8192}})
    assert [each.context for each in simulator.loads] == [8192, 32_768]
    await anyio.sleep(301)
    assert simulator.resident == []


async def test_a_derived_model_keeps_its_context_and_shares_the_runner(simulator, ask):
    await ask("POST", "/api/create", {"model": "coder", "from": LLAMA, "parameters": {"num_ctx": 8192}})
    await ask(*load(LLAMA, 8192))
    await ask("POST", "/v1/chat/completions", {"model": "coder", "messages": [{"role": "user", "content": "hi"}]})
    assert len(simulator.loads) == 1
    assert [each["name"] for each in (await ask("GET", "/api/ps")).json["models"]] == [LLAMA]


async def test_an_unload_waits_for_the_answer_and_then_goes_within_a_third_of_a_second(simulator, ask):
    await ask(*load(LLAMA, keep_alive="1h"))
    async with anyio.create_task_group() as tasks:
        answers = []

        async def talk():
            answers.append(await ask(*chat(LLAMA, "[simulate tokens 100]", keep_alive="1h")))

        tasks.start_soon(talk)
        await anyio.sleep(1)
        got = await ask("POST", "/api/generate", {"model": LLAMA, "keep_alive": 0})
        assert got.json["done_reason"] == "unload"
        [line] = (await ask("GET", "/api/ps")).json["models"]
        assert line["expires_at"] <= simulator.wall.stamp()
    assert answers[0].lines[-1]["done_reason"] == "stop"
    assert simulator.resident == [LLAMA]
    await anyio.sleep(0.3)
    assert simulator.resident == []
    assert simulator.unloads[-1].why == "asked"


async def test_unloading_what_is_not_loaded_says_unload_too(simulator, ask):
    got = await ask("POST", "/api/generate", {"model": QWEN, "keep_alive": 0.0})
    assert (got.status, got.json["done_reason"]) == (200, "unload")
    assert simulator.unloads == []


async def test_memory_comes_back_within_a_second_after_the_runner_left(simulator, ask):
    before = simulator.machine.system_free()
    await ask(*load(QWEN))
    await ask("POST", "/api/generate", {"model": QWEN, "keep_alive": 0})
    await anyio.sleep(0.7)
    assert simulator.resident == []
    half = simulator.machine.system_free()
    await anyio.sleep(0.6)
    assert half < simulator.machine.system_free() == before


async def test_a_keep_alive_runs_out_after_the_last_answer(simulator, ask):
    await ask(*load(LLAMA, keep_alive="2m"))
    await anyio.sleep(119)
    assert simulator.resident == [LLAMA]
    await anyio.sleep(2)
    assert simulator.resident == []
    assert simulator.unloads[-1].why == "expired"


async def test_one_slot_answers_first_come_first_served(simulator, ask):
    ended = []

    async def talk(number):
        await anyio.sleep(number / 100)
        await ask(*chat(LLAMA, f"{number} [simulate tokens 27]"))
        ended.append((number, anyio.current_time()))

    await ask(*load(LLAMA))
    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(talk, number)
    assert [number for number, _ in ended] == [0, 1, 2]
    assert all(later - earlier > 0.9 for (_, earlier), (_, later) in pairwise(ended))


async def test_a_busy_model_is_awaited_before_it_is_evicted(simulator, ask):
    await ask(*load(QWEN))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, *chat(QWEN, "[simulate tokens 130]"))
        await anyio.sleep(1)
        got = await ask(*chat(DEEPSEEK))
    assert got.status == 200
    assert got.chunks[0][0] > 9 + 15
    assert simulator.journal.most_heavy == 1
    assert list(simulator.journal.left) == []


async def test_the_line_has_an_end(simulator, ask):
    simulator.runners.max_queue = 1
    answers = []

    async def talk(model):
        answers.append((model, (await ask(*chat(model))).status))

    async with anyio.create_task_group() as tasks:
        for model in (QWEN, LLAMA, DEEPSEEK):
            tasks.start_soon(talk, model)
            await anyio.sleep(1)
    assert answers[0] == (DEEPSEEK, 503)
    assert sorted(status for _, status in answers) == [200, 200, 503]


async def test_a_client_that_leaves_while_its_model_loads_ends_the_load(simulator, ask):
    with anyio.move_on_after(5):
        await ask(*load(QWEN))
    assert simulator.resident == []
    assert [each.why for each in simulator.unloads] == ["aborted"]
    await anyio.sleep(1)
    assert simulator.machine.runner_bytes() == 0


async def test_a_model_over_metals_memory_runs_three_times_slower(simulator, ask):
    text = "[simulate tokens 13]"
    quick = (await ask(*chat(QWEN, text, 8192))).lines[-1]["eval_duration"]
    slow = (await ask(*chat(QWEN, text, 32_768))).lines[-1]["eval_duration"]
    assert slow == pytest.approx(3 * quick, rel=0.01)
    [line] = (await ask("GET", "/api/ps")).json["models"]
    assert line["size_vram"] == 27 * GIB < line["size"]


async def test_a_stopped_server_holds_nothing_when_it_is_back(simulator, ask):
    await ask(*load(LLAMA))
    simulator.stop()
    simulator.start()
    assert (await ask("GET", "/api/ps")).json == {"models": []}
    assert simulator.unloads[-1].why == "stopped"


async def test_a_runner_says_what_it_is(simulator, ask):
    await ask(*load(LLAMA))
    assert "llama3.1:8b context=8192 busy=0" in repr(simulator.runners.standing()[0])
