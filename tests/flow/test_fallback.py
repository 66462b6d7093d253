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
from support.daemon import DEEPSEEK, LLAMA8, LLAMA70, QWEN, config, open_daemon

pytestmark = pytest.mark.anyio
CODE = "debug this function"


TOOL = {"type": "function", "function": {"name": "f"}}


def turns(end):
    attempts = end.attempts if isinstance(end, wire.Done) else end.detail["attempts"]
    return [(each["model"], each["code"]) if isinstance(each, dict) else (each.model, each.code) for each in attempts]


async def test_an_ollama_that_is_down_for_less_than_a_second_is_asked_again():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.fail("refuse", QWEN, times=2)
        done = await client.chat_to_end(CODE)
        assert done.model == QWEN
        assert turns(done) == [(QWEN, "backend_unreachable"), (QWEN, "backend_unreachable"), (QWEN, None)]


async def test_an_ollama_that_is_down_is_told_and_nothing_hangs():
    async with open_daemon() as daemon:
        await anyio.sleep(1)
        daemon.simulator.stop()
        client = daemon.connect()
        error = await client.chat_to_end(CODE)
        assert error.code == "backend_unreachable"
        assert error.retryable
        assert "connection refused" in error.message
        assert error.message.count("`ollama serve`") == 1
        assert daemon.is_quiet()
        daemon.simulator.start()
        assert (await client.chat_to_end(CODE)).model == QWEN


async def test_an_ollama_that_goes_away_under_a_resident_model_is_told_and_recovers():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.stop()
        error = await client.chat_to_end(CODE, model=QWEN)
        assert error.code == "backend_unreachable"
        assert "`ollama serve`" in error.message
        assert (await client.status()).counters.fallbacks == 0  # there was nobody to fall back to
        await anyio.sleep(5)
        assert not (await client.status()).backend.reachable
        daemon.simulator.start()
        await anyio.sleep(12)
        status = await client.status()
        assert status.backend.reachable
        assert status.resident == []
        assert (await client.chat_to_end(CODE)).model == QWEN


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
    async with open_daemon(simulator=Simulator(ollama=ollama)) as daemon:
        daemon.simulator.fail(how, QWEN)
        client = daemon.connect()
        number = await client.chat(CODE)
        done = await client.end(number)
        assert done.model == DEEPSEEK
        assert turns(done) == [(QWEN, code), (DEEPSEEK, None)]
        assert words in done.attempts[0].message
        assert daemon.simulator.journal.most_heavy == 1


async def test_a_model_that_failed_to_load_cools_and_is_passed_over_for_a_minute():
    async with open_daemon() as daemon:
        daemon.simulator.fail("load_failure", QWEN)
        client = daemon.connect()
        await client.chat_to_end(CODE)
        assert turns(await client.chat_to_end(CODE)) == [(QWEN, "load_failed"), (DEEPSEEK, None)]
        assert len(daemon.asked("/api/generate", QWEN)) == 1
        await anyio.sleep(61)
        assert (await client.chat_to_end(CODE)).model == QWEN


async def test_a_load_that_hangs_is_given_up_and_leaves_nothing_behind():
    async with open_daemon(config(timeouts={"load": 20.0})) as daemon:
        daemon.simulator.fail("load_hang", QWEN)
        client = daemon.connect()
        done = await client.chat_to_end(CODE)
        assert done.model == DEEPSEEK
        assert done.attempts[0].message == f"{QWEN} did not load within 20 s"
        assert daemon.simulator.journal.most_heavy == 1


async def test_no_first_token_in_time_goes_on_with_the_next_candidate():
    async with open_daemon(config(timeouts={"first_token": 30.0})) as daemon:
        daemon.simulator.fail("hang", QWEN)
        client = daemon.connect()
        number = await client.chat(CODE)
        done = await client.end(number)
        assert turns(done) == [(QWEN, "first_token_timeout"), (DEEPSEEK, None)]
        started = [each for each in client.heard[number] if isinstance(each, wire.Started)]
        assert [(each.model, each.attempt) for each in started] == [(QWEN, 1), (DEEPSEEK, 2)]
        assert started[1].after.code == "first_token_timeout"
        assert QWEN not in client.text(number)


async def test_a_long_prompt_gives_its_first_token_more_time():
    slow = altered(DEEPSEEK_PULLED, prefill=50.0)
    async with open_daemon(
        config(timeouts={"first_token": 10.0}), simulator=Simulator(models=[slow, LLAMA8_PULLED])
    ) as daemon:
        client = daemon.connect()
        number = await client.chat("why " * 3000, model=DEEPSEEK)
        done = await client.end(number)
        assert isinstance(done, wire.Done), done
        assert done.timings.first_token > 50


async def test_a_stall_ends_in_a_partial_error_and_no_other_model_continues():
    async with open_daemon(config(timeouts={"stall": 15.0})) as daemon:
        daemon.simulator.fail("stall", QWEN, after=4)
        client = daemon.connect()
        number = await client.chat(CODE)
        error = await client.end(number)
        assert (error.code, error.detail["partial"]) == ("stalled", True)
        assert client.text(number)
        assert len([each for each in client.heard[number] if isinstance(each, wire.Started)]) == 1
        assert daemon.asked("/api/chat", DEEPSEEK) == []
        assert (await client.chat_to_end(CODE)).model == QWEN


@pytest.mark.parametrize("ollama", [V17, V33], ids=["0.17", "0.33"])
async def test_a_runner_that_dies_before_the_first_token_goes_on_with_the_next_candidate(ollama):
    async with open_daemon(simulator=Simulator(ollama=ollama)) as daemon:
        daemon.simulator.fail("runner_dies_before", QWEN)
        client = daemon.connect()
        number = await client.chat(CODE)
        done = await client.end(number)
        assert done.model == DEEPSEEK
        assert turns(done)[0][0] == QWEN
        assert ollama.texts.runner_died.partition(",")[0] in done.attempts[0].message
        assert daemon.simulator.journal.most_heavy == 1


async def test_metals_own_word_for_no_memory_is_out_of_memory():
    async with open_daemon() as daemon:
        daemon.simulator.fail("metal_out_of_memory", QWEN)
        client = daemon.connect()
        assert turns(await client.chat_to_end(CODE)) == [(QWEN, "out_of_memory"), (DEEPSEEK, None)]


@pytest.mark.parametrize("how", ["crash", "cut"])
async def test_a_crash_in_mid_answer_is_honest_and_the_next_request_works(how):
    async with open_daemon() as daemon:
        daemon.simulator.fail(how, QWEN, after=5)
        client = daemon.connect()
        number = await client.chat(CODE)
        error = await client.end(number)
        assert isinstance(error, wire.Error)
        assert error.detail["partial"] is True
        assert client.text(number)
        assert daemon.asked("/api/chat", DEEPSEEK) == []
        second = await client.chat(CODE)
        done = await client.end(second)
        assert isinstance(done, wire.Done), done
        assert client.text(second).startswith(f"(A simulated answer of {done.model}.)")


async def test_a_model_that_nobody_pulled_is_unknown_and_says_how_to_get_it():
    async with open_daemon() as daemon:
        client = daemon.connect()
        error = await client.chat_to_end("hi", model="mistral:7b")
        assert error.code == "unknown_model"
        assert "ollama pull mistral:7b" in error.message
        assert daemon.loads() == []


async def test_fallbacks_of_the_requests_own_follow_a_model_that_nobody_pulled():
    async with open_daemon() as daemon:
        client = daemon.connect()
        done = await client.chat_to_end("hi", model="mistral:7b", fallbacks=[LLAMA8])
        assert turns(done) == [("mistral:7b", "unknown_model"), (LLAMA8, None)]


async def test_a_model_pulled_after_the_start_is_found_at_once():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi")
        daemon.simulator.catalog.add(altered(LLAMA8_PULLED, name="late:8b"))
        assert (await client.chat_to_end("hi", model="late:8b")).model == "late:8b"


async def test_a_roles_model_pulled_after_the_start_is_found_too():
    async with open_daemon(simulator=Simulator(models=[LLAMA8_PULLED])) as daemon:
        client = daemon.connect()
        assert (await client.chat_to_end(CODE)).model == LLAMA8
        daemon.simulator.catalog.add(SHELF[0])
        await anyio.sleep(40)
        assert (await client.chat_to_end(CODE)).model == QWEN


async def test_ollamas_own_full_line_goes_on_with_the_next_candidate():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        daemon.simulator.fail("queue_full", QWEN)
        done = await client.chat_to_end(CODE)
        assert turns(done) == [(QWEN, "queue_full"), (DEEPSEEK, None)]


@pytest.mark.parametrize("spec", [{"think": True}, {"tools": [{"type": "function", "function": {"name": "f"}}]}])
async def test_what_a_model_cannot_do_goes_to_one_that_can(spec):
    first, second = (QWEN, DEEPSEEK) if "think" in spec else (DEEPSEEK, QWEN)
    async with open_daemon() as daemon:
        client = daemon.connect()
        done = await client.chat_to_end("hi", model=first, fallbacks=[second], **spec)
        assert turns(done) == [(first, "unsupported"), (second, None)]


async def test_what_no_candidate_can_do_is_told_with_every_attempt():
    async with open_daemon() as daemon:
        client = daemon.connect()
        error = await client.chat_to_end("hi", model=LLAMA8, think=True)
        assert error.code == "unsupported"
        assert "does not support thinking" in error.message
        assert turns(error) == [(LLAMA8, "unsupported")]


@pytest.mark.parametrize(("ollama", "code"), [(V17, None), (V33, "unsupported")], ids=["0.17", "0.33"])
async def test_a_chat_model_is_asked_for_embeddings_only_where_ollama_lets_it(ollama, code):
    async with open_daemon(simulator=Simulator(ollama=ollama)) as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        end = await client.answer(wire.Embed(id=900, input=["hello"], model=DEEPSEEK))
        assert getattr(end, "code", None) == code
        if code is not None:
            assert "does not support embedding" in end.message
            assert daemon.simulator.resident == [QWEN]
            assert len(daemon.loads()) == 1


async def test_a_gpu_out_of_memory_unloads_the_runner_and_looks_before_the_next_candidate():
    async with open_daemon(simulator=Simulator(ollama=V33, others=3 * GIB)) as daemon:
        client = daemon.connect()
        await client.chat_to_end("hi", model=LLAMA8)
        daemon.simulator.fail("metal_out_of_memory", QWEN)
        done = await client.chat_to_end(CODE, model=QWEN, fallbacks=[LLAMA8])
        assert turns(done) == [(QWEN, "out_of_memory"), (LLAMA8, None)]
        assert [load.name for load in daemon.simulator.loads] == [LLAMA8, QWEN, LLAMA8]
        assert daemon.simulator.resident == [LLAMA8]


async def test_a_prompt_over_the_context_reloads_the_model_once_with_a_larger_one():
    async with open_daemon() as daemon:
        client = daemon.connect()
        text = "debug this function " + "word " * 9500  # some 12,000 tokens: over 4096
        number = await client.chat(text)
        done = await client.end(number)
        assert isinstance(done, wire.Done), done
        assert (done.model, turns(done)[0]) == (QWEN, (QWEN, "context_overflow"))
        assert [(load.name, load.context) for load in daemon.simulator.loads] == [(QWEN, 4096), (QWEN, 16384)]
        await client.chat_to_end("debug this function")
        assert len(daemon.loads()) == 2


DENSE = "7 " * 8500
"""A text of one token a character where the estimate has four: 17,000 instead of 4,250."""


async def test_a_refusal_that_tells_the_tokens_grows_the_context_in_one_step(monkeypatch):
    monkeypatch.setattr(answering, "count", len)
    async with open_daemon(simulator=Simulator(ollama=V33)) as daemon:
        done = await daemon.connect().chat_to_end(DENSE, model=LLAMA8)
        assert [(load.name, load.context) for load in daemon.simulator.loads] == [(LLAMA8, 4096), (LLAMA8, 32768)]
        assert turns(done) == [(LLAMA8, "context_overflow"), (LLAMA8, None)]


async def test_a_refusal_without_a_number_grows_the_context_for_as_long_as_it_grows(monkeypatch):
    monkeypatch.setattr(answering, "count", len)
    async with open_daemon(simulator=Simulator(ollama=V17)) as daemon:
        done = await daemon.connect().chat_to_end(DENSE, model=LLAMA8)
        assert [load.context for load in daemon.simulator.loads] == [4096, 8192, 16384, 32768]
        assert turns(done)[-1] == (LLAMA8, None)


async def test_a_prompt_over_every_context_of_a_model_goes_to_one_with_a_larger_context():
    short = altered(SHELF[0], max_context=4096)
    async with open_daemon(simulator=Simulator(models=[short, LLAMA8_PULLED])) as daemon:
        client = daemon.connect()
        done = await client.chat_to_end("debug this function " + "word " * 5000)
        assert turns(done)[-2:] == [(QWEN, "context_overflow"), (LLAMA8, None)] or done.model == LLAMA8


async def test_a_prompt_over_every_context_is_context_overflow():
    short = altered(LLAMA8_PULLED, max_context=4096)
    async with open_daemon(simulator=Simulator(models=[short])) as daemon:
        client = daemon.connect()
        error = await client.chat_to_end("hi " * 9000, model=LLAMA8)
        assert error.code == "context_overflow"


async def test_what_never_fits_is_refused_before_ollama_hears_of_it():
    async with open_daemon() as daemon:
        client = daemon.connect()
        await client.chat_to_end(CODE)
        error = await client.chat_to_end("hi", model=LLAMA70)
        assert error.code == "never_fits"
        assert "GiB" in error.message
        assert daemon.asked("/api/generate", LLAMA70) == daemon.asked("/api/chat", LLAMA70) == []
        assert daemon.simulator.resident == [QWEN]


async def test_all_candidates_failing_tells_each_and_the_last_ones_code():
    async with open_daemon() as daemon:
        daemon.simulator.fail("load_failure", QWEN)
        daemon.simulator.fail("out_of_memory", DEEPSEEK)
        daemon.simulator.fail("load_failure", LLAMA8)
        client = daemon.connect()
        error = await client.chat_to_end(CODE)
        assert error.code == "load_failed"
        assert turns(error) == [
            (QWEN, "load_failed"), (DEEPSEEK, "out_of_memory"), (LLAMA70, "never_fits"), (LLAMA8, "load_failed"),
        ]  # fmt: skip


async def test_no_text_of_two_models_is_ever_joined():
    async with open_daemon(config(timeouts={"stall": 5.0, "first_token": 20.0})) as daemon:
        client = daemon.connect()
        for how in ("hang", "crash", "stall", "cut", "runner_dies_before", "metal_out_of_memory"):
            daemon.simulator.fail(how, QWEN, after=2)
            number = await client.chat(CODE)
            await client.end(number)
            assert sum(name in client.text(number) for name in (QWEN, DEEPSEEK, LLAMA8)) <= 1
            await anyio.sleep(700)  # whatever was cooling is cool


async def test_a_smaller_model_taken_for_lack_of_patience_leaves_the_better_ones_to_fall_back_to():
    async with open_daemon(simulator=Simulator(others=3 * GIB)) as daemon:
        client, other = daemon.connect(), daemon.connect()
        busy = await other.chat("why [simulate tokens 1000]", model=DEEPSEEK)
        await other.until(busy, wire.Delta)
        await client.chat_to_end("hi", model=LLAMA8)
        daemon.simulator.fail("runner_dies_before", LLAMA8)
        done = await client.chat_to_end(CODE, model=QWEN, fallbacks=[LLAMA8], patience=5.0)
        assert isinstance(done, wire.Done), done
        assert turns(done) == [(QWEN, "patience"), (LLAMA8, turns(done)[1][1]), (QWEN, None)]
        await other.end(busy)


async def test_a_deadline_ends_a_wait_and_an_answer():
    async with open_daemon() as daemon:
        client = daemon.connect()
        waited = await client.chat_to_end(CODE, deadline=2.0)
        assert (waited.code, waited.detail) == ("deadline_exceeded", {})
        await anyio.sleep(60)
        number = await client.chat(f"{CODE} [simulate tokens 2000]", deadline=30.0)
        error = await client.end(number)
        assert (error.code, error.detail["partial"]) == ("deadline_exceeded", True)
        assert daemon.is_quiet()
        assert list(daemon.simulator.journal.left) == [QWEN]


async def test_a_role_of_one_model_has_no_other_to_go_to():
    alone = {"coding": RoleConfig(primary=QWEN, keywords=("code",)), **{
        role: RoleConfig(primary=LLAMA8) for role in ("reasoning", "general")
    }}  # fmt: skip
    async with open_daemon(config(roles=alone)) as daemon:
        daemon.simulator.fail("load_failure", QWEN)
        client = daemon.connect()
        error = await client.chat_to_end("code", role="coding")
        assert (error.code, turns(error)) == ("load_failed", [(QWEN, "load_failed")])


async def test_a_wish_to_think_does_not_skip_the_primary_of_a_role():
    async with open_daemon() as daemon:
        done = await daemon.connect().chat_to_end("hi", role="coding", think=True)
        assert turns(done) == [(QWEN, None)]
        assert "cannot think" in daemon.records[-1]["warnings"][0]
        done = await daemon.connect().chat_to_end("hi", role="coding", think=True, tools=[TOOL])
        assert turns(done)[-1] == (QWEN, None)
        await daemon.connect().chat_to_end("hi", role="reasoning", think=True)
        assert [each.body.get("think") for each in daemon.asked("/api/chat")] == [None, None, True]


async def test_an_unknown_error_text_of_ollama_is_reported_once_without_what_it_quotes():
    async with open_daemon() as daemon:
        client, heard = daemon.connect(), []
        daemon.control.on_event.append(lambda _kind, what, data: heard.append((what, data.get("text"))))
        handle = daemon.simulator.handle

        async def odd(method, path, body=None):
            if path == "/api/chat":
                return json_answer({"error": "the flux capacitor is empty: 'a secret'"}, status=500)
            return await handle(method, path, body)

        daemon.simulator.handle = odd
        for _ in range(2):
            error = await client.chat_to_end("hi", model=LLAMA8)
            assert (error.code, error.message) == ("backend_error", "the flux capacitor is empty: 'a secret'")
        reported = [text for what, text in heard if what.startswith("unknown error text of Ollama")]
        assert reported == ["the flux capacitor is empty:"]
