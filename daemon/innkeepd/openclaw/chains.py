"""OpenClaw's model chains as our roles: the seed's shape, today's, and the list that came between.

    agents.defaults.model             -> general
    agents.profiles.ID.model          the seed's shape, which OpenClaw 2026.9 refuses
    agents.entries.ID.model           today's; agents.list[].model before it

A model is ``"provider/name"``, an alias, or ``{primary, fallbacks}`` of such. What can't be imported is reported.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from innkeepd.policy.model import canonical

ROLE_OF = {
    "coder": "coding", "coding": "coding", "code": "coding",
    "reasoner": "reasoning", "reasoning": "reasoning", "thinker": "reasoning",
    "general": "general", "generalist": "general",
}  # fmt: skip
"""An agent's id -> the role that it stands for."""

VIRTUAL = ("auto", "coding", "reasoning", "general")
"""Names under which our own HTTP port routes: a chain that led there would be a loop."""


class Chain(Struct, frozen=True):
    """A role's candidates, canonical; ``fallbacks`` None: the file names none. ``source``: the path it came from."""

    primary: str
    fallbacks: tuple[str, ...] | None
    source: str


class Taken(Struct, frozen=True):
    """What of a configuration becomes ours, and one line for each part that does not."""

    roles: dict[str, Chain]
    notes: tuple[str, ...]


def take(content: Mapping[str, Any], backends: frozenset[str] = frozenset()) -> Taken:
    """Read the chains; ``backends`` are the names of our own further engines, whose candidates stay as they are."""
    agents = _table(content.get("agents"))
    names = _Names(content, backends)
    roles: dict[str, Chain] = {}
    notes: list[str] = []
    for at, agent, report in _agents(agents):
        role = "general" if at == "agents.defaults" else ROLE_OF.get(agent.lower())
        if report is None:
            continue
        if role is None:
            notes.append(f"{at}: not taken: no role of innkeep is called {agent!r} (coding, reasoning, general)")
            continue
        chain = names.chain(report, f"{at}.model", notes)
        if chain is None:
            continue
        if role in roles:
            notes.append(f"{roles[role].source}: not taken: {chain.source} is {role} too and follows later")
        roles[role] = chain
    return Taken(roles, (*notes, *_left(content)))


class _Names:
    """Turns one of OpenClaw's model references into a candidate of ours, or says why there is none."""

    def __init__(self, content: Mapping[str, Any], backends: frozenset[str]) -> None:
        providers = _table(_table(content.get("models")).get("providers"))
        ours = {name for name, report in providers.items() if _table(report).get("api") == "ollama"}
        self._ollama = {"ollama", "innkeep", *ours}
        self._backends = backends
        known = _table(_table(_table(content.get("agents")).get("defaults")).get("models"))
        self._alias = {
            str(_table(report)["alias"]).lower(): name for name, report in known.items() if _table(report).get("alias")
        }

    def chain(self, report: object, at: str, notes: list[str]) -> Chain | None:
        """The chain at one place, or None with a note."""
        if isinstance(report, str):
            wanted, fallbacks = [report], None
        elif isinstance(report, dict) and isinstance(report.get("fallbacks", []), list):
            fallbacks = report.get("fallbacks")
            wanted = [one for one in (report.get("primary"), *(fallbacks or ())) if one is not None]
            notes += [f"{at}.{key}: not taken: innkeep has nothing like it" for key in report if key not in _CHAIN]
        else:
            notes.append(f'{at}: not taken: expected a name or {{"primary": ..., "fallbacks": [...]}}')
            return None
        found = [name for one in wanted if (name := self._candidate(one, at, notes))]
        if not found:
            notes.append(f"{at}: not taken: it names no model that innkeep could ask")
            return None
        rest = tuple(dict.fromkeys(name for name in found[1:] if name != found[0]))
        return Chain(found[0], None if fallbacks is None else rest, at)

    def _candidate(self, reference: object, at: str, notes: list[str]) -> str | None:
        if not isinstance(reference, str) or not reference.strip() or len(reference.split()) != 1:
            notes.append(f"{at}: {reference!r} is not the name of a model")
            return None
        name = self._alias.get(reference.strip().lower(), reference.strip())
        provider, mark, model = name.partition("/")
        if not mark:
            provider, model = "ollama", name
        elif provider in self._backends:
            return name
        if provider not in self._ollama:
            notes.append(
                f"{at}: {name} not taken: {provider} is not this machine's Ollama; OpenClaw can still fall back to it, "
                f"or give innkeep a [[backends]] of that name"
            )
            return None
        if model.removesuffix(":latest") in VIRTUAL:
            notes.append(f"{at}: {name} not taken: innkeep itself answers to that name, so it would go in a circle")
            return None
        return canonical(model)


_CHAIN = ("primary", "fallbacks")
_AGENTS = ("defaults", "profiles", "entries", "list")


def _agents(agents: Mapping[str, Any]) -> Iterator[tuple[str, str, object]]:
    """(path, id, what its ``model`` is) of everything that may have a chain, in ascending precedence."""
    yield "agents.defaults", "", _table(agents.get("defaults")).get("model")
    listed = agents.get("list")
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        yield f"agents.list[{index}]", str(_table(one).get("id", "")), _table(one).get("model")
    for shape in ("profiles", "entries"):
        for name, report in _table(agents.get(shape)).items():
            yield f"agents.{shape}.{name}", name, _table(report).get("model")


def _left(content: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that only OpenClaw has a use for."""
    agents = _table(content.get("agents"))
    alone = [f"agents.{key}" for key in agents if key not in _AGENTS]
    alone += [f"agents.defaults.{key}" for key in _table(agents.get("defaults")) if key not in ("model", "models")]
    for at, report in _each(agents):
        alone += [f"{at}.{key}" for key in report if key not in ("model", "id")]
    if "agents" in content and not isinstance(content["agents"], dict):
        alone.append("agents")
    providers = _table(_table(content.get("models")).get("providers"))
    for name, report in providers.items():
        url = _table(report).get("baseUrl")
        if name == "ollama" and isinstance(url, str):
            yield f"models.providers.ollama.baseUrl: not taken ({url}); where innkeep finds Ollama is [ollama] url"
        else:
            alone.append(f"models.providers.{name}")
    alone += [f"models.{key}" for key in _table(content.get("models")) if key != "providers"]
    alone += [key for key in content if key not in ("agents", "models")]
    if alone:
        yield f"left to OpenClaw, innkeep has no use for it: {', '.join(alone)}"


def _each(agents: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    listed = agents.get("list")
    for index, one in enumerate(listed if isinstance(listed, list) else ()):
        yield f"agents.list[{index}]", _table(one)
    for shape in ("profiles", "entries"):
        for name, report in _table(agents.get(shape)).items():
            yield f"agents.{shape}.{name}", _table(report)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
