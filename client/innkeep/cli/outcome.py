"""How a command ends: exit statuses, and an error as one line that says what to do."""

from typing import Any

from innkeep.errors import ConnectionFailed, ConnectionLost, InnkeepError
from innkeep.language import _, later, translated

OK = 0
FAILURE = 1
USAGE = 2
NO_DAEMON = 3
RETRY = 4
BAD_CONFIG = 78
INTERRUPTED = 130
PIPE_CLOSED = 141

EXIT_STATUSES: dict[int, str] = {
    OK: later("done"),
    FAILURE: later("failed or refused; the same command will fail again"),
    USAGE: later("the command line is wrong, or a file that it names can't be read"),
    NO_DAEMON: later("the daemon isn't running"),
    RETRY: later("not now; the same command may succeed later"),
    BAD_CONFIG: later("the configuration is wrong"),
    INTERRUPTED: later("interrupted with Ctrl-C"),
    PIPE_CLOSED: later("the reader of the output went away"),
}
"""Exit status -> meaning, as ``--help`` and the documentation tell it."""

ADVICE: dict[str, str] = {
    "connection_failed": (
        later("`innkeep service install` makes it a service, `innkeepd run --simulate` tries it without Ollama")
    ),
    "connection_lost": later("try again; `innkeep status` tells whether it is back"),
    "bad_config": later("`innkeep config check` shows the place"),
    "unknown_model": later("`innkeep models list` shows the names"),
    "model_missing": later("`innkeep init` chooses from what is pulled"),
    "never_fits": later("`innkeep models list` shows what fits"),
    "context_overflow": later("shorten the prompt or name a model with a larger context"),
    "on_hold": later("`innkeep resume` ends the hold"),
    "queue_full": later("try again later"),
    "memory_pressure": later("close something big, or try again later"),
    "backend_unreachable": later("`innkeep doctor` looks for the reason"),
    "unsupported_protocol": later("upgrade whichever is older: `innkeep --version`, `innkeepd --version`"),
    "forbidden": later("only the user who runs the daemon may speak to it"),
}
"""What to do about a code, where the daemon's message says only what happened."""


class UsageError(Exception):
    """The command line asks for something that can't be had, found out only after it was parsed; one line."""


def exit_status(error: InnkeepError) -> int:
    """The exit status for an error: a daemon that isn't there, one worth another try, or a refusal."""
    if isinstance(error, ConnectionFailed) and not isinstance(error, ConnectionLost):
        return NO_DAEMON
    return RETRY if error.retryable else FAILURE


def error_line(error: InnkeepError) -> str:
    """``what; what to do`` in one line. A message that advises already (a ``;``, a command) is left alone.

    That nobody runs the daemon is what a new user sees first: it gets the ways for a new user beside the client's own.
    """
    what = translated(" ".join(error.message.split()))
    advice = _(ADVICE[error.code]) if error.code in ADVICE else None
    says_it_already = ";" in what or ("`" in what and error.code != "connection_failed")
    line = what if advice is None or says_it_already else f"{what.rstrip('.')}; {advice}"
    return _("{line} (the text above is incomplete)", line=line) if error.partial else line


def error_object(error: InnkeepError) -> dict[str, Any]:
    """The error as ``--json`` prints it: the wire's shape."""
    return {
        "type": "error",
        "id": None,
        "code": error.code,
        "message": error.message,
        "retryable": error.retryable,
        "detail": error.detail,
    }
