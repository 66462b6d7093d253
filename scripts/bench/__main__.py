"""`make bench`: what innkeep costs, as ratios in one run. Machines are noisy: compare in pairs, not by absolutes.

python scripts/bench                       everything, about 10 minutes
python scripts/bench growth scale          only these parts
python scripts/bench side --peer http://127.0.0.1:8080 --peer-pid 4711 --peer-model bench
python scripts/bench side growth --check   exit status 1 where a ratio is over twice the one that is kept
python scripts/bench side growth --keep    keep this run's ratios as those to compare with
"""

import argparse
import sys
from pathlib import Path

from chart import chart
from foresight import foresight
from growth import Level, growth, waiting_alone
from hold import holds
from processes import Daemon, innkeepd, megabytes, upstream
from quiet import cold_start, idle, loop_lag, starts
from ratios import keep, ratios_of, recorded, worse
from scale import allow_descriptors, scale
from side_by_side import STREAMS, Contender, Figures, contenders, side_by_side

PARTS = ("side", "growth", "scale", "hold", "idle", "foresight")
CHART = Path(__file__).parents[2] / "docs" / "growth.svg"


def main() -> int:
    """Measure and print; the exit status."""
    options = _options()
    parts = options.parts or PARTS
    allow_descriptors()
    figures: dict[str, Figures] = {}
    levels: list[Level] = []
    if "side" in parts or "idle" in parts:
        with upstream(port=options.port) as (port, server), innkeepd(port, parallel=STREAMS * 2) as daemon:
            print(f"memory: {megabytes(daemon.pid):.0f} MB after the start, HTTP port included")
            if "side" in parts:
                figures = side_by_side(_entrants(port, server, daemon, options), options.requests)
                _print_side(figures, daemon)
            if "idle" in parts:
                _print_idle(port, daemon)
    if "growth" in parts:
        levels = _growth()
        if not options.check:
            CHART.write_text(chart(levels), encoding="utf-8")
    if "scale" in parts:
        for name, each in scale().items():
            print(
                f"{name}: {each.megabytes:.0f} MB, first token {each.first_p50:.2f} ms, "
                f"status {each.status_p50:.2f} ms, CPU a request {each.cpu_request:.2f} ms"
            )
    if "hold" in parts:
        for name, (longest, took) in holds().items():
            print(f"{name}: another client waited {longest * 1e3:.0f} ms at most; {took * 1e3:.0f} ms in all")
    if "foresight" in parts:
        error, count = foresight()
        print(f"waits foretold: median error {error:.0%} of the wait ({count} waits)")
    return _judged(figures, levels, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--requests", type=int, default=400, help="of each contender's first tokens; 400")
    parser.add_argument("--port", type=int, default=0, help="where the fast server is to listen, for a peer before it")
    parser.add_argument("--peer", metavar="URL", help="an OpenAI-compatible proxy before the fast server")
    parser.add_argument("--peer-pid", type=int, default=0, help="its process, whose CPU is counted")
    parser.add_argument("--peer-model", default="bench:latest", help="what it calls the model")
    parser.add_argument("--check", action="store_true", help="compare the ratios with those that are kept")
    parser.add_argument("--keep", action="store_true", help="keep the ratios")
    return parser.parse_args()


def _entrants(port: int, server: int, daemon: Daemon, options: argparse.Namespace) -> list[Contender]:
    peer = {"peer": options.peer, "peer_pid": options.peer_pid, "peer_model": options.peer_model}
    return contenders(port, server, daemon, **peer)


def _print_side(figures: dict[str, Figures], daemon: Daemon) -> None:
    print(f"{'':24}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms':>8}{'req/s':>8}{'tokens/s':>10}{'us/token':>10}")
    for name, each in figures.items():
        print(
            f"{name:24}{each.first_p50:8.2f}{each.first_p99:8.2f}{each.cpu_request:8.2f}{each.requests:8,.0f}"
            f"{each.tokens:10,.0f}{each.cpu_token:10.1f}"
        )
    lag = loop_lag(daemon)
    print(f"loop_lag: p99 {lag['p99'] * 1e3:.1f} ms, longest {lag['longest'] * 1e3:.1f} ms of the last minute or two")


def _print_idle(port: int, daemon: Daemon) -> None:
    bare, ours = cold_start(daemon.env)
    print(f"`python -I -c pass` {bare:.0f} ms, `innkeep status` {ours:.0f} ms, ratio {ours / bare:.1f}")
    print(f"start: {starts(port):.2f} s from exec to the first answer")
    quiet = idle(port, daemon)
    print(f"wake-ups in 10 s: {quiet.loaded:.1f} with a model in memory, {quiet.empty:.1f} with nothing")
    print(f"memory: {quiet.megabytes:.0f} MB after all that")


def _growth() -> list[Level]:
    levels = growth()
    for each in levels:
        print(
            f"{each.waiting:,} waiting: {each.cpu:.2f} ms of CPU a request, from one's end to the next one's start "
            f"{each.gap_p50:.2f} ms (p99 {each.gap_p99:.2f})"
        )
    with upstream() as (port, _), innkeepd(port, parallel=1) as daemon:
        print(f"1,000 waiting for one long answer: {waiting_alone(daemon, 1000):.1%} of a core")
    return levels


def _judged(figures: dict[str, Figures], levels: list[Level], options: argparse.Namespace) -> int:
    ratios = ratios_of(figures, levels)
    peer = recorded()
    for name, ratio in ratios.items():
        kind = name.partition(": ")[2]
        beside = f" (llama-swap, recorded: {peer[kind]:.1f})" if kind in peer and not name.startswith("peer") else ""
        print(f"ratio {name}: {ratio:.2f}{beside}")
    if options.keep:
        keep(ratios)
    if not options.check:
        return 0
    found = worse(ratios)
    for sentence in found:
        print(f"WORSE {sentence}")
    print("worse than what is kept" if found else f"every one of {len(ratios)} ratios is within what is kept")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
