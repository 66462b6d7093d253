"""``innkeep completion bash|zsh|fish``."""

from argparse import ArgumentParser, Namespace

from innkeep.cli.outcome import OK
from innkeep.cli.terminal import Terminal
from innkeep.language import _

EXAMPLES = (
    'eval "$(innkeep completion bash)"                                   # in ~/.bashrc',
    "innkeep completion zsh > ~/.zfunc/_innkeep                          # a folder of $fpath",
    "innkeep completion fish > ~/.config/fish/completions/innkeep.fish",
)

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: ArgumentParser) -> None:
    """``SHELL``."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=_("bash, zsh or fish"))


def run(args: Namespace, terminal: Terminal) -> int:
    """Print the script, made from the parsers; with ``--json`` as one string."""
    from innkeep.cli.completion_scripts import script  # imports every verb
    from innkeep.cli.tree import commands

    text = script(args.shell, tuple(commands()))
    if args.json:
        terminal.print_json({"shell": args.shell, "script": text})
    else:
        terminal.out.write(text)
    return OK
