"""Completion scripts as text, from the verbs' parsers: pure.

Models' names are asked of the running daemon (``innkeep models list --names``); without it there are none.
"""

from collections.abc import Sequence
from shlex import quote

from innkeep.cli.tree import Argument, Command

MODELS = "innkeep models list --names 2>/dev/null"
FILES = ("FILE", "PATH")


def script(shell: str, commands: Sequence[Command]) -> str:
    """The script for ``bash``, ``zsh`` or ``fish``."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


# ---- bash ----------------------------------------------------------------------------------------------------------


def _bash(commands: Sequence[Command]) -> str:
    verbs = " ".join(command.name for command in commands)
    after_option = [line for command in commands for line in _bash_values(command)]
    words = [
        f"        {command.name}) words={quote(' '.join(_words(command)))}; names={_wants_models(command)};;"
        for command in commands
    ]
    return "\n".join(
        [
            "# bash completion for innkeep",
            "_innkeep() {",
            '    local line="${COMP_LINE:0:COMP_POINT}" current="" previous="" verb="" words="" names=0 i colons',
            "    local -a typed",
            "    # readline's own words end at each colon, and a model's name has one: split at spaces instead",
            '    read -ra typed <<< "$line"',
            '    if [[ "$line" != *[[:space:]] ]]; then',
            '        current="${typed[${#typed[@]}-1]}"; unset "typed[${#typed[@]}-1]"',
            "    fi",
            '    previous="${typed[${#typed[@]}-1]}"',
            "    for ((i = 1; i < ${#typed[@]}; i++)); do",
            '        case "${typed[i]}" in --socket) ((i++));; -*) ;; *) verb="${typed[i]}"; break;; esac',
            "    done",
            '    case "$verb" in',
            f"        '') words={quote(verbs + ' --help --version --socket --json')};;",
            *words,
            "    esac",
            '    case "$verb $previous" in',
            *after_option,
            "        *' --socket') words=$(compgen -f -- \"$current\"); names=0;;",
            "    esac",
            f'    if ((names)) && [[ "$current" != -* ]]; then words="$words $({MODELS})"; fi',
            '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
            '    if [[ "$COMP_WORDBREAKS" == *:* && "$current" == *:* ]]; then',
            '        colons="${current%"${current##*:}"}"',
            '        COMPREPLY=("${COMPREPLY[@]#"$colons"}")',
            "    fi",
            "}",
            "complete -o bashdefault -o default -F _innkeep innkeep",
            "",
        ]
    )


def _bash_values(command: Command) -> list[str]:
    lines = []
    for option in _with_value(command):
        patterns = "|".join(quote(f"{command.name} {flag}") for flag in option.flags)
        names = int(option.value == "MODEL")
        if option.choices:
            found = quote(" ".join(option.choices))
        else:
            found = '$(compgen -f -- "$current")' if option.value in FILES else "''"
        lines.append(f"        {patterns}) words={found}; names={names};;")
    return lines


def _words(command: Command) -> list[str]:
    flags = [flag for one in command.arguments for flag in one.flags]
    choices = [choice for one in command.arguments if not one.flags for choice in one.choices]
    return [*choices, *flags, "--help"]


def _wants_models(command: Command) -> int:
    return int(any(not one.flags and one.value == "MODEL" for one in command.arguments))


def _with_value(command: Command) -> list[Argument]:
    return [one for one in command.arguments if one.flags and one.value]


# ---- zsh -----------------------------------------------------------------------------------------------------------


def _zsh(commands: Sequence[Command]) -> str:
    verbs = [f"            {quote(f'{command.name}:{_escaped(command.line)}')}" for command in commands]
    cases = [line for command in commands for line in _zsh_case(command)]
    return "\n".join(
        [
            "#compdef innkeep",
            "# zsh completion for innkeep",
            "_innkeep_models() {",
            "    local -a names",
            f'    names=(${{(f)"$({MODELS})"}})',
            "    compadd -a names",
            "}",
            "_innkeep() {",
            '    local curcontext="$curcontext" state line',
            "    typeset -A opt_args",
            "    _arguments -C '--socket[the socket of the daemon]:path:_files' '--json[print JSON]' \\",
            "        '(- *)--help[print help]' '(- *)--version[print the version]' \\",
            "        '1:command:->verb' '*::argument:->rest'",
            "    case $state in",
            "    verb)",
            "        local -a verbs",
            "        verbs=(",
            *verbs,
            "        )",
            "        _describe command verbs;;",
            "    rest)",
            "        case $line[1] in",
            *cases,
            "        esac;;",
            "    esac",
            "}",
            'if [[ "$funcstack[1]" = _innkeep ]]; then _innkeep "$@"; else compdef _innkeep innkeep; fi',
            "",
        ]
    )


def _zsh_case(command: Command) -> list[str]:
    specs = [spec for one in command.arguments for spec in _zsh_specs(one)]
    body = " \\\n                ".join(
        ["_arguments", *(quote(spec) for spec in specs), quote("(- *)--help[print help]")]
    )
    return [f"        {command.name})", f"            {body};;"]


def _zsh_specs(argument: Argument) -> list[str]:
    value = f":{argument.value.lower()}:{_zsh_action(argument)}" if argument.value else ""
    if not argument.flags:
        return [("*" if argument.many else "") + (value or ":argument:")]
    repeat = "*" if argument.many else ""
    return [f"{repeat}{flag}[{_escaped(argument.help)}]{value}" for flag in argument.flags]


def _zsh_action(argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    return "_innkeep_models" if argument.value == "MODEL" else "_files" if argument.value in FILES else " "


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:").replace("`", "")


# ---- fish ----------------------------------------------------------------------------------------------------------


def _fish(commands: Sequence[Command]) -> str:
    lines = [
        "# fish completion for innkeep",
        "complete -c innkeep -f",
        "complete -c innkeep -l socket -r -F -d 'the socket of the daemon'",
        "complete -c innkeep -l json -d 'print JSON'",
        "complete -c innkeep -s h -l help -d 'print help'",
        "complete -c innkeep -n __fish_use_subcommand -l version -d 'print the version'",
    ]
    for command in commands:
        lines.append(f"complete -c innkeep -n __fish_use_subcommand -a {command.name} -d {_fish_quote(command.line)}")
        lines += [
            _fish_line(command, one) for one in command.arguments if one.flags not in (("--socket",), ("--json",))
        ]
    return "\n".join([*lines, ""])


def _fish_line(command: Command, argument: Argument) -> str:
    flags = "".join(f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}" for flag in argument.flags)
    takes_value = bool(argument.flags and argument.value)
    needs = "" if not takes_value else " -r" if argument.value in FILES else " -x"  # -x: a value, and never a file
    if argument.choices:
        needs += f" -a {_fish_quote(' '.join(argument.choices))}"
    elif argument.value == "MODEL":
        needs += f" -a '({MODELS})'"
    elif argument.value in FILES:
        needs += " -F"
    condition = f"'__fish_seen_subcommand_from {command.name}'"
    return f"complete -c innkeep -n {condition}{flags}{needs} -d {_fish_quote(argument.help)}"


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("`", "") + "'"
