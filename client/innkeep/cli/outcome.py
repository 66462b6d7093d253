"""How a command ends: exit statuses, and an error as one line that says what to do."""

from typing import Any

from innkeep.errors import ConnectionFailed, ConnectionLost, InnkeepError

OK = 0
FAILURE = 1
USAGE = 2
NO_DAEMON = 3
RETRY = 4
BAD_CONFIG = 78
INTERRUPTED = 130
PIPE_CLOSED = 141

EXIT_STATUSES: dict[int, str] = {
    OK: "done",
    FAILURE: "failed or refused; the same command will fail again",
    USAGE: "the command line is wrong, or a file that it names can't be read",
    NO_DAEMON: "the daemon isn't running",
    RETRY: "not now; the same command may succeed later",
    BAD_CONFIG: "the configuration is wrong",
    INTERRUPTED: "interrupted with Ctrl-C",
    PIPE_CLOSED: "the reader of the output went away",
}
"""Exit status -> meaning, as ``--help`` and the documentation tell it."""

ADVICE: dict[str, str] = {
    "connection_failed": (
        "`innkeep service install` makes it a service, `innkeepd run --simulate` tries it without Ollama"
    ),
    "connection_lost": "try again; `innkeep status` tells whether it is back",
    "bad_config": "`innkeep config check` shows the place",
    "unknown_model": "`innkeep models list` shows the names",
    "model_missing": "`innkeep init` chooses from what is pulled",
    "never_fits": "`innkeep models list` shows what fits",
    "context_overflow": "shorten the prompt or name a model with a larger context",
    "on_hold": "`innkeep resume` ends the hold",
    "queue_full": "try again later",
    "memory_pressure": "close something big, or try again later",
    "backend_unreachable": "`innkeep doctor` looks for the reason",
    "unsupported_protocol": "upgrade whichever is older: `innkeep --version`, `innkeepd --version`",
    "forbidden": "only the user who runs the daemon may speak to it",
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
    what = " ".join(error.message.split())
    advice = ADVICE.get(error.code)
    says_it_already = ";" in what or ("`" in what and error.code != "connection_failed")
    line = what if advice is None or says_it_already else f"{what.rstrip('.')}; {advice}"
    return f"{line} (the text above is incomplete)" if error.partial else line


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
