"""Chains as ``[roles.*]`` of config.toml: printed, or merged into the file with its comments kept."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from innkeepd.config.load import load
from innkeepd.config.schema import Config, default_roles
from innkeepd.errors import ConfigError, DaemonError
from innkeepd.openclaw.chains import Chain
from innkeepd.openclaw.document import keep_copy
from innkeepd.service.files import write_whole


def spell(roles: Mapping[str, Chain]) -> str:
    """The tables as text, in the order of our roles; a comment names where each came from."""
    document = tomlkit.document()
    tables = tomlkit.table(is_super_table=True)
    for name in default_roles():
        if name in roles:
            table = tomlkit.table()
            table.comment(f"from {roles[name].source}")
            _fill(table, roles[name])
            tables.append(name, table)
    document.append("roles", tables)
    return tomlkit.dumps(document)


def merge(text: str, roles: Mapping[str, Chain]) -> str:
    """A config.toml with these chains in it; everything else, comments too, as it was. Raises DaemonError."""
    try:
        document = tomlkit.parse(text)
        if not document.get("roles"):
            return f"{text.rstrip()}\n\n{spell(roles)}".lstrip()
        tables = document["roles"]
        for name in (role for role in default_roles() if role in roles):
            if name not in tables:
                tables.add(name, tomlkit.table())
                _fill(tables[name], roles[name])
                tables[name].add(tomlkit.nl())
            else:
                _fill(tables[name], roles[name])
        return tomlkit.dumps(document)
    except TOMLKitError as fault:
        raise DaemonError(f"config.toml can't be merged into: {fault}") from None


def write(file: Path, roles: Mapping[str, Chain], env: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Merge into ``file``: (the backup, whether anything changed). Raises DaemonError and leaves the file as it was."""
    return rewrite(file, lambda before: merge(before, roles), env)


def rewrite(file: Path, merged: Callable[[str], str], env: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Replace a config.toml by ``merged`` of its text, once that reads as a configuration; returns as ``write``."""
    path = file.resolve()  # a link from a folder of dotfiles stays a link
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = merged(before)
        if after == before:
            return None, False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _prove(after, path, env)
        backup, mode = keep_copy(path)
        write_whole(path, after.encode(), mode)
    except OSError as fault:
        raise DaemonError(f"{path}: can't be written: {fault.strerror}") from None
    return backup, True


def _prove(text: str, path: Path, env: Mapping[str, str]) -> Config:
    """Read what would be written, beside the file, so that a relative ``token_file`` is found too."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".config.", suffix=".toml") as beside:
        beside.write(text.encode())
        beside.flush()
        try:
            return load(Path(beside.name), env)
        except ConfigError as fault:
            what = str(fault).removeprefix(f"{beside.name}: ")
            raise DaemonError(f"{path}: left as it was; with the new roles it would be wrong: {what}") from None


def _fill(table: Table, chain: Chain) -> None:
    table["primary"] = chain.primary
    if chain.fallbacks is not None:
        table["fallbacks"] = list(chain.fallbacks)
