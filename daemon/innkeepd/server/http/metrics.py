"""``/metrics`` for Prometheus: counts kept from events, gauges read from a snapshot when somebody scrapes.

Between two scrapes nothing runs: an event adds to plain dictionaries, and the first scrape imports
``prometheus_client``. Label values are bounded: roles, classes and outcomes are the protocol's own words, and a model
that is neither pulled nor configured counts as ``other``.
"""

import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from innkeep import wire
from innkeep.errors import CODES
from innkeepd import __version__
from innkeepd.residency import snapshot
from innkeepd.residency.control import ResidencyControl
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.response import Response

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0)
"""Upper bounds in seconds: from a warm first token to a request that waited for several swaps."""
MOST_MODELS = 64
"""Names of models that become labels in the life of a daemon; those after are ``other``."""
OTHER = "other"
_LIBRARY = "prometheus_client.exposition"

Labels: TypeAlias = tuple[str, ...]
_OUTCOMES = frozenset({"answered", "failed", "cancelled", "passed_over", *CODES})
_PRESSURE = {"normal": 0, "warning": 1, "critical": 2}


class Histogram:
    """Counts a bucket, not cumulative, and the sum, for each set of labels."""

    def __init__(self) -> None:
        self.series: dict[Labels, tuple[list[int], float]] = {}

    def observe(self, labels: Labels, seconds: float) -> None:
        """Count one observation."""
        counts, total = self.series.get(labels, ([0] * (len(BUCKETS) + 1), 0.0))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self.series[labels] = counts, total + seconds

    def cumulative(self, labels: Labels) -> list[tuple[str, float]]:
        """The buckets as Prometheus wants them: (upper bound, observations up to it)."""
        counts, below = self.series[labels][0], 0
        found = []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found


class Metrics:
    """Counts the daemon's events and answers scrapes."""

    def __init__(self, control: ResidencyControl) -> None:
        self._control = control
        self._models: set[str] = set()
        self.requests: Counter[Labels] = Counter()
        self.tokens: Counter[Labels] = Counter()
        self.fallbacks: Counter[Labels] = Counter()
        self.refusals: Counter[Labels] = Counter()
        self.errands: Counter[Labels] = Counter()
        self.loads: Counter[Labels] = Counter()
        self.unloads: Counter[Labels] = Counter()
        self.waited, self.swapped, self.first_token, self.whole = (Histogram() for _ in range(4))
        self.load_time = Histogram()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Count what happens meanwhile."""
        self._control.on_event.append(self.hear)
        try:
            yield
        finally:
            self._control.on_event.remove(self.hear)

    # ---- counting ----

    def hear(self, kind: str, what: str, data: dict[str, Any]) -> None:
        """Count one event (``Announcer.tell``)."""
        if kind == "request":
            self._count_request(data)
        elif kind == "residency" and what in {"loaded", "load failed"}:
            model = self.model_label(data["model"])
            self.loads[model, _outcome(data["code"]) if what == "load failed" else "loaded"] += 1
            if what == "loaded":
                self.load_time.observe((model,), data["took"])
        elif kind == "residency" and what == "unloading":
            self.unloads[self.model_label(data["model"]), data["reason"]] += 1

    def _count_request(self, record: dict[str, Any]) -> None:
        role, model = record["role"] or "none", self.model_label(record["model"])
        priority, outcome = record["priority"], _outcome(record["code"] or record["outcome"])
        self.requests[record["kind"], role, model, priority, outcome] += 1
        if record.get("errand"):
            self.errands[record["errand"], model, outcome] += 1
        for direction in ("prompt", "completion"):
            self.tokens[model, direction] += record[f"{direction}_tokens"]
        if outcome in {"on_hold", "queue_full", "never_fits", "memory_pressure", "model_missing", "unknown_model"}:
            self.refusals[outcome,] += 1
        attempts = record["attempts"]
        for attempt, after in pairwise(attempts):
            if attempt["model"] != after["model"]:
                self.fallbacks[_outcome(attempt["code"] or attempt["outcome"]),] += 1
        timings = record["timings"]
        self.waited.observe((priority,), timings["queued"])
        if timings["swap"]:
            self.swapped.observe((model,), timings["swap"])
        if timings["first_token"] is not None:
            self.first_token.observe((model,), timings["first_token"])
        if outcome == "answered":
            self.whole.observe((model,), timings["total"])

    def model_label(self, name: str | None) -> str:
        """The name of a model that is pulled or configured, ``none``, or ``other``."""
        if name is None:
            return "none"
        if name in self._models:
            return name
        catalog = self._control.catalog
        config = catalog.config
        known = name in catalog.models or config.backend_of(name) is not None
        known = known or any(name in role.chain for role in config.roles.values())
        if not known or len(self._models) >= MOST_MODELS:
            return OTHER
        self._models.add(name)
        return name

    # ---- a scrape ----

    async def answer(self, headers: Mapping[bytes, bytes], response: Response) -> None:
        """Answer a scrape. Raises ``HttpFault`` 501 where ``prometheus-client`` is not installed."""
        try:
            if _LIBRARY not in sys.modules:
                await anyio.to_thread.run_sync(import_module, _LIBRARY)  # slow
        except ImportError:
            raise HttpFault(501, "metrics need prometheus-client: pip install 'innkeep[daemon]'") from None
        body, content_type = self.exposition(headers.get(b"accept", b"").decode("latin-1"))
        await response.whole(body, content_type=content_type)

    def exposition(self, accept: str) -> tuple[bytes, bytes]:
        """The body and its content type, in the format that ``accept`` asks for."""
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - only who scrapes pays for it
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type.encode()

    def collect(self) -> Iterator["Metric"]:
        """Every metric family now."""
        yield from self._counters()
        yield from self._histograms()
        yield from self._gauges()

    def _counters(self) -> Iterator["CounterMetricFamily"]:
        counted = self._control.counts
        request_labels = ("kind", "role", "model", "class", "outcome")
        yield _counter("requests", "Requests that ended.", request_labels, self.requests)
        yield _counter("tokens", "Tokens of prompts and answers.", ("model", "direction"), self.tokens)
        yield _counter("fallbacks", "Changes to the next candidate, by what caused it.", ("trigger",), self.fallbacks)
        yield _counter(
            "errands", "Errands that clients ran for themselves.", ("kind", "model", "outcome"), self.errands
        )
        yield _counter("refused_requests", "Requests refused, by error code.", ("reason",), self.refusals)
        yield _counter("loads", "Loads that ended.", ("model", "outcome"), self.loads)
        yield _counter("unloads", "Models unloaded, by reason.", ("model", "reason"), self.unloads)
        yield _counter("swaps", "Models unloaded to make room for another.", (), Counter({(): counted["swaps"]}))
        yield _counter("recycles", "Grown models unloaded to be loaded anew.", (), Counter({(): counted["recycles"]}))
        yield _counter("reloads", "Loads by Ollama on its own.", (), Counter({(): counted["reloads"]}))
        yield _counter("foreign_loads", "Models loaded by other programs.", (), Counter({(): counted["foreign_loads"]}))
        yield _counter("refusals", "Waiting requests refused by the scheduler.", (), Counter({(): counted["refusals"]}))

    def _histograms(self) -> Iterator["HistogramMetricFamily"]:
        by_model = ("model",)
        yield _histogram("queue_seconds", "Time that requests waited in the queue.", ("class",), self.waited)
        yield _histogram("swap_seconds", "Part of the wait that went into swaps.", by_model, self.swapped)
        yield _histogram("first_token_seconds", "Time from grant to the first token.", by_model, self.first_token)
        yield _histogram("request_seconds", "Whole time of answered requests.", by_model, self.whole)
        yield _histogram("load_seconds", "Time that loads took.", by_model, self.load_time)

    def _gauges(self) -> Iterator["GaugeMetricFamily"]:
        state = snapshot.status(self._control, request=0, simulated=False, selected=None, uptime=0.0, warnings=[])
        memory, resident = state.memory, state.resident
        by_model = {self.model_label(each.name): each for each in resident}
        yield _gauge("build_info", "Version of the daemon.", {(__version__,): 1}, ("version",))
        yield _gauge("backend_up", "Whether Ollama answers.", {(): int(state.backend.reachable)})
        yield _gauge("memory_total_bytes", "Memory of this machine.", {(): memory.total})
        yield _gauge("memory_budget_bytes", "Bytes that models may take.", {(): memory.budget})
        yield _gauge("memory_available_bytes", "Bytes that a model may take now.", {(): memory.available})
        free = self._control.scheduler.ledger.free
        if free is not None:
            yield _gauge("memory_free_bytes", "Free bytes of this machine as last measured.", {(): free})
        pressure = _PRESSURE[memory.pressure]
        yield _gauge("memory_pressure", "0 normal, 1 warning, 2 critical.", {(): pressure})
        promised = {(name,): each.footprint for name, each in by_model.items()}
        yield _gauge("resident_footprint_bytes", "Bytes that count for a model in memory.", promised, ("model",))
        real = {(name,): each.process for name, each in by_model.items() if each.process is not None}
        yield _gauge("resident_process_bytes", "Bytes that its process was seen to hold.", real, ("model",))
        leases = {(name,): each.leases for name, each in by_model.items()}
        yield _gauge("leases", "Answers under way.", leases, ("model",))
        waiting: Counter[Labels] = Counter(dict.fromkeys(((one,) for one in wire.PRIORITIES), 0))
        waiting.update((each.priority,) for each in state.waiting)
        yield _gauge("waiting_requests", "Requests that wait for a model.", waiting, ("class",))
        yield _gauge("oldest_wait_seconds", "Wait of the oldest of them.", {(): state.oldest_wait or 0.0})
        yield _gauge("held", "Whether a hold keeps all models out.", {(): int(state.held_until is not None)})


def _outcome(word: str | None) -> str:
    return word if word in _OUTCOMES else OTHER


def _counter(name: str, text: str, labels: Labels, counts: Counter[Labels]) -> "CounterMetricFamily":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415

    family = CounterMetricFamily(f"innkeep_{name}", text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: Labels = ()) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

    family = GaugeMetricFamily(f"innkeep_{name}", text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, labels: Labels, seen: Histogram) -> "HistogramMetricFamily":
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415

    family = HistogramMetricFamily(f"innkeep_{name}", text, labels=labels)
    for values, (_, total) in sorted(seen.series.items()):
        family.add_metric(values, buckets=seen.cumulative(values), sum_value=total)
    return family
