"""A request, and the record that it leaves."""

import pytest

from innkeepd.backends.backend import Completion
from innkeepd.chat.demand import Demand
from innkeepd.chat.request import LEFT_OUT, LONGEST, Request, decision_record, without_quotations
from innkeepd.chat.types import ChatSpec, Target
from innkeepd.residency.catalog import Candidate
from support.daemon import mock_clock

pytestmark = pytest.mark.anyio
WAY = Target("coding", 0.87654, "bug (keyword)", (Candidate("a:1b", "a"), Candidate("b:1b", "b")))


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_record_tells_what_was_decided_and_nothing_of_what_was_written():
    request = Request(ChatSpec(demand=Demand(turns=("my secret",)), session="s", client="tests", priority="agent"), WAY)
    request.model, request.queued, request.first_token = "a:1b", 1.23456, 0.5
    request.result = Completion(prompt_tokens=7, completion_tokens=20, decode_seconds=2.0)
    request.attempts.answered("a:1b", 2.5)
    record = decision_record(request, "answered", None, None)
    assert record.id == request.id
    assert record.chain == ["a:1b", "b:1b"]
    assert (record.priority, record.session, record.client) == ("agent", "s", "tests")
    assert (record.role, record.confidence, record.reason) == ("coding", 0.877, "bug (keyword)")
    assert record.timings.queued == 1.2346
    assert record.timings.tokens_per_second == 10.0
    assert [(one.model, one.outcome) for one in record.attempts] == [("a:1b", "answered")]
    assert (record.prompt_tokens, record.completion_tokens) == (7, 20)
    assert "secret" not in str(record)


async def test_a_request_that_never_began_has_a_record_too():
    request = Request(ChatSpec(), WAY)
    record = decision_record(request, "failed", "queue_full", "512 wait already")
    assert (record.outcome, record.code, record.message) == ("failed", "queue_full", "512 wait already")
    assert record.model is None
    assert record.timings.first_token is None
    assert record.timings.tokens_per_second is None
    assert record.completion_tokens == 0


async def test_a_record_keeps_the_first_reasons_of_a_long_wait_once_each():
    request = Request(ChatSpec(), WAY)
    for number in range(50):
        request.waited_for(f"{number // 2} ahead")
    request.waited_for("")
    assert request.waits == [f"{number} ahead" for number in range(20)]


async def test_what_an_engine_quotes_is_not_kept():
    request = Request(ChatSpec(), WAY)
    words = "error parsing tool call: raw='my secret', err=unexpected"
    request.attempts.failed("a:1b", "backend_error", words, first_token_sent=False)
    request.attempts.failed("b:1b", "backend_error", '{"error": "my secret"}', first_token_sent=False)
    request.attempts.passed_over("b:1b", "model_missing", "b:1b is not pulled; `ollama pull b:1b`")
    record = decision_record(request, "failed", "backend_error", words)
    assert "secret" not in str(record)
    assert record.message == "error parsing tool call:"
    assert [each.message for each in record.attempts] == [
        "error parsing tool call:",
        LEFT_OUT,
        "b:1b is not pulled; `ollama pull b:1b`",
    ]


async def test_a_models_name_is_no_quotation():
    assert without_quotations("model 'a:1b' not found, try 'secret'", "a:1b") == "model a:1b not found, try"


async def test_a_record_keeps_the_beginning_of_long_words():
    request = Request(ChatSpec(), Target("coding", 1.0, "r" * 5000, ()))
    request.attempts.passed_over("a:1b", "never_fits", "n" * 5000)
    record = decision_record(request, "failed", "bad_request", "m" * 5000)
    assert (len(record.reason), len(record.message), len(record.attempts[0].message)) == (LONGEST, LONGEST, LONGEST)
