"""``config.toml``: found, read, checked and shown.

An error becomes one ``ConfigError`` of one line: the file, the key (or the line), what was expected and what was found.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from innkeep import paths
from innkeepd.config.address import ollama_url
from innkeepd.config.check import complaints
from innkeepd.config.schema import (
    BackendConfig,
    BackendTimeouts,
    Config,
    ModelConfig,
    RoleConfig,
    TimeoutsConfig,
    WhenConfig,
)
from innkeepd.config.values import BadValue, overlay, unknown_key
from innkeepd.errors import ConfigError
from innkeepd.policy.model import canonical

__all__ = ["check", "find", "load"]

_NOT_A_BACKEND = ("ollama", "library", "registry.ollama.ai", "innkeep")
"""First parts of a model's name that already mean something."""


def find(path: Path | None, env: Mapping[str, str]) -> tuple[Path, bool]:
    """The file to read, and whether it was named explicitly (then it must exist).

    In this order: ``path`` (from --config), $INNKEEP_CONFIG, config.toml in $INNKEEP_HOME, in ~/.innkeep.
    """
    if path is not None:
        return path.absolute(), True
    return paths.config_path(env).absolute(), bool(env.get("INNKEEP_CONFIG"))


def load(path: Path | None, env: Mapping[str, str]) -> Config:
    """The effective configuration; no file: the defaults. Raises ConfigError."""
    file, named = find(path, env)
    table = _read(file, must_exist=named)
    try:
        config = _decode(table or {}, file, env)
        for at, text in complaints(config):
            raise BadValue(at, text)
    except BadValue as bad:
        where = "environment" if bad.at.startswith("$") else file
        raise ConfigError(f"{where}: {bad.at}: {bad.text}") from None
    return structs.replace(config, file=None if table is None else file)


def check(path: Path | None, env: Mapping[str, str]) -> str:
    """One line: the configuration is valid, and its path. Raises ConfigError."""
    config = load(path, env)
    if config.file is None:
        return f"{find(path, env)[0]}: no such file; everything has its default"
    count = len(config.sources)
    return f"{config.file}: fine, {count} {'key' if count == 1 else 'keys'} set"


def _read(file: Path, *, must_exist: bool) -> dict[str, Any] | None:
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{file}: no such file") from None
        return None
    except OSError as err:
        raise ConfigError(f"{file}: can't be read: {err.strerror}") from None
    except UnicodeDecodeError as err:
        line = err.object[: err.start].count(b"\n") + 1
        raise ConfigError(f"{file}: line {line}: not UTF-8 text") from None
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as err:
        what, mark, place = str(err).partition(" (at ")
        where = place.rstrip(")") if mark and place.startswith("line") else f"line {text.count(chr(10)) + 1}"
        raise ConfigError(f"{file}: {where}: not TOML: {what}") from None
    except RecursionError:
        raise ConfigError(f"{file}: not TOML that we read: nested too deeply") from None


def _decode(table: dict[str, Any], file: Path, env: Mapping[str, str]) -> Config:
    sources: dict[str, str] = {}
    plain = {key: value for key, value in table.items() if key not in {"roles", "models", "backends", "when"}}
    config = overlay(Config(), plain, "", skip=("file", "sources"))
    timeouts = config.timeouts
    backends = tuple(
        _backend(entry, f"backends[{index}]", timeouts, file, env)
        for index, entry in enumerate(_list(table.get("backends", []), "backends"))
    )
    names = {backend.name for backend in backends}
    config = structs.replace(
        config,
        backends=backends,
        when=tuple(_when(entry, f"when[{at}]") for at, entry in enumerate(_list(table.get("when", []), "when"))),
        roles=_roles(_dict(table.get("roles", {}), "roles"), config.roles, names),
        models=_models(_dict(table.get("models", {}), "models"), names),
        http=structs.replace(config.http, token=_token(config.http.token, config.http.token_file, "http", file, env)),
    )
    _note(table, "", file.name, sources, names)
    if "url" in table.get("ollama", {}):
        config = _with_url(config, config.ollama.url, "ollama.url")
    elif host := env.get("OLLAMA_HOST", "").strip():
        config = _with_url(config, host, "$OLLAMA_HOST")
        sources["ollama.url"] = "$OLLAMA_HOST"
    return structs.replace(config, sources=sources)


def _with_url(config: Config, text: str, at: str) -> Config:
    try:
        return structs.replace(config, ollama=structs.replace(config.ollama, url=ollama_url(text)))
    except ValueError as err:
        raise BadValue(at, f"expected an address of Ollama: {err}") from None


def _roles(table: dict[str, Any], defaults: dict[str, RoleConfig], backends: set[str]) -> dict[str, RoleConfig]:
    for name in table:
        if name not in defaults:
            raise unknown_key("roles", name, defaults)
    return {name: _role(table.get(name, {}), role, f"roles.{name}", backends) for name, role in defaults.items()}


def _role(table: object, default: RoleConfig, at: str, backends: set[str]) -> RoleConfig:
    """A new primary alone keeps the default fallbacks, less itself."""
    role = overlay(default, _dict(table, at), at)
    primary = _name(role.primary, f"{at}.primary", backends)
    fallbacks = (_name(name, f"{at}.fallbacks[{index}]", backends) for index, name in enumerate(role.fallbacks))
    rest = tuple(dict.fromkeys(name for name in fallbacks if name != primary))
    keywords = tuple(dict.fromkeys(word.strip() for word in role.keywords if word.strip()))
    return RoleConfig(primary=primary, fallbacks=rest, keywords=keywords)


def _models(table: dict[str, Any], backends: set[str]) -> dict[str, ModelConfig]:
    models: dict[str, ModelConfig] = {}
    for key, value in table.items():
        at = f'models."{key}"'
        name = _name(key, at, backends)
        if name in models:
            raise BadValue(at, f"{name} is described twice")
        models[name] = overlay(ModelConfig(), _dict(value, at), at)
    return models


def _name(text: str, at: str, backends: set[str]) -> str:
    """Canonical for this machine's Ollama; unchanged for another backend."""
    bare = text.strip()
    if not bare or re.search(r"\s", bare):
        raise BadValue(at, f"expected a model's name, got {text!r}")
    prefix, mark, rest = bare.partition("/")
    if mark and rest and prefix in backends:
        return bare
    if mark and "." not in prefix and prefix not in _NOT_A_BACKEND:
        close = difflib.get_close_matches(prefix, sorted(backends), n=1, cutoff=0.75)
        if close:
            raise BadValue(at, f"no backend is called {prefix!r}; did you mean {close[0]}/{rest}?")
    return canonical(bare)


def _backend(entry: object, at: str, timeouts: TimeoutsConfig, file: Path, env: Mapping[str, str]) -> BackendConfig:
    inherited = BackendTimeouts(connect=timeouts.connect, first_token=timeouts.first_token, stall=timeouts.stall)
    backend = overlay(BackendConfig(name="", url="", timeouts=inherited), _dict(entry, at), at)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", backend.name) or backend.name in _NOT_A_BACKEND:
        raise BadValue(f"{at}.name", f"expected a name of letters, digits, - or _, of our own, got {backend.name!r}")
    if not re.match(r"https?://[^/\s]", backend.url):
        raise BadValue(f"{at}.url", f"expected http://... or https://..., got {backend.url!r}")
    own = tuple(model.removeprefix(f"{backend.name}/") for model in backend.models)
    token = _token(backend.token, backend.token_file, at, file, env)
    return structs.replace(backend, url=backend.url.rstrip("/"), models=own, token=token)


def _when(entry: object, at: str) -> WhenConfig:
    rule = overlay(WhenConfig(), _dict(entry, at), at)
    if not rule.then:
        raise BadValue(f"{at}.then", 'expected "hold", "light_only", "batch_only" or "no_growth", got nothing')
    if rule == WhenConfig(name=rule.name, then=rule.then):
        raise BadValue(at, 'a rule needs a condition, such as hours = "22:00-07:00" or on_battery = true')
    return structs.replace(rule, name=rule.name.strip() or at)


def _token(token: str, token_file: str, at: str, file: Path, env: Mapping[str, str]) -> str:
    if not token_file:
        return token.strip()
    if token:
        raise BadValue(f"{at}.token", "set this or token_file, not both")
    path = file.parent / paths.expanded(token_file, env)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        why = (err.strerror if isinstance(err, OSError) else None) or "not text"
        raise BadValue(f"{at}.token_file", f"{path} can't be read: {why}") from None
    if not text or "\n" in text:
        raise BadValue(f"{at}.token_file", f"{path} holds no token; expected one line")
    return text


def _note(table: Mapping[str, Any], at: str, source: str, sources: dict[str, str], backends: set[str]) -> None:
    """Record the source of every key that was set."""
    for key, value in table.items():
        path = f'models."{_name(key, at, backends)}"' if at == "models" else f"{at}.{key}".lstrip(".")
        if isinstance(value, dict):
            _note(value, path, source, sources, backends)
        elif path in {"backends", "when"}:
            for index, entry in enumerate(value):
                _note(entry, f"{path}[{index}]", source, sources, backends)
        else:
            sources[path] = source


def _dict(value: object, at: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadValue(at, f"expected a table, got {value!r}")
    return value


def _list(value: object, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadValue(at, f"expected [[{at}]] tables, got {value!r}")
    return value
