"""OpenTelemetry spans: one for each request, with what happened in memory meanwhile as its events.

Names follow the semantic conventions for generative AI (``gen_ai.*``) as of their version 1.37; what they have no name
for is ``innkeep.*``. A span holds no text of prompts or answers. It is made once its request has ended, from the
decision record, and sent by the SDK's own thread; a collector that is away costs no request anything.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from innkeepd import __version__

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

MOST = 1000
"""Events of memory kept for spans that have not ended: an hour of swaps without a pause."""

OPERATIONS = {"chat": "chat", "embed": "embeddings", "load": "load"}
"""``gen_ai.operation.name`` by the record's kind; the conventions have none for a load."""

SENT_WITHIN = 2.0
"""Seconds that the collector has to take one batch, repetitions included: the stop of the daemon waits for the last."""

FLUSHED_WITHIN = 2000
"""Milliseconds for the last spans when the daemon stops."""


def provider_for(url: str) -> "TracerProvider":
    """An exporter to the collector at ``url``, the base address of OTLP over HTTP (``http://127.0.0.1:4318``).

    Raises ImportError where ``innkeep[otel]`` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - slow
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create({"service.name": "innkeepd", "service.version": __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=SENT_WITHIN)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class Spans:
    """Makes spans of events (``Announcer.tell``); ``wall`` gives seconds since 1970."""

    def __init__(self, provider: "TracerProvider", wall: Callable[[], float]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("innkeepd", __version__)
        self._wall = wall
        self._memory: deque[tuple[float, str, Mapping[str, Any]]] = deque(maxlen=MOST)

    def hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Take one event: a request's end becomes a span, one of memory waits for the spans around it."""
        if kind == "residency":
            self._memory.append((self._wall(), what, data))
        elif kind == "request":
            self._export(data)

    def close(self) -> None:
        """Send what is left. Blocks for up to ``FLUSHED_WITHIN`` ms."""
        self._provider.force_flush(FLUSHED_WITHIN)
        self._provider.shutdown()

    def _export(self, record: Mapping[str, Any]) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

        began, timings = record["asked_at"], record["timings"]
        ended, granted = began + timings["total"], began + timings["queued"]
        attributes = attributes_of(record)
        operation, model = attributes["gen_ai.operation.name"], record["model"] or ""
        span = self._tracer.start_span(
            f"{operation} {model}".strip(), kind=SpanKind.CLIENT, start_time=_ns(began), attributes=attributes
        )
        for at, what, data in self._memory:
            if began <= at <= ended:
                facts = {
                    f"innkeep.{name}": value for name, value in data.items() if isinstance(value, str | int | float)
                }
                span.add_event(f"innkeep.{what.replace(' ', '_')}", facts, _ns(at))
        if timings["queued"]:
            span.add_event("innkeep.granted", {"innkeep.swap_seconds": timings["swap"]}, _ns(granted))
        if timings["first_token"] is not None:
            span.add_event("innkeep.first_token", timestamp=_ns(granted + timings["first_token"]))
        if record["outcome"] != "answered":
            span.set_status(Status(StatusCode.ERROR, record["code"] or record["outcome"]))
        span.end(_ns(ended))


def attributes_of(record: Mapping[str, Any]) -> dict[str, str | int | float | list[str]]:
    """The attributes of a request's span; what the record does not know is left out."""
    engine, mark, _ = (record["model"] or "").partition("/")
    attempts = [attempt["model"] for attempt in record["attempts"]]
    found = {
        "gen_ai.operation.name": OPERATIONS.get(record["kind"], record["kind"]),
        "gen_ai.provider.name": engine if mark else "ollama",
        "gen_ai.request.model": (record["chain"] or attempts or [record["model"]])[0],
        "gen_ai.response.model": record["model"],
        "gen_ai.usage.input_tokens": record["prompt_tokens"] or None,
        "gen_ai.usage.output_tokens": record["completion_tokens"] or None,
        "gen_ai.conversation.id": record["session"],
        "error.type": record["code"] if record["outcome"] != "answered" else None,
        "innkeep.request.id": record["id"],
        "innkeep.role": record["role"],
        "innkeep.class": record["priority"],
        "innkeep.client": record["client"] or None,
        "innkeep.door": record["door"] or None,
        "innkeep.queued_seconds": record["timings"]["queued"],
        "innkeep.swap_seconds": record["timings"]["swap"],
        "innkeep.attempts": attempts or None,
        "innkeep.evicted": list(record["evicted"]) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
