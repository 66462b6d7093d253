"""``innkeep bench``: how fast the models are on this machine."""

import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from innkeep.cli.arguments import ROLES, model_name
from innkeep.cli.lazy import open_client
from innkeep.cli.outcome import INTERRUPTED, OK, UsageError
from innkeep.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from innkeep.cli.bench_plan import Step
    from innkeep.cli.bench_result import Bench
    from innkeep.cli.bench_run import BenchRun
    from innkeep.wire import Status

EXAMPLES = (
    "innkeep bench --quick",
    "innkeep bench --model llama3.1:8b --svg bench.svg",
    "innkeep bench --role coding --json > bench.json",
)

_BAR = 20


def add_arguments(parser: ArgumentParser) -> None:
    """What to measure and where to write it."""
    parser.add_argument(
        "-m",
        "--model",
        action="append",
        default=[],
        type=model_name,
        metavar="NAME",
        help="measure this model; again for more",
    )
    parser.add_argument(
        "-r",
        "--role",
        action="append",
        default=[],
        choices=ROLES,
        help="measure this role's first model; default: every role's",
    )
    parser.add_argument("--quick", action="store_true", help="two prompt lengths and short answers")
    parser.add_argument("--force", action="store_true", help="measure although others wait or are being answered")
    parser.add_argument("--svg", metavar="FILE", help="draw the results into a file")


def run(args: Namespace, terminal: Terminal) -> int:
    """Measure, print tables as Markdown (with ``--json`` the figures), keep the run for later comparisons."""
    from innkeep.cli.bench_plan import choose_models, plan  # all of it is for this verb only
    from innkeep.cli.bench_run import BenchRun, sleep

    with open_client(args) as client:
        models = choose_models(client.models(), args.model, args.role)
        status = client.status()
        bench_run = BenchRun(client, models, force=args.force, sleep=sleep)
        bench_run.refuse_where_others_wait()
        is_whole = False
        try:
            _measure(bench_run, plan(models, quick=args.quick), terminal)
            is_whole = True
        except KeyboardInterrupt:
            terminal.note("stopped; what was measured so far:")
        finally:
            bench_run.restore()
    _print(_bench(status, bench_run, quick=args.quick), args, terminal, is_whole=is_whole)
    return OK if is_whole else INTERRUPTED


def _measure(bench_run: "BenchRun", steps: "Sequence[Step]", terminal: Terminal) -> None:
    from innkeep.cli.progress import Progress
    from innkeep.cli.units import whole_seconds

    began, total, done = time.monotonic(), sum(step.seconds for step in steps), 0.0
    with Progress(terminal) as progress:
        for number, step in enumerate(steps, start=1):
            # What is left is scaled by how the steps so far took against what was assumed of them.
            pace = (time.monotonic() - began) / done if done else 1.0
            head = f"{_bar(done / total)} {number}/{len(steps)} {step.model}: {step.what}"
            left = (total - done) * pace

            def line(since: float, _cells: int, head: str = head, left: float = left) -> str:
                return f"{head}, {whole_seconds(max(0.0, left - since))} left"

            progress.show(line, topic=head)
            bench_run.do(step, lambda others: progress.show(f"paused: {others}", topic="paused"))
            done += step.seconds


def _bar(share: float) -> str:
    filled = round(_BAR * share)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def _bench(status: "Status", bench_run: "BenchRun", *, quick: bool) -> "Bench":
    import platform  # for this verb only

    from innkeep.cli.bench_result import Bench

    results = [one for one in bench_run.results.values() if one.cold_load is not None or one.runs]
    return Bench(
        at=time.time(),
        innkeep=status.daemon,
        ollama=status.backend.version or "",
        simulated=status.backend.simulated,
        machine=f"{platform.system()} {platform.machine()}",
        total=status.memory.total,
        quick=quick,
        results=results,
    )


def _print(bench: "Bench", args: Namespace, terminal: Terminal, *, is_whole: bool) -> None:
    from innkeep.cli.bench_files import earlier, save
    from innkeep.cli.bench_report import markdown, svg

    before = earlier(bench)
    if args.json:
        terminal.print_json(bench)
    elif bench.results:
        terminal.say(markdown(bench, before))
    if args.svg and bench.results:
        _write(args.svg, svg(bench))
    if not is_whole:
        return
    try:
        terminal.note(f"kept in {save(bench)}")
    except OSError as error:
        terminal.note(f"could not be kept for later comparisons: {error}")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - one line, and pathlib costs 4 ms
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None
