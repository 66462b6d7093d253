"""``docs/cli.md``, made from the parsers: ``python -m innkeep.cli.reference > docs/cli.md``."""

import sys

from innkeep.cli.outcome import EXIT_STATUSES
from innkeep.cli.tree import Argument, Command, commands
from innkeep.cli.verbs import GROUPS

_INTRODUCTION = """\
# The `innkeep` command

This page is made from the command's own parsers (`python -m innkeep.cli.reference > docs/cli.md`).

What `--json` prints is in [json.md](json.md); the names that `ollama` has for some of these work too (`ps`, `ls`,
`run`, `stop`), and so do `logs`, `restart`, `version` and `help COMMAND`.

`innkeep COMMAND --help` says the same with examples. `--socket PATH` (default `$INNKEEP_SOCKET`, else
`$INNKEEP_HOME/innkeepd.sock`, else `~/.innkeep/innkeepd.sock`) and `--json` (one JSON object, or one a line where more
than one comes) go with every command. Results are printed to standard output, everything about them to standard error.
Colours appear only on a terminal and without `$NO_COLOR`, lines that redraw themselves not with `TERM=dumb`.

Durations are seconds, or `90s`, `5m`, `1h30m`. A model may be written `ollama/NAME`.
"""


def page() -> str:
    """The whole page."""
    found = {command.name: command for command in commands()}
    parts = [_INTRODUCTION, _exit_statuses(), _overview(found)]
    parts += [_section(command) for command in found.values()]
    return "\n".join(parts)


def _exit_statuses() -> str:
    rows = [f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()]
    note = "`innkeep doctor` says how bad it is: 0 all is well, 1 warnings, 2 errors."
    return "\n".join(["## Exit status", "", "| status | meaning |", "|---|---|", *rows, "", note, ""])


def _overview(found: dict[str, Command]) -> str:
    rows = [f"| `{usage(found[verb])}` | {line} |" for verbs in GROUPS.values() for verb, line in verbs.items()]
    return "\n".join(["## Commands", "", "| command | what it does |", "|---|---|", *rows, ""])


def usage(command: Command) -> str:
    """``innkeep hold DURATION``: the verb and its positional arguments."""
    words = [_positional(one) for one in command.arguments if not one.flags]
    return " ".join(["innkeep", command.name, *words])


def _positional(argument: Argument) -> str:
    word = argument.value + ("..." if argument.many else "")
    return f"[{word}]" if argument.optional else word


def _section(command: Command) -> str:
    own = [one for one in command.arguments if "--socket" not in one.flags and "--json" not in one.flags]
    lines = [f"## innkeep {command.name}", "", f"{command.line[:1].upper()}{command.line[1:]}.", ""]
    if command.delegated:
        lines += [f'Run by `innkeepd {command.name}`, which comes with `pip install "innkeep[daemon]"`.', ""]
    if own:
        lines += ["| argument | meaning |", "|---|---|", *(_row(one) for one in own), ""]
    if command.examples:
        lines += ["```sh", *command.examples, "```", ""]
    return "\n".join(lines)


def _row(argument: Argument) -> str:
    name = ", ".join(argument.flags) or _positional(argument)
    value = f" {argument.value}" if argument.flags and argument.value and not argument.choices else ""
    choices = f" `{'`, `'.join(argument.choices)}`" if argument.choices else ""
    return f"| `{name}{value}`{choices} | {argument.help} |"


if __name__ == "__main__":
    sys.stdout.write(page())
