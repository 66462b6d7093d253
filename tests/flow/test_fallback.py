"""Every failure of Ollama, told apart by its own words, and what follows it: the next candidate, or an honest error."""

import anyio
import pytest
from msgspec.structs import replace as altered

from innkeep import wire
from innkeepd.config.schema import RoleConfig
from innkeepd.simulator import answering
from innkeepd.simulator.answer import json_answer
from innkeepd.simulator.catalog import DEEPSEEK as DEEPSEEK_PULLED
from innkeepd.simulator.catalog import GIB, SHELF
from innkeepd.simulator.catalog import LLAMA8 as LLAMA8_PULLED
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V17, V33
from support.house import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, open_house

pytestmark = pytest.mark.anyio
CODE = "debug this function"


TOOL = {"type": "function", "function": {"name": "f"}}


def turns(end):
    attempts = end.attempts if isinstance(end, wire.Done) else end.detail["attempts"]
    return [(each["model"], each["code"]) if isinstance(each, dict) else (each.model, each.code) for each in attempts]


async def test_an_ollama_that_is_down_for_less_than_a_second_is_asked_again():
    async with open_house() as house:
        guest = house.connect()
        await guest.told(CODE)
        house.simulator.fail("refuse", QWEN, times=2)
        done = await guest.told(CODE)
        assert done.model == QWEN
        assert turns(done) == [(QWEN, "backend_unreachable"), (QWEN, "backend_unreachable"), (QWEN, None)]


async def test_an_ollama_that_is_down_is_told_and_nothing_hangs():
    async with open_house() as house:
        await anyio.sleep(1)
        house.simulator.stop()
        guest = house.connect()
        error = await guest.told(CODE)
        assert error.code == "backend_unreachable"
        assert error.retryable
        assert "connection refused" in error.message
        assert error.message.count("`ollama serve`") == 1
        assert house.is_quiet()
        house.simulator.start()
        assert (await guest.told(CODE)).model == QWEN


async def test_an_ollama_that_goes_away_under_a_resident_model_is_told_and_recovers():
    async with open_house() as house:
        guest = house.connect()
        await guest.told(CODE)
        house.simulator.stop()
        error = await guest.told(CODE, model=QWEN)
        assert error.code == "backend_unreachable"
        assert "`ollama serve`" in error.message
        assert (await guest.status()).counters.fallbacks == 0  # there was nobody to fall back to
        await anyio.sleep(5)
        assert not (await guest.status()).backend.reachable
        house.simulator.start()
        await anyio.sleep(12)
        status = await guest.status()
        assert status.backend.reachable
        assert status.resident == []
        assert (await guest.told(CODE)).model == QWEN


@pytest.mark.parametrize(
    ("ollama", "how", "code", "words"),
    [
        (V17, "load_failure", "load_failed", "error loading model: missing tensor"),
        (V33, "load_failure", "load_failed", "error loading model: check_tensor_dims"),
        (V17, "out_of_memory", "out_of_memory", "model requires more system memory"),
        (V33, "out_of_memory", "out_of_memory", "insufficient memory"),
    ],
)
async def test_a_load_that_fails_goes_on_to_the_next_candidate(ollama, how, code, words):
    async with open_house(simulator=Simulator(ollama=ollama)) as house:
        house.simulator.fail(how, QWEN)
        guest = house.connect()
        number = await guest.chat(CODE)
        done = await guest.end(number)
        assert done.model == DEEPSEEK
        assert turns(done) == [(QWEN, code), (DEEPSEEK, None)]
        assert words in done.attempts[0].message
        assert house.simulator.journal.most_heavy == 1


async def test_a_model_that_failed_to_load_cools_and_is_passed_over_for_a_minute():
    async with open_house() as house:
        house.simulator.fail("load_failure", QWEN)
        guest = house.connect()
        await guest.told(CODE)
        assert turns(await guest.told(CODE)) == [(QWEN, "load_failed"), (DEEPSEEK, None)]
        assert len(house.asked("/api/generate", QWEN)) == 1
        await anyio.sleep(61)
        assert (await guest.told(CODE)).model == QWEN


async def test_a_load_that_hangs_is_given_up_and_leaves_nothing_behind():
    async with open_house(config(timeouts={"load": 20.0})) as house:
        house.simulator.fail("load_hang", QWEN)
        guest = house.connect()
        done = await guest.told(CODE)
        assert done.model == DEEPSEEK
        assert done.attempts[0].message == f"{QWEN} did not load within 20 s"
        assert house.simulator.journal.most_heavy == 1


async def test_no_first_token_in_time_goes_on_with_the_next_candidate():
    async with open_house(config(timeouts={"first_token": 30.0})) as house:
        house.simulator.fail("hang", QWEN)
        guest = house.connect()
        number = await guest.chat(CODE)
        done = await guest.end(number)
        assert turns(done) == [(QWEN, "first_token_timeout"), (DEEPSEEK, None)]
        started = [each for each in guest.heard[number] if isinstance(each, wire.Started)]
        assert [(each.model, each.attempt) for each in started] == [(QWEN, 1), (DEEPSEEK, 2)]
        assert started[1].after.code == "first_token_timeout"
        assert QWEN not in guest.text(number)


async def test_a_long_prompt_gives_its_first_token_more_time():
    slow = altered(DEEPSEEK_PULLED, prefill=50.0)
    async with open_house(
        config(timeouts={"first_token": 10.0}), simulator=Simulator(models=[slow, LLAMA8_PULLED])
    ) as house:
        guest = house.connect()
        number = await guest.chat("why " * 3000, model=DEEPSEEK)
        done = await guest.end(number)
        assert isinstance(done, wire.Done), done
        assert done.timings.first_token > 50


async def test_a_stall_ends_in_a_partial_error_and_no_other_model_continues():
    async with open_house(config(timeouts={"stall": 15.0})) as house:
        house.simulator.fail("stall", QWEN, after=4)
        guest = house.connect()
        number = await guest.chat(CODE)
        error = await guest.end(number)
        assert (error.code, error.detail["partial"]) == ("stalled", True)
        assert guest.text(number)
        assert len([each for each in guest.heard[number] if isinstance(each, wire.Started)]) == 1
        assert house.asked("/api/chat", DEEPSEEK) == []
        assert (await guest.told(CODE)).model == QWEN


@pytest.mark.parametrize("ollama", [V17, V33], ids=["0.17", "0.33"])
async def test_a_runner_that_dies_before_the_first_token_goes_on_with_the_next_candidate(ollama):
    async with open_house(simulator=Simulator(ollama=ollama)) as house:
        house.simulator.fail("runner_dies_before", QWEN)
        guest = house.connect()
        number = await guest.chat(CODE)
        done = await guest.end(number)
        assert done.model == DEEPSEEK
        assert turns(done)[0][0] == QWEN
        assert ollama.texts.runner_died.partition(",")[0] in done.attempts[0].message
        assert house.simulator.journal.most_heavy == 1


async def test_metals_own_word_for_no_memory_is_out_of_memory():
    async with open_house() as house:
        house.simulator.fail("metal_out_of_memory", QWEN)
        guest = house.connect()
        assert turns(await guest.told(CODE)) == [(QWEN, "out_of_memory"), (DEEPSEEK, None)]


@pytest.mark.parametrize("how", ["crash", "cut"])
async def test_a_crash_in_mid_answer_is_honest_and_the_next_request_works(how):
    async with open_house() as house:
        house.simulator.fail(how, QWEN, after=5)
        guest = house.connect()
        number = await guest.chat(CODE)
        error = await guest.end(number)
        assert isinstance(error, wire.Error)
        assert error.detail["partial"] is True
        assert guest.text(number)
        assert house.asked("/api/chat", DEEPSEEK) == []
        second = await guest.chat(CODE)
        done = await guest.end(second)
        assert isinstance(done, wire.Done), done
        assert guest.text(second).startswith(f"(A simulated answer of {done.model}.)")


async def test_a_model_that_nobody_pulled_is_unknown_and_says_how_to_get_it():
    async with open_house() as house:
        guest = house.connect()
        error = await guest.told("hi", model="mistral:7b")
        assert error.code == "unknown_model"
        assert "ollama pull mistral:7b" in error.message
        assert house.loads() == []


async def test_fallbacks_of_the_requests_own_follow_a_model_that_nobody_pulled():
    async with open_house() as house:
        guest = house.connect()
        done = await guest.told("hi", model="mistral:7b", fallbacks=[LLAMA8])
        assert turns(done) == [("mistral:7b", "unknown_model"), (LLAMA8, None)]


async def test_a_model_pulled_after_the_start_is_found_at_once():
    async with open_house() as house:
        guest = house.connect()
        await guest.told("hi")
        house.simulator.catalog.add(altered(LLAMA8_PULLED, name="late:8b"))
        assert (await guest.told("hi", model="late:8b")).model == "late:8b"


async def test_a_roles_model_pulled_after_the_start_is_found_too():
    async with open_house(simulator=Simulator(models=[LLAMA8_PULLED])) as house:
        guest = house.connect()
        assert (await guest.told(CODE)).model == LLAMA8
        house.simulator.catalog.add(SHELF[0])
        await anyio.sleep(40)
        assert (await guest.told(CODE)).model == QWEN


async def test_ollamas_own_full_line_goes_on_with_the_next_candidate():
    async with open_house() as house:
        guest = house.connect()
        await guest.told(CODE)
        house.simulator.fail("queue_full", QWEN)
        done = await guest.told(CODE)
        assert turns(done) == [(QWEN, "queue_full"), (DEEPSEEK, None)]


@pytest.mark.parametrize("wish", [{"think": True}, {"tools": [{"type": "function", "function": {"name": "f"}}]}])
async def test_what_a_model_cannot_do_goes_to_one_that_can(wish):
    first, second = (QWEN, DEEPSEEK) if "think" in wish else (DEEPSEEK, QWEN)
    async with open_house() as house:
        guest = house.connect()
        done = await guest.told("hi", model=first, fallbacks=[second], **wish)
        assert turns(done) == [(first, "unsupported"), (second, None)]


async def test_what_no_candidate_can_do_is_told_with_every_attempt():
    async with open_house() as house:
        guest = house.connect()
        error = await guest.told("hi", model=LLAMA8, think=True)
        assert error.code == "unsupported"
        assert "does not support thinking" in error.message
        assert turns(error) == [(LLAMA8, "unsupported")]


@pytest.mark.parametrize(("ollama", "code"), [(V17, None), (V33, "unsupported")], ids=["0.17", "0.33"])
async def test_a_chat_model_is_asked_for_embeddings_only_where_ollama_lets_it(ollama, code):
    async with open_house(simulator=Simulator(ollama=ollama)) as house:
        guest = house.connect()
        await guest.told(CODE)
        end = await guest.answer(wire.Embed(id=900, input=["hello"], model=DEEPSEEK))
        assert getattr(end, "code", None) == code
        if code is not None:
            assert "does not support embedding" in end.message
            assert house.simulator.resident == [QWEN]
            assert len(house.loads()) == 1


async def test_a_gpu_out_of_memory_unloads_the_runner_and_looks_before_the_next_candidate():
    async with open_house(simulator=Simulator(ollama=V33, others=3 * GIB)) as house:
        guest = house.connect()
        await guest.told("hi", model=LLAMA8)
        house.simulator.fail("metal_out_of_memory", QWEN)
        done = await guest.told(CODE, model=QWEN, fallbacks=[LLAMA8])
        assert turns(done) == [(QWEN, "out_of_memory"), (LLAMA8, None)]
        assert [load.name for load in house.simulator.loads] == [LLAMA8, QWEN, LLAMA8]
        assert house.simulator.resident == [LLAMA8]


async def test_a_prompt_over_the_context_reloads_the_model_once_with_a_larger_one():
    async with open_house() as house:
        guest = house.connect()
        text = "debug this function " + "word " * 9500  # some 12,000 tokens: over 4096
        number = await guest.chat(text)
        done = await guest.end(number)
        assert isinstance(done, wire.Done), done
        assert (done.model, turns(done)[0]) == (QWEN, (QWEN, "context_overflow"))
        assert [(load.name, load.context) for load in house.simulator.loads] == [(QWEN, 4096), (QWEN, 16384)]
        await guest.told("debug this function")
        assert len(house.loads()) == 2


DENSE = "7 " * 8500
"""A text of one token a character where the estimate has four: 17,000 instead of 4,250."""


async def test_a_refusal_that_tells_the_tokens_grows_the_context_in_one_step(monkeypatch):
    monkeypatch.setattr(answering, "count", len)
    async with open_house(simulator=Simulator(ollama=V33)) as house:
        done = await house.connect().told(DENSE, model=LLAMA8)
        assert [(load.name, load.context) for load in house.simulator.loads] == [(LLAMA8, 4096), (LLAMA8, 32768)]
        assert turns(done) == [(LLAMA8, "context_overflow"), (LLAMA8, None)]


async def test_a_refusal_without_a_number_grows_the_context_for_as_long_as_it_grows(monkeypatch):
    monkeypatch.setattr(answering, "count", len)
    async with open_house(simulator=Simulator(ollama=V17)) as house:
        done = await house.connect().told(DENSE, model=LLAMA8)
        assert [load.context for load in house.simulator.loads] == [4096, 8192, 16384, 32768]
        assert turns(done)[-1] == (LLAMA8, None)


async def test_a_prompt_over_every_context_of_a_model_goes_to_one_with_a_larger_context():
    short = altered(SHELF[0], max_context=4096)
    async with open_house(simulator=Simulator(models=[short, LLAMA8_PULLED])) as house:
        guest = house.connect()
        done = await guest.told("debug this function " + "word " * 5000)
        assert turns(done)[-2:] == [(QWEN, "context_overflow"), (LLAMA8, None)] or done.model == LLAMA8


async def test_a_prompt_over_every_context_is_context_overflow():
    short = altered(LLAMA8_PULLED, max_context=4096)
    async with open_house(simulator=Simulator(models=[short])) as house:
        guest = house.connect()
        error = await guest.told("hi " * 9000, model=LLAMA8)
        assert error.code == "context_overflow"


async def test_what_never_fits_is_refused_before_ollama_hears_of_it():
    async with open_house() as house:
        guest = house.connect()
        await guest.told(CODE)
        error = await guest.told("hi", model=LLAMA70)
        assert error.code == "never_fits"
        assert "GiB" in error.message
        assert house.asked("/api/generate", LLAMA70) == house.asked("/api/chat", LLAMA70) == []
        assert house.simulator.resident == [QWEN]


async def test_all_candidates_failing_tells_each_and_the_last_ones_code():
    async with open_house() as house:
        house.simulator.fail("load_failure", QWEN)
        house.simulator.fail("out_of_memory", DEEPSEEK)
        house.simulator.fail("load_failure", LLAMA8)
        guest = house.connect()
        error = await guest.told(CODE)
        assert error.code == "load_failed"
        assert turns(error) == [
            (QWEN, "load_failed"), (DEEPSEEK, "out_of_memory"), (LLAMA70, "never_fits"), (LLAMA8, "load_failed"),
        ]  # fmt: skip


async def test_no_text_of_two_models_is_ever_joined():
    async with open_house(config(timeouts={"stall": 5.0, "first_token": 20.0})) as house:
        guest = house.connect()
        for how in ("hang", "crash", "stall", "cut", "runner_dies_before", "metal_out_of_memory"):
            house.simulator.fail(how, QWEN, after=2)
            number = await guest.chat(CODE)
            await guest.end(number)
            assert sum(name in guest.text(number) for name in (QWEN, DEEPSEEK, LLAMA8)) <= 1
            await anyio.sleep(700)  # whatever was cooling is cool


async def test_a_smaller_model_taken_for_lack_of_patience_leaves_the_better_ones_to_fall_back_to():
    async with open_house(simulator=Simulator(others=3 * GIB)) as house:
        guest, other = house.connect(), house.connect()
        busy = await other.chat("why [simulate tokens 1000]", model=DEEPSEEK)
        await other.until(busy, wire.Delta)
        await guest.told("hi", model=LLAMA8)
        house.simulator.fail("runner_dies_before", LLAMA8)
        done = await guest.told(CODE, model=QWEN, fallbacks=[LLAMA8], patience=5.0)
        assert isinstance(done, wire.Done), done
        assert turns(done) == [(QWEN, "patience"), (LLAMA8, turns(done)[1][1]), (QWEN, None)]
        await other.end(busy)


async def test_a_deadline_ends_a_wait_and_an_answer():
    async with open_house() as house:
        guest = house.connect()
        waited = await guest.told(CODE, deadline=2.0)
        assert (waited.code, waited.detail) == ("deadline_exceeded", {})
        await anyio.sleep(60)
        number = await guest.chat(f"{CODE} [simulate tokens 2000]", deadline=30.0)
        error = await guest.end(number)
        assert (error.code, error.detail["partial"]) == ("deadline_exceeded", True)
        assert house.is_quiet()
        assert list(house.simulator.journal.left) == [QWEN]


async def test_a_role_of_one_model_has_no_other_to_go_to():
    alone = {"coding": RoleConfig(primary=QWEN, keywords=("code",)), **{
        role: RoleConfig(primary=LLAMA8) for role in ("reasoning", "general")
    }}  # fmt: skip
    async with open_house(config(roles=alone)) as house:
        house.simulator.fail("load_failure", QWEN)
        guest = house.connect()
        error = await guest.told("code", role="coding")
        assert (error.code, turns(error)) == ("load_failed", [(QWEN, "load_failed")])


async def test_a_wish_to_think_does_not_skip_the_primary_of_a_role():
    async with open_house() as house:
        done = await house.connect().told("hi", role="coding", think=True)
        assert turns(done) == [(QWEN, None)]
        assert "cannot think" in house.records[-1]["warnings"][0]
        done = await house.connect().told("hi", role="coding", think=True, tools=[TOOL])
        assert turns(done)[-1] == (QWEN, None)
        await house.connect().told("hi", role="reasoning", think=True)
        assert [each.body.get("think") for each in house.asked("/api/chat")] == [None, None, True]


async def test_an_unknown_error_text_of_ollama_is_reported_once_without_what_it_quotes():
    async with open_house() as house:
        guest, heard = house.connect(), []
        house.keeper.on_event.append(lambda _kind, what, data: heard.append((what, data.get("text"))))
        handle = house.simulator.handle

        async def odd(method, path, body=None):
            if path == "/api/chat":
                return json_answer({"error": "the flux capacitor is empty: 'a secret'"}, status=500)
            return await handle(method, path, body)

        house.simulator.handle = odd
        for _ in range(2):
            error = await guest.told("hi", model=LLAMA8)
            assert (error.code, error.message) == ("backend_error", "the flux capacitor is empty: 'a secret'")
        told = [text for what, text in heard if what.startswith("unknown error text of Ollama")]
        assert told == ["the flux capacitor is empty:"]
