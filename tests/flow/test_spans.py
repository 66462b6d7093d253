"""Spans of a whole daemon, received by a collector: a real HTTP server that decodes OTLP's protobuf messages."""

import threading
from contextlib import contextmanager
from gzip import decompress
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from innkeepd.simulator.catalog import DEEPSEEK, QWEN
from innkeepd.store import spans
from support.daemon import config, open_daemon

pytestmark = pytest.mark.anyio


@contextmanager
def collector(status=200):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def spans_of(received):
    return [
        (span, {each.key: value(each.value) for each in span.attributes})
        for _, request in received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def value(given):
    kind = given.WhichOneof("value")
    return [value(each) for each in given.array_value.values] if kind == "array_value" else getattr(given, kind)


async def exporting(daemon):
    """Wait until the SDK is imported and events are heard: the only listener that ``Spans`` adds."""
    while not any(isinstance(getattr(each, "__self__", None), spans.Spans) for each in daemon.control.on_event):  # noqa: ASYNC110 - a thread imports
        await anyio.sleep(0.01)


async def test_a_swap_is_told_to_a_collector_inside_the_span_of_its_request():
    with collector() as (url, received):
        async with open_daemon(config(telemetry={"otlp": url})) as daemon:
            await exporting(daemon)
            client = daemon.connect()
            await client.chat_to_end("hello", model=QWEN.name)
            await client.chat_to_end("my diary", model=DEEPSEEK.name, session="s1")
            await client.chat_to_end("hello", model="nobody:1b")
    assert {path for path, _ in received} == {"/v1/traces"}
    found = spans_of(received)
    assert [span.name for span, _ in found][:2] == [f"chat {QWEN.name}", f"chat {DEEPSEEK.name}"]
    span, facts = found[1]
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert facts["gen_ai.operation.name"] == "chat"
    assert (facts["gen_ai.provider.name"], facts["gen_ai.response.model"]) == ("ollama", DEEPSEEK.name)
    assert facts["gen_ai.usage.output_tokens"] > 0
    assert facts["gen_ai.conversation.id"] == "s1"
    assert facts["innkeep.evicted"] == [QWEN.name]
    names = [event.name for event in span.events]
    assert names[:4] == ["innkeep.unloading", "innkeep.unloaded", "innkeep.loading", "innkeep.loaded"]
    assert names[4:] == ["innkeep.granted", "innkeep.first_token"]
    instants = [event.time_unix_nano for event in span.events]
    assert [span.start_time_unix_nano, *instants] == sorted([span.start_time_unix_nano, *instants])
    assert max(instants) <= span.end_time_unix_nano
    assert 0 < facts["innkeep.swap_seconds"] <= facts["innkeep.queued_seconds"]
    assert "diary" not in str(received)
    failed, facts = found[2]
    assert (failed.status.code, facts["error.type"]) == (Status.STATUS_CODE_ERROR, "unknown_model")


async def test_a_collector_that_is_away_or_refuses_disturbs_no_request():
    with collector(status=503) as (url, received):
        async with open_daemon(config(telemetry={"otlp": url})) as daemon:
            await exporting(daemon)
            assert (await daemon.connect().chat_to_end("hello", model=QWEN.name)).model == QWEN.name
    assert received


async def test_without_the_extra_the_daemon_says_what_to_install(monkeypatch):
    def missing(_url):
        raise ImportError("opentelemetry")

    monkeypatch.setattr("innkeepd.app.provider_for", missing)
    async with open_daemon(config(telemetry={"otlp": "http://127.0.0.1:4318"})) as daemon:
        client = daemon.connect()
        while not (await client.status()).warnings:  # noqa: ASYNC110 - as a person would
            await anyio.sleep(0.1)
        assert "pip install 'innkeep[otel]'" in (await client.status()).warnings[0]
