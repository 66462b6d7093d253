"""The effective configuration as TOML, with where each value came from; secrets are masked."""

import json
from typing import Any, get_type_hints

from msgspec import Struct

from innkeep.units import spell_seconds, spell_size
from innkeepd.config.schema import Config, WhenConfig
from innkeepd.config.values import marker


def show(config: Config) -> str:
    """Every table and key; a comment names the source of a value that is not the default."""
    lines = [f"# {config.file or 'no file; every value is the default'}"]
    for name in Config.__struct_fields__:
        value = getattr(config, name)
        if name in {"file", "sources"}:
            continue
        if name == "roles":
            for role, chain in value.items():
                lines += _table(f"roles.{role}", f"[roles.{role}]", chain, config.sources)
        elif name == "models":
            for model, shown in value.items():
                lines += _table(f'models."{model}"', f'[models."{model}"]', shown, config.sources)
        elif name == "backends":
            for index, backend in enumerate(value):
                lines += _table(f"backends[{index}]", "[[backends]]", backend, config.sources)
        elif name == "when":
            for index, rule in enumerate(value):
                lines += _rule(f"when[{index}]", rule, config.sources)
        else:
            lines += _table(name, f"[{name}]", value, config.sources)
    return "\n".join(lines) + "\n"


def _table(at: str, head: str, table: Struct, sources: dict[str, str]) -> list[str]:
    hints = get_type_hints(type(table), include_extras=True)
    lines, inner = ["", head], []
    for name in table.__struct_fields__:
        value = getattr(table, name)
        if isinstance(value, Struct):
            inner += _table(f"{at}.{name}", f"[{head.strip('[]')}.{name}]", value, sources)
            continue
        source = sources.get(f"{at}.{name}")
        text = f"{name} = {_spell(name, value, marker(hints[name]))}"
        lines.append(f"{text}  # {source}" if source else text)
    return lines + inner


def _rule(at: str, rule: WhenConfig, sources: dict[str, str]) -> list[str]:
    """A ``[[when]]`` table with the keys that are set: an unset one is no condition, and has no spelling."""
    shown = [line for line in _table(at, "[[when]]", rule, sources) if line and not line.endswith('= "unset"')]
    unset = [line for line in shown if line.endswith(('= ""', "= []"))]
    return ["", *(line for line in shown if line not in unset)]


def _spell(name: str, value: Any, unit: str) -> str:
    if value is None:
        return '"unset"' if unit.endswith("unset") else '"never"' if unit.startswith("duration") else '"auto"'
    if name == "token" and value:
        return '"***"'
    if unit.startswith("duration"):
        return f'"{spell_seconds(value)}"'
    if unit.startswith("size"):
        return f'"{text}"' if not (text := spell_size(value)).isdigit() else text
    if isinstance(value, tuple):
        return f"[{', '.join(_spell('', one, '') for one in value)}]"
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)
