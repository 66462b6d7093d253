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


async def heard(guest, text, **more):
    number = await guest.chat(text, **more)
    with anyio.fail_after(90):
        return await guest.end(number), guest.text(number)


async def answers_again(guest, watching):
    """Wait until the daemon says that an engine is back."""
    count = 1
    with anyio.fail_after(60):
        while (await guest.until(watching, wire.Event, count)).what != "answers again":
            count += 1


# ---- Ray Serve -------------------------------------------------------------------------------------------------------
async def test_words_come_as_the_cluster_says_them_and_no_local_model_leaves(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as house:
        guest = house.connect()
        await guest.answer(wire.Load(id=0, model="big"))
        with PsSampler(here.port) as sampler:
            number = await guest.chat("hi [words 5] [pause 0.1]")
            done = await guest.end(number)
        assert done.model == RAY
        assert guest.text(number).endswith(" word0 word1 word2 word3 word4")
        deltas = [
            at for at, each in zip(guest.at[number], guest.heard[number], strict=True) if isinstance(each, wire.Delta)
        ]
        assert deltas[-1] - deltas[0] > 0.3
        assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (5, 6)
        assert ["big" in models for models in {sample.models for sample in sampler.samples}] == [True]


async def test_both_replicas_serve(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as house:
        guests = [house.connect() for _ in range(4)]
        asked = [await guest.chat("hi [words 5] [pause 0.2]") for guest in guests]
        ends = [await guest.end(number) for guest, number in zip(guests, asked, strict=True)]
        assert {end.model for end in ends} == {RAY}
        assert len({guest.text(number).split()[0] for guest, number in zip(guests, asked, strict=True)}) == 2


async def test_a_replica_killed_in_mid_answer_is_told_honestly_and_the_other_serves_the_next(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as house:
        guest = house.connect()
        number = await guest.chat("hi [words 100] [pause 0.2]")
        await guest.until(number, wire.Delta, count=3)
        replica = psutil.Process(int(guest.text(number).split()[0]))
        assert "Replica" in replica.name() + " ".join(replica.cmdline())
        replica.kill()
        with anyio.fail_after(30):
            error = await guest.end(number)
        assert isinstance(error, wire.Error)
        assert error.detail["partial"] is True
        assert guest.text(number)
        done, text = await heard(guest, "hi again")
        assert done.model == RAY
        assert int(text.split()[0]) != replica.pid


async def test_a_replica_that_dies_before_its_first_word_is_followed_by_the_local_model(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as house:
        done, text = await heard(house.connect(), "[die]")
        assert (done.model, turns(done)[0][0]) == (NEAR, RAY)
        assert turns(done)[0][1] in {"backend_error", "backend_unreachable"}
        assert text


async def test_a_model_that_the_cluster_does_not_have_goes_on_to_the_local_one(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "mistral"), tmp_path) as house:
        done, _ = await heard(house.connect(), "hi")
        assert turns(done) == [("far/mistral", "unknown_model"), (NEAR, None)]


async def test_a_cluster_that_is_gone_is_tried_by_one_request_and_passed_over_by_the_next(here, ray, tmp_path):
    async with open_far_house(chain(here.url, ray[1], "llama3.3"), tmp_path) as house:
        guest = house.connect()
        assert (await heard(guest, "hi"))[0].model == RAY
        ray[0].kill()
        done, _ = await heard(guest, "hi")
        assert (done.model, turns(done)[0]) == (NEAR, (RAY, "backend_unreachable"))
        done, _ = await heard(guest, "hi")
        assert turns(done) == [(RAY, "backend_unreachable"), (NEAR, None)]
        assert (done.attempts[0].outcome, done.attempts[0].seconds) == ("passed_over", 0)
        assert any("far/llama3.3 is not used for" in text for text in (await guest.status()).warnings)


# ---- LiteLLM ---------------------------------------------------------------------------------------------------------
async def test_a_real_model_behind_a_real_proxy_streams_and_no_local_model_leaves(here, there, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as house:
        guest = house.connect()
        await guest.answer(wire.Load(id=0, model="big"))
        with PsSampler(here.port) as sampler:
            number = await guest.chat("hello there", options={"num_predict": 20, "temperature": 0, "seed": 1})
            done = await guest.end(number)
        assert (done.model, done.finish_reason) == (LITELLM, "length")
        assert len([each for each in guest.heard[number] if isinstance(each, wire.Delta)]) > 5
        assert done.usage.completion_tokens == 20
        assert ["big" in models for models in {sample.models for sample in sampler.samples}] == [True]
        assert "mid" in there.loaded()


async def test_a_token_that_is_wrong_is_said_in_the_record_and_the_local_model_serves(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token="sk-wrong"), tmp_path) as house:
        done, _ = await heard(house.connect(), "hi")
        assert done.model == NEAR
        assert turns(done)[0][0] == LITELLM
        assert "sk-wrong" not in repr([done, house.rooms.config])


async def test_where_this_machines_ollama_is_down_the_proxy_serves(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as house:
        guest = house.connect()
        await guest.told("hi", model=NEAR)
        here.stop()
        try:
            done = await guest.told("hi", model="big", fallbacks=[LITELLM], options={"num_predict": 5})
        finally:
            here.start()
        assert done.model == LITELLM


async def test_a_proxy_whose_own_engine_died_is_followed_by_the_local_model(here, there, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as house:
        there.stop()
        try:
            done, _ = await heard(house.connect(), "hi")
        finally:
            there.start()
        assert turns(done) == [(LITELLM, "backend_error"), (NEAR, None)]


async def test_a_proxy_that_goes_away_and_comes_back_serves_again_by_itself(here, litellm, tmp_path):
    async with open_far_house(chain(here.url, litellm[1], "far-mid", token=TOKEN), tmp_path) as house:
        guest = house.connect()
        assert (await heard(guest, "hi"))[0].model == LITELLM
        watching = await guest.ask(wire.Watch(id=0, kinds=["backend"]))
        litellm[0].kill()
        assert (await heard(guest, "hi"))[0].model == NEAR
        await anyio.to_thread.run_sync(litellm[0].start)
        await answers_again(guest, watching)
        assert (await heard(guest, "hi"))[0].model == LITELLM
