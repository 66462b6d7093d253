"""``innkeepd doctor [--json] [--report [FILE]]``: find out what is wrong and how to fix it.

Exit status: 0 all is well, 1 warnings, 2 errors (or the doctor itself failed; then one line on stderr says why).
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from innkeep.cli.table import pad
from innkeep.cli.terminal import Terminal
from innkeep.cli.units import counted
from innkeep.language import _, later, translated
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
from innkeepd.service.fixes import fix
from innkeepd.service.paths import locate

CHECKS: tuple[Callable[[Facts], Finding], ...] = (*HOUSE, *MAC, *OLLAMA, *MEMORY)
SIGNS = {"ok": later("ok"), "warning": later("warning"), "error": later("ERROR")}
COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
STATUS = {"ok": 0, "warning": 1, "error": 2}


def main(
    argv: Sequence[str] | None = None,
    world: World | None = None,
    collected: Callable[[World], Facts] = collect,
    read: Callable[[str], str] | None = None,
) -> int:
    """Examine this machine; the exit status. ``read(question)`` gives a person's answer to ``--fix``."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    try:
        facts = collected(world)
        findings = examine(facts)
        if wanted.fix and fix(findings, world, read):
            facts = collected(world)
            findings = examine(facts)
        if wanted.report is not None:
            path = Path(wanted.report or time.strftime("innkeep-report-%Y%m%d-%H%M%S.txt")).absolute()
            _write_report(path, facts, findings, world)
    except DaemonError as fault:
        sys.stderr.write(f"innkeepd: {translated(str(fault))}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"innkeepd: {error.filename or 'the report'} can't be written: {error.strerror}\n")
        return 2
    if wanted.json:
        world.say(json.dumps({"findings": msgspec.to_builtins(findings)}, ensure_ascii=False))
    else:
        world.say(render(findings, paint=_painter(world), verbose=wanted.verbose))
        if wanted.report is not None:
            world.say("\n" + _("wrote {path}: no prompts, no secrets; read it before you send it", path=path))
    return max(STATUS[finding.level] for finding in findings)


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep doctor",
        description=_("Find out what is wrong with innkeep, Ollama and this machine's memory, and how to fix it."),
        epilog=_("exit status: 0 all is well, 1 warnings, 2 errors"),
    )
    root.add_argument("-v", "--verbose", action="store_true", help=_("print what is well too"))
    root.add_argument("--fix", action="store_true", help=_("run the commands that are safe, asking before each"))
    root.add_argument("--json", action="store_true", help=_("print JSON, one object a line"))
    root.add_argument(
        "--report", nargs="?", const="", metavar="FILE", help=_("write everything into one file for a bug report")
    )
    return root


def examine(facts: Facts) -> list[Finding]:
    """Every check, in the order in which a person should fix things."""
    return [check(facts) for check in CHECKS]


def render(
    findings: Sequence[Finding], paint: Callable[[str, str], str] = lambda _style, text: text, *, verbose: bool = False
) -> str:
    """The findings as text: the verdict, then what to fix (three lines each); ``verbose``: what is well too."""
    errors, warnings = (sum(one.level == level for one in findings) for level in ("error", "warning"))
    well = len(findings) - errors - warnings
    verdict = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}"
    lines = [verdict if errors or warnings else paint("green", _("all is well"))]
    if not verbose:
        lines[0] += "  " + _("({n} checks are fine; -v lists them)", n=well)
    for finding in sorted(findings, key=lambda one: -STATUS[one.level]):
        if finding.level == "ok" and not verbose:
            continue
        sign = paint(COLOURS[finding.level], pad(_(SIGNS[finding.level]), 7))
        lines += [""] * (finding.level != "ok")
        lines.append(f"{sign}  {finding.name}: {translated(finding.saw)}")
        if finding.level != "ok":
            lines += [f"  {pad(_(head), 5)}  {translated(text)}" for head, text in _reasons(finding)]
    return "\n".join(lines)


def _reasons(finding: Finding) -> list[tuple[str, str]]:
    return [(later("why:"), finding.why), (later("fix:"), finding.mend)]


def _painter(world: World) -> Callable[[str, str], str]:
    return Terminal(environ=world.environ).paint


def _write_report(path: Path, facts: Facts, findings: Sequence[Finding], world: World) -> None:
    paths = locate(world.environ, uid=world.uid, platform=world.platform)
    logs = [log_file(paths, facts.config), paths.crash_log]
    target = facts.view.target if facts.view else None
    recorded = recordings(world.run, target) if world.platform == "darwin" else None
    text = report(facts, findings, version=__version__, user_home=paths.user_home, logs=logs, recorded=recorded)
    write_whole(path, text.encode(), 0o600)
