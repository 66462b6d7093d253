"""``innkeep init``: roles out of the models that are pulled, with the reasons, written into config.toml.

Exit status: 0 written or shown, 1 nothing to choose from or not written, 2 wrong usage, 4 Ollama does not answer, 78
wrong configuration.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from innkeep.language import _, language_of, ngettext, translated
from innkeepd.arguments import Parser
from innkeepd.errors import DaemonError
from innkeepd.openclaw.roles import rewrite
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.role_choice import RoleChoice, choose_roles
from innkeepd.service.cli import World
from innkeepd.setup import roles_file
from innkeepd.setup.situation import Situation, fail, failed, look, no_answer

UNREACHABLE = 4


def main(
    argv: Sequence[str] | None = None,
    world: World | None = None,
    looked: Callable[[World], Situation] = look,
    read: Callable[[str], str] | None = None,
) -> int:
    """Choose, show, ask, write; the exit status. ``read(question)`` gives a person's answer."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    try:
        situation = looked(world)
        if not situation.ollama.reachable:
            return fail(no_answer(situation.ollama.url), UNREACHABLE)
        korean = language_of(world.environ) == "ko"
        choice = choose_roles(situation.ollama.pulled, situation.budget, situation.policy, korean=korean)
        if not wanted.json:
            world.say(shown(choice, situation))
        if not choice.roles:
            if wanted.json:
                _print(world, choice, situation, None, written=False)
            return 1
        if not _is_to_be_written(wanted.dry_run, wanted.yes, wanted.json, situation, read):
            if wanted.json:
                _print(world, choice, situation, None, written=False)
            return 0 if wanted.dry_run or wanted.json else 1
        backup, changed = rewrite(situation.file, lambda before: roles_file.merge(before, choice.roles), world.environ)
    except DaemonError as fault:
        return failed(fault)
    is_read = changed and _reload(situation.pid)
    if wanted.json:
        _print(world, choice, situation, backup, written=changed)
    else:
        world.say(_ending(situation, backup, changed=changed, is_read=is_read))
    return 0


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep init",
        description=_("Choose models for the roles from what is pulled and fits this machine, and write them down."),
    )
    root.add_argument("-y", "--yes", action="store_true", help=_("write without asking"))
    root.add_argument("-n", "--dry-run", action="store_true", help=_("show what would be written"))
    root.add_argument("--json", action="store_true", help=_("print JSON, one object a line; writes only with --yes"))
    return root


def shown(choice: RoleChoice, situation: Situation) -> str:
    """What was found and chosen, for people."""
    number, budget = len(choice.traits), gib(situation.budget.bytes)
    head = ngettext(
        "{n} model is pulled; models may take {budget} of this machine's memory",
        "{n} models are pulled; models may take {budget} of this machine's memory",
        number,
        budget=budget,
    )
    none = _("no model is pulled; models may take {budget} of this machine's memory", budget=budget)
    lines = [head if number else none]
    for role, chosen in choice.roles.items():
        chain = " -> ".join((chosen.primary, *chosen.fallbacks))
        lines += ["", f"{role}: {chain}", *(f"  {translated(reason)}" for reason in chosen.reasons)]
    if choice.notes:
        lines += ["", *(translated(note) for note in choice.notes)]
    if choice.pulls:
        lines += ["", _("models of the library that fit this machine and would serve better:")
                  if choice.roles else _("models of the library that fit this machine:")]  # fmt: skip
        lines += [f"  {role}: innkeep pull {name}" for role, name in choice.pulls.items()]
    elif not choice.roles:
        lines += ["", _("no model that innkeep knows fits this machine; see `innkeepd memory`")]
    return "\n".join(lines)


def _is_to_be_written(
    dry_run: bool, yes: bool, as_json: bool, situation: Situation, read: Callable[[str], str] | None
) -> bool:
    if dry_run or yes or as_json:
        return yes and not dry_run
    if read is None and not sys.stdin.isatty():
        sys.stderr.write("innkeep: " + _("nothing written; `innkeep init --yes` writes this") + "\n")
        return False
    file = _at_home(situation.file)
    question = (
        _("Replace the roles in {file} (a copy is kept)? [Y/n] ", file=file)
        if situation.has_roles
        else _("Write these roles to {file}? [Y/n] ", file=file)
    )
    try:
        answer = (read or input)(f"\n{question}").strip().lower()
    except EOFError:
        answer = "n"
    if answer in ("", "y", "yes", "ㅛ", "예", "네"):
        return True
    sys.stderr.write(_("nothing written") + "\n")
    return False


def _ending(situation: Situation, backup: Path | None, *, changed: bool, is_read: bool) -> str:
    file = _at_home(situation.file)
    if not changed:
        return _("{file} says so already", file=file)
    kept = _(" (as it was: {backup})", backup=backup.name) if backup else ""
    after = _("; the daemon has read it") if is_read else _("; it counts from the daemon's next start")
    return _("{file} written{kept}{after}", file=file, kept=kept, after=after)


def _reload(pid: int | None) -> bool:
    """Let the running daemon read its configuration again."""
    with suppress(OSError):
        if pid is not None:
            os.kill(pid, signal.SIGHUP)
            return True
    return False


def _print(world: World, choice: RoleChoice, situation: Situation, backup: Path | None, *, written: bool) -> None:
    found: dict[str, Any] = {
        "type": "init",
        "file": str(situation.file),
        "written": written,
        "backup": None if backup is None else str(backup),
        "budget": situation.budget.bytes,
        "roles": msgspec.to_builtins(choice.roles),
        "models": [msgspec.to_builtins(one) for one in choice.traits],
        "notes": choice.notes,
        "pulls": choice.pulls,
    }
    world.say(json.dumps(found, ensure_ascii=False))


def _at_home(file: Path) -> str:
    home = str(Path.home())
    return f"~{text[len(home) :]}" if (text := str(file)).startswith(f"{home}/") else text
