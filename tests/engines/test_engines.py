"""Fail-over to engines that other people built: a Ray Serve application and a LiteLLM proxy, both over real sockets."""

import anyio
import psutil
import pytest

from innkeep import wire
from support.far import NEAR, chain, open_far_house
from support.ollama import PsSampler

pytestmark = pytest.mark.anyio

RAY, LITELLM = "far/llama3.3", "far/far-mid"
TOKEN = "sk-engines-only"


def turns(end):
    if isinstance(end, wire.Done):
        return [(each.model, each.code) for each in end.attempts]
    return [(each["model"], each["code"]) for each in end.detail["attempts"]]


async def heard(client, text, **more):
    number = await client.chat(text, **more)
    with anyio.fail_after(90):
        return await client.end(number), client.text(number)


async def answers_again(client, watching):
    """Wait until the daemon says that an engine is back."""
    count = 1
    with anyio.fail_after(60):
        while (await client.until(watching, wire.Event, count)).what != "answers again":
            count += 1


# ---- Ray Serve -------------------------------------------------------------------------------------------------------
async def test_words_come_as_the_cluster_says_them_and_no_local_model_leaves(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as daemon:
        client = daemon.connect()
        await client.answer(wire.Load(id=0, model="big"))
        with PsSampler(here.port) as sampler:
            number = await client.chat("hi [words 5] [pause 0.1]")
            done = await client.end(number)
        assert done.model == RAY
        assert client.text(number).endswith(" word0 word1 word2 word3 word4")
        deltas = [
            at for at, each in zip(client.at[number], client.heard[number], strict=True) if isinstance(each, wire.Delta)
        ]
        assert deltas[-1] - deltas[0] > 0.3
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (5, 6)
        assert ["big" in models for models in {sample.models for sample in sampler.samples}] == [True]


async def test_both_replicas_serve(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as daemon:
        clients = [daemon.connect() for _ in range(4)]
        asked = [await client.chat("hi [words 5] [pause 0.2]") for client in clients]
        ends = [await client.end(number) for client, number in zip(clients, asked, strict=True)]
        assert {end.model for end in ends} == {RAY}
        assert len({client.text(number).split()[0] for client, number in zip(clients, asked, strict=True)}) == 2


async def test_a_replica_killed_in_mid_answer_is_told_honestly_and_the_other_serves_the_next(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as daemon:
        client = daemon.connect()
        number = await client.chat("hi [words 100] [pause 0.2]")
        await client.until(number, wire.Delta, count=3)
        replica = psutil.Process(int(client.text(number).split()[0]))
        assert "Replica" in replica.name() + " ".join(replica.cmdline())
        replica.kill()
        with anyio.fail_after(30):
            error = await client.end(number)
        assert isinstance(error, wire.Error)
        assert error.detail["partial"] is True
        assert client.text(number)
        done, text = await heard(client, "hi again")
        assert done.model == RAY
        assert int(text.split()[0]) != replica.pid


async def test_a_replica_that_dies_before_its_first_word_is_followed_by_the_local_model(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as daemon:
        done, text = await heard(daemon.connect(), "[die]")
        assert (done.model, turns(done)[0][0]) == (NEAR, RAY)
        assert turns(done)[0][1] in {"backend_error", "backend_unreachable"}
        assert text


async def test_a_model_that_the_cluster_does_not_have_goes_on_to_the_local_one(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "mistral"), tmp_path) as daemon:
        done, _ = await heard(daemon.connect(), "hi")
        assert turns(done) == [("far/mistral", "unknown_model"), (NEAR, None)]


async def test_a_cluster_that_is_gone_is_tried_by_one_request_and_passed_over_by_the_next(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as daemon:
        client = daemon.connect()
        assert (await heard(client, "hi"))[0].model == RAY
        ray[0].kill()
        done, _ = await heard(client, "hi")
        assert (done.model, turns(done)[0]) == (NEAR, (RAY, "backend_unreachable"))
        done, _ = await heard(client, "hi")
        assert turns(done) == [(RAY, "backend_unreachable"), (NEAR, None)]
        assert (done.attempts[0].outcome, done.attempts[0].seconds) == ("passed_over", 0)
        assert any("far/llama3.3 is not used for" in text for text in (await client.status()).warnings)


# ---- LiteLLM ---------------------------------------------------------------------------------------------------------
async def test_a_real_model_behind_a_real_proxy_streams_and_no_local_model_leaves(here, there, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as daemon:
        client = daemon.connect()
        await client.answer(wire.Load(id=0, model="big"))
        with PsSampler(here.port) as sampler:
            number = await client.chat("hello there", options={"num_predict": 20, "temperature": 0, "seed": 1})
            done = await client.end(number)
        assert (done.model, done.finish_reason) == (LITELLM, "length")
        assert len([each for each in client.heard[number] if isinstance(each, wire.Delta)]) > 5
        assert done.usage.completion_tokens == 20
        assert ["big" in models for models in {sample.models for sample in sampler.samples}] == [True]
        assert "mid" in there.loaded()


async def test_a_token_that_is_wrong_is_said_in_the_record_and_the_local_model_serves(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token="sk-wrong"), tmp_path) as daemon:
        done, _ = await heard(daemon.connect(), "hi")
        assert done.model == NEAR
        assert turns(done)[0][0] == LITELLM
        assert "sk-wrong" not in repr([done, daemon.app.config])


async def test_where_this_machines_ollama_is_down_the_proxy_serves(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=NEAR)
        here.stop()
        try:
            done = await client.chat_to_end("hi", model="big", fallbacks=[LITELLM], options={"num_predict": 5})
        finally:
            here.start()
        assert done.model == LITELLM


async def test_a_proxy_whose_own_engine_died_is_followed_by_the_local_model(here, there, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as daemon:
        there.stop()
        try:
            done, _ = await heard(daemon.connect(), "hi")
        finally:
            there.start()
        assert turns(done) == [(LITELLM, "backend_error"), (NEAR, None)]


async def test_a_proxy_that_goes_away_and_comes_back_serves_again_by_itself(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as daemon:
        client = daemon.connect()
        assert (await heard(client, "hi"))[0].model == LITELLM
        watching = await client.ask(wire.Watch(id=0, kinds=["backend"]))
        litellm[0].kill()
        assert (await heard(client, "hi"))[0].model == NEAR
        await anyio.to_thread.run_sync(litellm[0].start)
        await answers_again(client, watching)
        assert (await heard(client, "hi"))[0].model == LITELLM
