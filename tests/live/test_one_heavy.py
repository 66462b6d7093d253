"""The product's promise on the real Ollama: never two heavy models, not for an instant, and an answer for everybody."""

import anyio
import pytest

from support.live import RunnerSampler, options
from support.ollama import PsSampler

CONTEXT = 4096


@pytest.fixture
def anyio_backend():
    return "asyncio"


def directly(ollama, model, text, tokens):
    """What Ollama itself answers to the same question."""
    answer = ollama.chat(model, text, options={**options(tokens), "num_ctx": CONTEXT}, keep_alive=60)
    return answer.body["message"]["content"]


def test_ask_one_ask_the_other_and_the_first_again(ollama, start_daemon):
    # Two would fit by their bytes and by Ollama's own rules: only the house's rule keeps them apart.
    daemon = start_daemon(budget="2GB")
    with PsSampler(ollama.port) as shown, RunnerSampler(ollama) as runners:
        said = [daemon.ask(model, "hi", tokens=4) for model in ("big", "big2", "big")]
    assert [each.done.model for each in said] == ["big:latest", "big2:latest", "big:latest"]
    assert shown.seen_together("big", "big2") == []
    assert [models for models in shown.history() if models] == [("big",), ("big2",), ("big",)]
    assert runners.most == 1
    assert len(runners.pids) == 3
    counters = daemon.status().counters
    assert (counters.loads, counters.unloads, counters.swaps, counters.foreign_loads) == (3, 2, 2, 0)
    # The last one stands in memory still; the other one is asked last, for Ollama alone would keep both.
    assert said[0].text == said[2].text == directly(ollama, "big", "hi", 4)
    assert said[1].text == directly(ollama, "big2", "hi", 4)
    assert said[0].text != said[1].text


def test_a_light_one_stands_beside_a_heavy_one(ollama, daemon):
    with PsSampler(ollama.port) as shown:
        daemon.ask("big")
        daemon.ask("mid")
        daemon.ask("big")
    assert [models for models in shown.history() if models] == [("big",), ("big", "mid")]
    assert daemon.status().counters.unloads == 0


HEAVY_TINY = """
[models.tiny]
weight = "heavy"
[models.tools]
weight = "heavy"
"""


@pytest.mark.anyio
async def test_fifty_clients_at_once_on_three_models_get_each_his_own_answer(ollama, start_daemon):
    daemon = start_daemon(more=HEAVY_TINY)
    models = [("mid", "tiny", "tools")[number % 3] for number in range(50)]
    # Not "x": with that one of these answers holds bytes that are no UTF-8, and Ollama 0.33 drops it without an error.
    prompts = [f"{number:02}" + "y" * number if number % 3 else f"{number:02}" for number in range(50)]
    tokens = [2 if models[number] == "mid" else 3 + number for number in range(50)]
    said = {}

    async def visit(number):
        answer = client.chat(prompts[number], model=models[number], options=options(tokens[number]))
        said[number] = (await answer.read(), answer.done)

    with PsSampler(ollama.port) as shown, RunnerSampler(ollama) as runners:
        async with daemon.async_client() as client:
            async with anyio.create_task_group() as visits:
                for number in range(50):
                    visits.start_soon(visit, number)
            counters = (await client.status()).counters
    assert shown.seen_together("tiny", "tools") == []
    assert runners.most == 2
    done = {number: done for number, (_, done) in said.items()}
    assert {number: each.model for number, each in done.items()} == {n: f"{m}:latest" for n, m in enumerate(models)}
    # A token a byte and one at the beginning: the lengths tell whose prompt and whose wish it was that was answered.
    assert {number: each.usage.prompt_tokens for number, each in done.items()} == {
        number: len(prompt) + 1 for number, prompt in enumerate(prompts)
    }
    assert {number: each.usage.completion_tokens for number, each in done.items()} == dict(enumerate(tokens))
    # Nobody became overdue: each heavy model came once, and one of them left for the other.
    assert (counters.requests, counters.swaps, counters.loads, counters.refusals) == (50, 1, 3, 0)
    for number in sorted(said, key=lambda number: models[number]):
        assert said[number][0] == directly(ollama, models[number], prompts[number], tokens[number])
