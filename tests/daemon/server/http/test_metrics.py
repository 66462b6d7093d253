"""What Prometheus reads at ``/metrics``."""

import pytest

from innkeepd.server.http.metrics import MOST_MODELS, Histogram
from support.daemon import DEEPSEEK, LLAMA8, QWEN
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio
# Imported here, before the clock jumps: while a thread imports it, hours pass.
pytest.importorskip("prometheus_client.exposition", reason="needs prometheus-client: make install")


async def scrape(server, **headers):
    """Sample name with labels -> value."""
    answer = await server.http.ask("GET", "/metrics", None, headers=headers)
    assert answer.status == 200
    lines = [line for line in answer.body.decode().splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def chat(server, model):
    answer = server.chat(model)
    await answer.until(lambda it: it.is_over)
    return answer


async def test_an_answered_chat_is_counted_with_its_times_and_tokens():
    async with open_http_daemon() as server:
        await chat(server, LLAMA8)
        seen = await scrape(server)
        counted = [name for name in seen if name.startswith("innkeep_requests_total")]
        assert len(counted) == 1
        for label in ('class="interactive"', 'kind="chat"', f'model="{LLAMA8}"', 'outcome="answered"'):
            assert label in counted[0]
        assert seen[f'innkeep_request_seconds_count{{model="{LLAMA8}"}}'] == 1
        assert seen[f'innkeep_request_seconds_bucket{{le="+Inf",model="{LLAMA8}"}}'] == 1
        assert seen[f'innkeep_first_token_seconds_count{{model="{LLAMA8}"}}'] == 1
        assert seen['innkeep_queue_seconds_count{class="interactive"}'] == 1
        assert seen[f'innkeep_tokens_total{{direction="completion",model="{LLAMA8}"}}'] > 0
        assert seen[f'innkeep_loads_total{{model="{LLAMA8}",outcome="loaded"}}'] == 1
        assert seen[f'innkeep_resident_footprint_bytes{{model="{LLAMA8}"}}'] > 2**30
        assert seen["innkeep_memory_budget_bytes"] > 2**30
        assert seen["innkeep_backend_up"] == 1


async def test_a_swap_is_counted_with_its_reason():
    async with open_http_daemon() as server:
        await chat(server, QWEN)
        await chat(server, DEEPSEEK)
        seen = await scrape(server)
        assert seen["innkeep_swaps_total"] == 1
        assert seen[f'innkeep_unloads_total{{model="{QWEN}",reason="eviction"}}'] == 1
        assert seen[f'innkeep_swap_seconds_count{{model="{DEEPSEEK}"}}'] == 1


async def test_a_name_that_a_client_invents_never_becomes_a_label():
    async with open_http_daemon() as server:
        for number in range(3):
            await chat(server, f"invented-{number}")
        answer = await server.http.get("/metrics")
        assert b"invented" not in answer.body
        assert b'model="none"' in answer.body
        assert b'outcome="unknown_model"' in answer.body or b'outcome="model_missing"' in answer.body


async def test_no_more_models_than_a_bound_become_labels():
    async with open_http_daemon() as server:
        metrics = server.app.metrics
        metrics._models.update(f"m{number}" for number in range(MOST_MODELS))
        assert metrics.model_label(LLAMA8) == "other"
        assert metrics.model_label("m3") == "m3"
        assert metrics.model_label(None) == "none"


async def test_a_fallback_is_counted_by_its_trigger():
    async with open_http_daemon() as server:
        record = {
            "kind": "chat", "role": None, "model": LLAMA8, "priority": "batch", "outcome": "answered", "code": None,
            "prompt_tokens": 1, "completion_tokens": 2,
            "attempts": [
                {"model": QWEN, "outcome": "failed", "code": "load_failed"},
                {"model": LLAMA8, "outcome": "answered", "code": None},
            ],
            "timings": {"queued": 0.0, "swap": 0.0, "first_token": None, "total": 1.0},
        }  # fmt: skip
        server.daemon.control.tell("request", "answered", record)
        assert (await scrape(server))['innkeep_fallbacks_total{trigger="load_failed"}'] == 1


async def test_open_metrics_is_given_to_who_asks_for_it():
    async with open_http_daemon() as server:
        answer = await server.http.ask(
            "GET", "/metrics", None, headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.body.endswith(b"# EOF\n")


async def test_nothing_is_counted_once_nobody_listens():
    async with open_http_daemon() as server:
        heard = len(server.daemon.control.on_event)
        with server.app.metrics.listening():
            assert len(server.daemon.control.on_event) == heard + 1
        assert len(server.daemon.control.on_event) == heard


async def test_a_page_of_the_web_may_not_scrape():
    async with open_http_daemon() as server:
        answer = await server.http.ask("GET", "/metrics", None, headers={"origin": "https://evil.test"})
        assert answer.status == 403


def test_a_histogram_is_cumulative_and_ends_at_infinity():
    seen = Histogram()
    for value in (0.01, 0.05, 0.06, 10_000.0):
        seen.observe(("x",), value)
    buckets = dict(seen.cumulative(("x",)))
    assert (buckets["0.05"], buckets["0.1"], buckets["600.0"], buckets["+Inf"]) == (2, 3, 3, 4)
