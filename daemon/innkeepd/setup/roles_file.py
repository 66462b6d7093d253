"""The chosen roles as ``[roles.*]`` of config.toml, each with its reasons as comments."""

import re
from collections.abc import Mapping

import tomlkit
from tomlkit.exceptions import TOMLKitError

from innkeepd.errors import DaemonError
from innkeepd.policy.role_choice import Chosen

_HEAD = re.compile(r"\[roles\.(\w+)\]")

MARK = "# init: "
"""Begins a comment of ours, so that the next ``init`` replaces it."""


def spell(roles: Mapping[str, Chosen]) -> str:
    """The tables as text."""
    document = tomlkit.document()
    tables = tomlkit.table(is_super_table=True)
    for role, chosen in roles.items():
        table = tomlkit.table()
        table["primary"], table["fallbacks"] = chosen.primary, list(chosen.fallbacks)
        tables.append(role, table)
    document.append("roles", tables)
    return _with_reasons(tomlkit.dumps(document), roles)


def merge(text: str, roles: Mapping[str, Chosen]) -> str:
    """A config.toml with these roles; everything else, comments too, as it was. Raises DaemonError.

    The same roles again change nothing.
    """
    kept = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(MARK))
    try:
        document = tomlkit.parse(kept)
        tables = document.get("roles")
        if not tables:
            return f"{kept.rstrip()}\n\n{spell(roles)}".lstrip()
        for role, chosen in roles.items():
            if role not in tables:
                tables.add(role, tomlkit.table())
            tables[role]["primary"], tables[role]["fallbacks"] = chosen.primary, list(chosen.fallbacks)
        return _with_reasons(tomlkit.dumps(document), roles)
    except TOMLKitError as fault:
        raise DaemonError(f"config.toml can't be merged into: {fault}") from None


def _with_reasons(text: str, roles: Mapping[str, Chosen]) -> str:
    """The reasons under each table's head; a role that is spelled without a head of its own gets none."""
    lines = []
    for line in text.splitlines(keepends=True):
        lines.append(line)
        head = _HEAD.match(line)
        if head and head[1] in roles:
            lines += [f"{MARK}{reason}\n" for reason in roles[head[1]].reasons]
    return "".join(lines)
