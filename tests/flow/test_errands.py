"""Errands of clients through the whole daemon: who serves them, and what they cost the conversations."""

from typing import NamedTuple

import pytest

from innkeepd.simulator.catalog import LIBRARY, SHELF
from innkeepd.simulator.catalog import QWEN as QWEN_PULLED
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import RELEASES
from support.daemon import DEEPSEEK, LLAMA8, QWEN
from support.errand_day import Readings, play, sessions
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio

HEAVY = frozenset({QWEN, DEEPSEEK})
SMALL = next(each for each in LIBRARY if each.name == "llama3.2:1b")


class Day(NamedTuple):
    """What a day came to: heavy models swapped for errands, tokens that errands made conversations read again."""

    swaps: int
    lost: int
    refused: int
    errands: int
    seen: int
    models: set[str]


async def lived(monkeypatch, release, *, rule, seed=7, hours=4.0, every=500.0, models=None):
    """Live a day of recorded clients, in front of the simulator of a release, with the rule on or off."""
    readings = Readings().watch(monkeypatch)
    simulator = Simulator(ollama=RELEASES[release], models=models)
    names: dict[str, bool] = {}
    heavy_loads: list[set[str]] = []
    async with open_http_daemon(simulator=simulator, routing={"errands": rule}) as http:

        async def post(step):
            answer = await http.http.start("POST", step.path, step.body, step.headers).end()
            assert answer.status == 200 or (step.is_errand and rule), answer
            names[answer.headers["x-innkeep-request"]] = step.is_errand

        def note(kind, what, data):
            if kind == "residency" and what == "loading" and data["model"] in HEAVY:
                weights = http.daemon.control.weights_of(data["model"])
                waiting = (each.ticket.id for each in http.daemon.control.scheduler.queue if each.wants == weights)
                heavy_loads.append({ticket.partition(".")[0] for ticket in waiting})

        http.daemon.control.on_event.append(note)
        await play(post, sessions(seed, hours, every))
        records = http.daemon.records
    errands = [each for each in records if names[each["id"]]]
    swapped = [waiting for waiting in heavy_loads if waiting and all(names[each] for each in waiting)]
    seen = [each for each in errands if each["errand"]]
    assert [each for each in records if each["errand"] and not names[each["id"]]] == []
    refused = sum(each["outcome"] == "failed" for each in errands)
    return Day(len(swapped), readings.lost, refused, len(errands), len(seen), {each["model"] for each in seen})


async def test_without_the_rule_errands_swap_heavy_models_and_throw_prompts_away(monkeypatch):
    day = await lived(monkeypatch, "0.17", rule=False)
    assert day.swaps > 0 and day.lost > 1000
    assert (day.seen, day.refused) == (0, 0)


@pytest.mark.parametrize(("release", "models"), [("0.17", (*SHELF, SMALL)), ("0.33", (*SHELF, SMALL)), ("0.33", SHELF)])
async def test_over_a_day_of_recorded_clients_errands_cost_no_heavy_swap_and_no_cached_token(
    monkeypatch, release, models
):
    day = await lived(monkeypatch, release, rule=True, hours=8.0, models=models)
    assert (day.swaps, day.lost, day.seen) == (0, 0, day.errands)
    assert day.refused <= 0.02 * day.errands


# ---- one errand at the door ----------------------------------------------------------------------------------------


def title(model, **more):
    words = "You are a title generator. Write a thread title."
    return {
        "model": model,
        "messages": [{"role": "system", "content": words}, {"role": "user", "content": "hi"}],
        **more,
    }


async def test_an_errand_that_names_a_heavy_model_is_served_by_a_light_one_and_says_so():
    async with open_http_daemon() as http:
        answer = await http.http.start("POST", "/v1/chat/completions", title(QWEN)).end()
        record = http.daemon.records[-1]
        assert (answer.json["model"], answer.headers["x-innkeep-model"]) == (QWEN, LLAMA8)
        assert (record["errand"], record["model"], record["role"]) == ("title", LLAMA8, "coding")
        assert "errand" in record["reason"]
        assert http.daemon.loads() == [LLAMA8]
        assert (await http.daemon.connect().status()).counters.errands == 1
        scraped = await http.http.ask("GET", "/metrics")
        assert b'innkeep_errands_total{kind="title",model="llama3.1:8b",outcome="answered"} 1.0' in scraped.body


async def test_strict_gives_an_errand_the_model_that_it_names():
    async with open_http_daemon() as http:
        answer = http.http.start("POST", "/api/chat", title(QWEN, stream=False), {"x-innkeep-strict": "true"})
        await answer.end()
        assert (http.daemon.loads(), http.daemon.records[-1]["errand"]) == ([QWEN], "")


async def test_a_strict_that_is_neither_true_nor_false_is_refused_in_words():
    async with open_http_daemon() as http:
        answer = await http.http.start("POST", "/api/chat", title(QWEN), {"x-innkeep-strict": "perhaps"}).end()
        assert (answer.status, "x-innkeep-strict is true or false" in answer.json["error"]) == (400, True)


async def test_an_errand_for_a_model_that_nobody_has_pulled_is_refused_as_ever():
    async with open_http_daemon() as http:
        answer = await http.http.start("POST", "/api/chat", title("nosuch")).end()
        assert (answer.status, http.daemon.loads()) == (404, [])


async def test_without_any_light_model_an_errand_waits_and_is_refused_with_what_to_do():
    async with open_http_daemon(simulator=Simulator(models=[QWEN_PULLED])) as http:
        answer = await http.http.start("POST", "/v1/chat/completions", title(QWEN)).end()
        assert (answer.status, http.daemon.loads()) == (400, [])
        assert "ollama pull llama3.2:3b" in answer.json["error"]["message"]


async def test_on_the_socket_a_named_model_answers_whatever_is_asked():
    async with open_http_daemon() as http:
        client = http.daemon.connect()
        await client.chat_to_end("Generate a title for this conversation: only the title", model=DEEPSEEK)
        await client.chat_to_end("Generate a title for this conversation: only the title")
        assert [record["errand"] for record in http.daemon.records] == ["", "title"]
        assert http.daemon.records[1]["model"] == LLAMA8
