"""``innkeepd doctor [--json] [--report [FILE]]``: what is wrong, why it matters, and the command that mends it.

Exit status: 0 all is well, 1 warnings, 2 errors (or the doctor itself failed; then one line on stderr says why).
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from innkeepd import __version__
from innkeepd.arguments import Parser
from innkeepd.errors import DaemonError
from innkeepd.service.bug_report import recordings, report
from innkeepd.service.checks import HOUSE
from innkeepd.service.checks_mac import MAC
from innkeepd.service.checks_memory import MEMORY
from innkeepd.service.checks_ollama import OLLAMA
from innkeepd.service.cli import World, log_file
from innkeepd.service.collect import collect
from innkeepd.service.facts import Facts, Finding
from innkeepd.service.files import write_whole
from innkeepd.service.paths import locate

CHECKS: tuple[Callable[[Facts], Finding], ...] = (*HOUSE, *MAC, *OLLAMA, *MEMORY)
SIGNS = {"ok": "ok     ", "warning": "warning", "error": "ERROR  "}
STATUS = {"ok": 0, "warning": 1, "error": 2}


def main(
    argv: Sequence[str] | None = None, world: World | None = None, collected: Callable[[World], Facts] = collect
) -> int:
    """Examine this machine; the exit status."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    try:
        facts = collected(world)
        findings = examine(facts)
        if wanted.report is not None:
            path = Path(wanted.report or time.strftime("innkeep-report-%Y%m%d-%H%M%S.txt")).absolute()
            _write_report(path, facts, findings, world)
    except DaemonError as fault:
        sys.stderr.write(f"innkeepd: {fault}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"innkeepd: {error.filename or 'the report'} can't be written: {error.strerror}\n")
        return 2
    if wanted.json:
        world.say(json.dumps({"findings": msgspec.to_builtins(findings)}, ensure_ascii=False, indent=2))
    else:
        world.say(render(findings))
        if wanted.report is not None:
            world.say(f"\nwrote {path}: no prompts, no secrets; read it before you send it")
    return max(STATUS[finding.level] for finding in findings)


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep doctor",
        description="Find out what is wrong with innkeep, Ollama and this machine's memory, and how to mend it.",
        epilog="exit status: 0 all is well, 1 warnings, 2 errors",
    )
    root.add_argument("--json", action="store_true", help="for programs")
    root.add_argument(
        "--report", nargs="?", const="", metavar="FILE", help="write everything into one file for a bug report"
    )
    return root


def examine(facts: Facts) -> list[Finding]:
    """Every check, in the order in which a person should mend things."""
    return [check(facts) for check in CHECKS]


def render(findings: Sequence[Finding]) -> str:
    """The findings as text: the verdict, what is to be mended (three lines each), then what is well."""
    errors, warnings = (sum(one.level == level for one in findings) for level in ("error", "warning"))
    verdict = f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}" if errors or warnings else "all is well"
    lines = [verdict, ""]
    for finding in sorted(findings, key=lambda one: -STATUS[one.level]):
        lines.append(f"{SIGNS[finding.level]}  {finding.name}: {finding.saw}")
        if finding.level != "ok":
            lines += [f"           why:  {finding.why}", f"           mend: {finding.mend}"]
    return "\n".join(lines)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _write_report(path: Path, facts: Facts, findings: Sequence[Finding], world: World) -> None:
    paths = locate(world.environ, uid=world.uid, platform=world.platform)
    logs = [log_file(paths, facts.config), paths.crash_log]
    target = facts.view.target if facts.view else None
    recorded = recordings(world.run, target) if world.platform == "darwin" else None
    text = report(facts, findings, version=__version__, user_home=paths.user_home, logs=logs, recorded=recorded)
    write_whole(path, text.encode(), 0o600)
