"""The command ``innkeepd``: which verb, and who answers it. Exit status: 0 well, 1 not, 2 usage, 78 config."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from innkeep.language import _, language_of, later, speaking
from innkeepd import __version__
from innkeepd.arguments import Parser

INTERRUPTED, READER_LEFT = 130, 141
"""As a shell would say it of SIGINT and SIGPIPE."""

VERBS: dict[str, tuple[str, str]] = {
    "run": ("innkeepd.run", later("run the daemon in the foreground")),
    "memory": ("innkeepd.service.memory", later("show memory, the budget, and which models fit")),
    "simulate": ("innkeepd.simulate.command", later("replay a trace of requests on the scheduler, in virtual time")),
    "classify": ("innkeepd.simulate.classify", later("tell which role each prompt of a file is for; needs no daemon")),
    "init": ("innkeepd.setup.init", later("choose models for the roles from what is pulled")),
    "fit": ("innkeepd.setup.fit", later("tell whether a model fits this machine")),
    "pull": ("innkeepd.setup.pull", later("download a model, after telling whether it fits")),
    "config": ("innkeepd.config.command", later("check, locate or show the configuration")),
    "service": ("innkeepd.service.cli", later("install, start and stop the daemon as a service")),
    "doctor": ("innkeepd.service.doctor", later("find out what is wrong and how to fix it")),
    "connect": ("innkeepd.connect.cli", later("configure Claude Code, Codex, aider and others for innkeep")),
    "openclaw": ("innkeepd.openclaw.cli", later("connect OpenClaw to innkeep")),
}

EXAMPLES = """examples:
  innkeepd run                          serve, with the Ollama at $OLLAMA_HOST or 127.0.0.1:11434
  innkeepd run --simulate --speed 10    serve a simulated Ollama on a simulated 36 GB Mac, ten times as fast
  innkeepd memory                       which models fit this machine, and the sum behind it
  innkeepd config check                 is the configuration right?

exit status: 0 well, 1 failed, 2 wrong usage, 78 wrong configuration"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit status. Only the chosen verb's module is imported."""
    words = list(sys.argv[1:] if argv is None else argv)
    is_daemon = words[:1] == ["run"]  # its log and its replies are English, whoever started it
    with speaking("en" if is_daemon else language_of(os.environ)):
        return _main(words)


def _main(words: list[str]) -> int:
    if words and words[0] in VERBS:
        try:
            return _say(import_module(VERBS[words[0]][0]).main, words[1:])
        except ModuleNotFoundError as missing:
            return _thin(missing)
    parser = Parser(
        prog="innkeepd",
        description=_("The daemon that owns which model is in memory."),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"innkeepd {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for name, (_module, what) in VERBS.items():
        verbs.add_parser(name, help=_(what))
    parser.parse_args(words)
    return 0


def _thin(missing: ModuleNotFoundError) -> int:
    """Exit with a sentence where only the client is installed; raise where a module of ours is missing."""
    if (missing.name or "innkeepd").partition(".")[0] in {"innkeep", "innkeepd"}:
        raise missing
    text = f'innkeepd: {missing.name} is not installed; the daemon needs it: pip install "innkeep[daemon]"'
    print(text, file=sys.stderr)
    return 1


def _say(verb: Callable[[Sequence[str]], int], words: Sequence[str]) -> int:
    """Run a verb; an interrupt or a closed pipe ends it without a traceback."""
    try:
        status = verb(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the exit
        return READER_LEFT
    return status


if __name__ == "__main__":
    sys.exit(main())
