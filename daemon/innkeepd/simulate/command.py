"""``innkeepd simulate TRACE``: play a trace of requests against the scheduler that the daemon runs, in virtual time.

For trying other settings on one's own history (``innkeep history --trace``), and for comparing policies.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from innkeepd.arguments import Parser
from innkeepd.config import load as config_file
from innkeepd.config.schema import Config
from innkeepd.errors import ConfigError
from innkeepd.policy.scheduling.events import PRIORITIES
from innkeepd.policy.scheduling.scheduler import SchedulerSettings
from innkeepd.simulate.chart import draw
from innkeepd.simulate.replay import Report, delay, replay, totals
from innkeepd.simulate.trace import DEFAULT_MACHINE, TraceError, check_models, read_machine, read_trace, with_patience

WRONG = 2
"""The exit status for input that cannot be read."""


def main(argv: Sequence[str]) -> int:
    """Play, print, draw; returns the exit status: 0, or 2 for an input or a picture that won't do."""
    args = _parser().parse_args(argv)
    try:
        report = _play(args)
        if args.plot is not None:
            _write(args.plot, draw(report, f"{args.trace.name}, policy {args.policy}"))
    except (TraceError, ConfigError) as error:
        print(f"innkeepd simulate: {error}", file=sys.stderr)  # noqa: T201 - what the verb says
        return WRONG
    try:
        print(json.dumps(as_json(report)) if args.json else as_text(report), flush=True)  # noqa: T201 - the answer
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="innkeepd simulate",
        description="Play a trace of requests against the scheduler, in virtual time, with the built-in defaults.",
        epilog="example: innkeep history --trace > mine.jsonl; innkeepd simulate mine.jsonl --plot mine.svg",
    )
    parser.add_argument("trace", type=Path, help="JSON lines, one request each; - reads standard input")
    parser.add_argument("--models", type=Path, help="JSON with the machine: budget_gib, and per model sizes and speeds")
    parser.add_argument("--policy", choices=["turns", "fifo"], default="turns", help="fifo serves strictly by arrival")
    parser.add_argument("--json", action="store_true", help="print one object: totals and every request")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw who held the memory and who waited")
    parser.add_argument("--config", type=Path, help="take [schedule] and heavy_limit from this file")
    return parser


def _play(args: argparse.Namespace) -> Report:
    config = config_file.load(args.config, {}) if args.config is not None else Config()
    machine = DEFAULT_MACHINE if args.models is None else read_machine(_read(args.models), str(args.models))
    origin = str(args.trace)
    requests = read_trace(_read(args.trace).splitlines(), origin)
    check_models(requests, machine, origin)
    patience = config.schedule.patience
    requests = with_patience(requests, {name: getattr(patience, name) for name in PRIORITIES})
    return replay(requests, machine, _rules(config, args.policy))


def _rules(config: Config, order: Any) -> SchedulerSettings:
    said = config.schedule
    return SchedulerSettings(
        turn=said.turn,
        batch_turn=said.batch_turn,
        gate=said.gate,
        session_hold=said.session_hold,
        queue_limit=said.queue_limit,
        heavy_limit=config.residency.heavy_limit,
        order=order,
    )


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TraceError(f"{path}: not UTF-8 text") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{path}: can't be written: {error.strerror}") from None


def as_json(report: Report) -> dict[str, Any]:
    """``{"totals": {...}, "requests": [{id, start, end, model, refused}]}``, requests in the order of the trace."""
    requests = [
        {"id": one.id, "start": one.start, "end": one.end, "model": one.model, "refused": one.refused}
        for one in report.outcomes
    ]
    return {"totals": {**totals(report), **_counts(report), "delay": delays(report)}, "requests": requests}


def _counts(report: Report) -> dict[str, int]:
    return {"requests": len(report.outcomes), "cancelled": sum(one.cancelled for one in report.outcomes)}


def delays(report: Report) -> dict[str, dict[str, float]]:
    """By class: how many were served, and the mean, median, 95th percentile and maximum of their delays, seconds."""
    found: dict[str, dict[str, float]] = {}
    for name in PRIORITIES:
        served = [o for o in report.outcomes if o.priority == name and o.end is not None and not o.cancelled]
        late = sorted(delay(one) for one in served)
        if late:
            p50, p95 = (late[ceil(share * len(late)) - 1] for share in (0.5, 0.95))
            found[name] = {"served": len(late), "mean": sum(late) / len(late), "p50": p50, "p95": p95, "max": late[-1]}
    return found


def as_text(report: Report) -> str:
    """The same for a person."""
    sums: Mapping[str, float] = totals(report)
    requests, cancelled = len(report.outcomes), _counts(report)["cancelled"]
    worst = f"longest model-wait {sums['longest_model_wait']:.0f} s (batch left out)"
    lines = [
        f"{requests} requests: {sums['refused']} refused, {cancelled} cancelled; {sums['swaps']} swaps",
        f"mean delay {sums['mean_delay']:.1f} s, fair cost {sums['fair_cost']:.1f}, {worst}",
        "",
        f"{'delay, s':<12}{'served':>8}{'mean':>9}{'p50':>9}{'p95':>9}{'max':>9}",
    ]
    for name, row in delays(report).items():
        figures = "".join(f"{row[key]:>9.1f}" for key in ("mean", "p50", "p95", "max"))
        lines.append(f"{name:<12}{row['served']:>8.0f}{figures}")
    return "\n".join(lines)
