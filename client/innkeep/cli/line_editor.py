"""Lines typed at a terminal, with history and Tab where Python has readline; several lines as one where pasted."""

import select
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from innkeep.cli.arguments import ROLES
from innkeep.cli.chat_commands import COMMANDS

KEPT = 1000
"""Lines of history that are kept."""


def terminal_reader(history: Path, names: Callable[[], Collection[str]]) -> Callable[[str], str]:
    """``input`` with line editing, the lines of earlier conversations, and Tab for commands, roles and models."""
    try:
        import readline  # not every Python has it
    except ImportError:
        return input
    with suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(KEPT)
    readline.set_completer_delims(" ")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    if not is_libedit:
        readline.parse_and_bind("set enable-bracketed-paste on")  # a paste is one text, however many lines it has

    def complete(text: str, state: int) -> str | None:
        found = completions(readline.get_line_buffer(), text, names)
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    return input


def completions(line: str, word: str, names: Callable[[], Collection[str]]) -> list[str]:
    """What ``word``, the last one of ``line``, may become."""
    command, space, _rest = line.partition(" ")
    if not space:
        choices: Collection[str] = COMMANDS if line.startswith("/") else ()
    elif command == "/model":
        choices = [*names(), "auto"]
    else:
        choices = (*ROLES, "auto") if command == "/role" else ()
    return sorted(choice for choice in choices if choice.startswith(word))


def save_history(history: Path) -> None:
    """Keep the lines for the next conversation, for nobody but this user to read."""
    with suppress(ImportError, OSError):
        import readline

        history.touch(mode=0o600)
        readline.write_history_file(history)


def more_is_typed() -> bool:
    """Whether the terminal has more to read at once: the rest of a paste, where readline takes it line by line."""
    with suppress(OSError, ValueError, TypeError):
        return bool(select.select([sys.stdin], [], [], 0)[0])
    return False
