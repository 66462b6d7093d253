"""From a command line to an exit status: finds the verb, parses its arguments, runs it, tells its errors."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from innkeep.cli.lazy import load_verb
from innkeep.cli.outcome import INTERRUPTED, OK, PIPE_CLOSED, USAGE, UsageError, error_line, error_object, exit_status
from innkeep.cli.terminal import Terminal
from innkeep.cli.verbs import ALIASES, DELEGATED, GLOBAL_VALUES, VERBS
from innkeep.errors import BadRequest, InnkeepError
from innkeep.language import LANGUAGES, _, language_of, speaking

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(argv: Sequence[str] | None = None, terminal: Terminal | None = None) -> int:
    """Run a command line and give its exit status (``outcome.EXIT_STATUSES``); a foreseeable error is one line."""
    words = list(sys.argv[1:] if argv is None else argv)
    _accept_any_character()
    terminal = terminal or Terminal()
    try:
        words, language = _language(words, terminal)
    except UsageError as fault:
        terminal.print_error(str(fault))
        return USAGE
    with speaking(language):
        return _run(words, terminal)


def _run(words: list[str], terminal: Terminal) -> int:
    try:
        return _dispatch(words, terminal)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_the_pipe(terminal)
    except UsageError as fault:
        if "--json" in words:
            terminal.print_json(error_object(BadRequest(str(fault))))
        terminal.print_error(str(fault))
        return USAGE


def _language(words: list[str], terminal: Terminal) -> tuple[list[str], str]:
    """The words without ``--lang LANGUAGE``, and the language to speak: its, else the environment's.

    What the daemon's own verbs print follows ``$INNKEEP_LANG``.
    """
    rest, name = [], ""
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "--":
            rest += [word, *words]
            break
        if word == "--lang":
            if not words:
                raise UsageError("--lang needs a language: en or ko")
            name = words.pop(0)
        elif word.startswith("--lang="):
            name = word.removeprefix("--lang=")
        else:
            rest.append(word)
    if not name:
        return rest, language_of(terminal.environ)
    if name not in LANGUAGES:
        raise UsageError(f"no language {name!r}; use en or ko")
    terminal.environ = {**terminal.environ, "INNKEEP_LANG": name}
    return rest, name


def _dispatch(words: list[str], terminal: Terminal) -> int:
    before, verb, after = _split(words)
    if verb is None:
        return _without_verb(before, terminal)
    if verb == "help":
        return _dispatch([*before, *(after[:1] or []), "--help"], terminal)
    if verb == "run":
        verb, after = _model_first(after)
    elif verb in ALIASES:
        return _dispatch([*before, *ALIASES[verb], *after], terminal)
    if verb not in VERBS:
        raise UsageError(_unknown(verb))
    if verb in DELEGATED:
        from innkeep.cli.delegate import delegate  # each verb's module only when it is chosen

        return delegate(verb, before, after, terminal)
    return _run_verb(verb, [*before, *after], terminal)


def _split(words: list[str]) -> tuple[list[str], str | None, list[str]]:
    """The options before the verb, the verb, the rest. What stands before it means the same as behind it."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in GLOBAL_VALUES else 1
    return words[:at], words[at] if at < len(words) else None, words[at + 1 :]


def _without_verb(options: list[str], terminal: Terminal) -> int:
    from innkeep.cli.overview import overview, version_line  # a verb's run goes without it

    if "--version" in options or "-V" in options:
        terminal.say(version_line())
        return OK
    if "--help" in options or "-h" in options:
        terminal.say(overview())
        return OK
    terminal.note(overview() if not options else _("innkeep: no command given; see `innkeep --help`"))
    return USAGE


def _model_first(words: list[str]) -> tuple[str, list[str]]:
    """``run MODEL [TEXT]``, as Ollama has it: a question where there is a text or a pipe, else a conversation."""
    from innkeep.cli.prompt import is_piped  # for `run` only

    if not words or words[0].startswith("-"):
        if "--help" in words or "-h" in words:
            return "ask", ["--help"]
        raise UsageError(_("run needs a model: innkeep run MODEL [TEXT]"))
    has_text = any(not word.startswith("-") for word in words[1:]) or is_piped(sys.stdin)
    return "ask" if has_text else "chat", ["-m", *words]


def _unknown(verb: str) -> str:
    from difflib import get_close_matches  # for a slip of the finger only

    close = get_close_matches(verb, [*VERBS, *ALIASES], n=1)
    return _("no command {verb!r}; ", verb=verb) + (
        _("did you mean `innkeep {close}`?", close=close[0]) if close else _("see `innkeep --help`")
    )


def _run_verb(verb: str, words: list[str], terminal: Terminal) -> int:
    args = _parsed_arguments(verb, words)
    args.verb = verb
    try:
        return load_verb(verb).run(args, terminal)
    except InnkeepError as error:
        if args.json:
            terminal.print_json(error_object(error))
        terminal.print_error(error_line(error))
        return exit_status(error)


def _parsed_arguments(verb: str, words: list[str]) -> "Namespace":
    from innkeep.cli.arguments import parser_of  # argparse costs 10 ms

    return parser_of(verb).parse_args(words)


def _accept_any_character() -> None:
    """Print ``?`` instead of failing where the locale has no such character."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and getattr(stream, "errors", None) == "strict":
            reconfigure(errors="replace")


def _leave_the_pipe(terminal: Terminal) -> int:
    """Nobody reads any more: say nothing, and let the interpreter's own flush at exit go nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, terminal.out.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass
    return PIPE_CLOSED
