"""What can never fit is refused before Ollama hears of it: asked directly, Ollama throws everybody out first."""

import pytest

from innkeep.errors import NeverFits

NEVER_FITS = {False: "model requires more system memory", True: "llama-server process has terminated"}
"""Ollama's own word, by whether llama-server runs the models: since 0.30 it asks nobody before it tries."""
HUGE = """
[models.longctx]
context = 8_000_000
"""


def test_refused_with_the_sum_and_whoever_is_in_memory_stays(ollama, llama_server, start_daemon):
    daemon = start_daemon(more=HUGE)
    daemon.ask("mid")
    runners = {runner.pid for runner in ollama.runners()}
    with pytest.raises(NeverFits) as refused:
        daemon.ask("longctx")
    assert refused.value.code == "never_fits"
    assert "it never fits" in refused.value.message
    assert "GiB" in refused.value.message
    assert ollama.loaded() == {"mid"}
    assert {runner.pid for runner in ollama.runners()} == runners
    assert daemon.status().counters.loads == 1

    # The contrast is the product: the same wish, told to Ollama.
    directly = ollama.chat("longctx", options={"num_ctx": 8_000_000})
    assert directly.status == 500
    assert NEVER_FITS[llama_server] in directly.body["error"]
    ollama.wait_for_ps()
    # And the house gets over what was done behind its back.
    assert daemon.ask("mid").done.model == "mid:latest"


def test_a_model_over_the_budget_is_passed_over_for_the_next_of_its_chain(ollama, start_daemon):
    daemon = start_daemon(budget="400MB")
    said = daemon.ask(None, "debug this function")
    assert said.done.model == "mid:latest"
    assert [(each.model, each.outcome, each.code) for each in said.done.attempts] == [
        ("big:latest", "passed_over", "never_fits"),
        ("mid:latest", "answered", None),
    ]
    with pytest.raises(NeverFits):
        daemon.ask("big")
    assert ollama.loaded() == {"mid"}


def test_a_name_that_carries_a_context_of_its_own_gets_ours(ollama, start_daemon):
    # To Ollama alone this name costs everybody in memory his place; the house's word on num_ctx goes before the name's.
    daemon = start_daemon(budget="700MB")
    daemon.ask("mid")
    assert daemon.ask("neverfits").done.model == "neverfits:latest"
    assert ollama.loaded() == {"mid", "longctx"}  # one runner: it was loaded under the weights' plain name
