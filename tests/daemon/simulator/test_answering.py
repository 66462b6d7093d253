"""One question from the runner to the last piece, and each failure on the way in a real Ollama's words."""

import anyio
import pytest

from innkeepd.backends.backend import BackendFault
from innkeepd.simulator import texts
from innkeepd.simulator.texts import V17

pytestmark = pytest.mark.anyio

QWEN, DEEPSEEK, LLAMA = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b"


def chat(text="hi", model=LLAMA, **more):
    return "POST", "/api/chat", {"model": model, "messages": [{"role": "user", "content": text}], **more}


async def test_tokens_come_at_the_models_own_pace(ask):
    await ask(*chat())
    got = await ask(*chat("[simulate tokens 54]"))
    assert got.chunks[-1][0] == pytest.approx(2.0, abs=0.05)
    assert len(got.lines) == 55
    assert got.lines[-1]["eval_count"] == 55


async def test_speed_divides_every_duration(simulator, ask):
    simulator.speed = simulator.runners.speed = 100.0
    got = await ask(*chat(model=QWEN, options={"num_ctx": 8192}))
    assert got.chunks[0][0] < 0.14
    assert simulator.loads[0].context == 8192


async def test_thinking_comes_before_the_answer_unless_it_is_switched_off(ask):
    lines = (await ask(*chat(model=DEEPSEEK))).lines
    thinking = ["thinking" in line["message"] for line in lines[:-1]]
    assert thinking == sorted(thinking, reverse=True)
    assert thinking[0]
    assert not thinking[-1]
    quiet = (await ask(*chat(model=DEEPSEEK, think=False))).lines
    assert not any("thinking" in line["message"] for line in quiet)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"think": True}, '"llama3.1:8b" does not support thinking'),
        (
            {"tools": [{"function": {"name": "f"}}], "model": DEEPSEEK},
            "registry.ollama.ai/library/deepseek-r1:32b does not support tools",
        ),
    ],
)
async def test_what_a_model_cannot_do_is_refused(ask, more, text):
    got = await ask(*chat(**more))
    assert (got.status, got.json) == (400, {"error": text})


async def test_a_tool_is_called_where_the_question_names_it(ask):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    lines = (await ask(*chat("use weather for Seoul", tools=tools))).lines
    [call] = lines[0]["message"]["tool_calls"]
    assert call["function"] == {"index": 0, "name": "weather", "arguments": {"city": "simulated"}}
    assert "tool_calls" not in (await ask(*chat("hi", tools=tools))).lines[0]["message"]


async def test_a_prompt_over_the_context_is_cut_without_a_word_or_refused_if_asked(ask):
    long = "hello world " * 2000
    cut = await ask(*chat(long, options={"num_ctx": 4096, "num_predict": 1}))
    assert cut.lines[-1]["prompt_eval_count"] == 4096
    refused = await ask(*chat(long, options={"num_ctx": 4096}, truncate=False))
    assert (refused.status, refused.json) == (400, {"error": texts.TOO_LONG})


async def test_a_crash_ends_the_stream_with_an_error_and_ps_still_lists_the_model(simulator, ask):
    simulator.fail("crash", LLAMA, after=5)
    got = await ask(*chat())
    assert len(got.lines) == 6
    assert got.lines[-1] == {"error": texts.UNEXPECTED_EOF}
    assert simulator.resident == [LLAMA]
    assert simulator.machine.runner_bytes() == 0
    again = await ask(*chat())
    assert again.lines[-1]["done"] is True
    assert len(simulator.loads) == 2


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        ("crash", 500, texts.UNEXPECTED_EOF),
        ("runner_dies_before", 500, V17.runner_died),
        ("metal_out_of_memory", 500, V17.metal_out_of_memory),
        ("load_failure", 500, V17.load_failure),
        ("queue_full", 503, texts.QUEUE_FULL),
    ],
)
async def test_a_failure_has_its_status_and_words_once(simulator, ask, how, status, text):
    simulator.fail(how, LLAMA)
    got = await ask(*chat(stream=False))
    assert (got.status, got.json) == (status, {"error": text})
    assert (await ask(*chat(stream=False))).status == 200


async def test_out_of_memory_on_demand_evicts_everything_like_the_real_one(simulator, ask):
    await ask(*chat())
    simulator.fail("out_of_memory", QWEN)
    got = await ask(*chat(model=QWEN))
    assert got.status == 500
    assert got.json["error"] == "model requires more system memory (27.4 GiB) than is available (20.6 GiB)"
    assert simulator.resident == []


async def test_a_refused_connection_brings_no_answer(simulator, ask):
    simulator.fail("refuse", times=2)
    for _ in range(2):
        with pytest.raises(BackendFault):
            await ask("GET", "/api/version")
    assert (await ask("GET", "/api/version")).status == 200


async def test_a_server_that_is_down_brings_no_answer_and_cuts_those_it_gives(simulator, ask):
    async def stop():
        await anyio.sleep(5)
        simulator.stop()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        with pytest.raises(BackendFault):
            await ask(*chat("[simulate tokens 100]"))
    with pytest.raises(BackendFault):
        await ask("GET", "/api/ps")


@pytest.mark.parametrize("how", ["hang", "stall", "load_hang"])
async def test_a_silent_runner_is_silent_for_as_long_as_it_is_told(simulator, ask, how):
    simulator.fail(how, LLAMA, seconds=1000.0, after=2)
    got = await ask(*chat())
    assert got.chunks[-1][0] > 1000
    assert (got.chunks[0][0] > 1000) == (how != "stall")


async def test_a_cut_connection_raises_in_the_middle(simulator, ask):
    simulator.fail("cut", LLAMA, after=2)
    with pytest.raises(BackendFault):
        await ask(*chat())
    assert simulator.runners.standing()[0].busy == 0


async def test_slow_is_slower_by_its_factor(simulator, ask):
    await ask(*chat())
    usual = (await ask(*chat())).chunks[-1][0]
    simulator.fail("slow", LLAMA, factor=4.0)
    assert (await ask(*chat())).chunks[-1][0] == pytest.approx(4 * usual)
    simulator.fail("slow_load", QWEN, factor=2.0)
    assert (await ask(*chat(model=QWEN, options={"num_ctx": 4096}))).chunks[0][0] > 26


async def test_an_unload_may_get_stuck(simulator, ask):
    await ask(*chat())
    simulator.fail("unload_stuck", LLAMA, seconds=60.0)
    await ask("POST", "/api/generate", {"model": LLAMA, "keep_alive": 0})
    await anyio.sleep(59)
    assert simulator.resident == [LLAMA]
    await anyio.sleep(2)
    assert simulator.resident == []


async def test_a_prompt_may_order_a_failure_of_its_own_answer(ask):
    assert "error" in (await ask(*chat("[simulate crash after 1]"))).lines[-1]


async def test_a_client_that_leaves_frees_the_slot_and_is_written_down(simulator, ask):
    with anyio.move_on_after(6):
        await ask(*chat("[simulate tokens 1000]"))
    assert list(simulator.journal.left) == [LLAMA]
    assert simulator.runners.standing()[0].busy == 0
    with anyio.move_on_after(0.001):
        await ask(*chat("x" * 4000))
    assert list(simulator.journal.left) == [LLAMA, LLAMA]
    assert (await ask(*chat())).status == 200


async def test_a_client_that_leaves_without_reading_frees_the_slot(simulator, ask):
    async with ask.transport.request(
        "POST", "/api/chat", b'{"model":"llama3.1:8b","messages":[{"role":"user","content":"hi"}]}'
    ):
        assert simulator.runners.standing()[0].busy == 1
    assert simulator.runners.standing()[0].busy == 0
    assert ask.transport.open_answers == 0
