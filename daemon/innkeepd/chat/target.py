"""Where a wish goes: what the request names, what the user selected, else what the router makes of its words."""

from collections import OrderedDict
from functools import partial

from msgspec import structs

from innkeepd.chat.feedback import RoutingFeedback
from innkeepd.chat.router import router_of
from innkeepd.chat.shadow import Seen, Shadow
from innkeepd.chat.types import ChatSpec, Target
from innkeepd.config.schema import Config, default_roles
from innkeepd.machine.offload import SHORT, off_loop
from innkeepd.policy.memory.admission import obstacle
from innkeepd.policy.model import DERIVED_PREFIX, Model
from innkeepd.policy.routing.correction import Example
from innkeepd.policy.routing.router import ROLES, Route, Router
from innkeepd.policy.routing.swap import without_swap
from innkeepd.residency.control import ResidencyControl

SESSIONS = 256
"""How many sessions' roles are remembered, so that "and now in Rust" stays with the coder."""

READS = 2.5e9
"""Bytes a second that a load reads, until a model's own loads have taught better: an SSD's share in a load."""


class TargetSelector:
    """Points wishes to candidates. ``selected`` and ``selected_roles`` are the user's word, kept over restarts."""

    def __init__(self, control: ResidencyControl, config: Config, feedback: RoutingFeedback) -> None:
        self._feedback = feedback
        self.selected: str | None = None
        self.selected_roles: dict[str, str] = {}
        self.shadow = Shadow()
        self._control = control
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self.configure(config)

    def __repr__(self) -> str:
        return f"<Signpost {self.selected or 'by what is asked'}, {len(self._sessions)} sessions>"

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self._config = config
        self._router: Router | None = None

    async def routed(self, spec: ChatSpec, *, remember: bool = True) -> Target:
        """What ``route`` returns; the words of a long prompt are judged in a thread."""
        is_judged = spec.model is None and spec.role is None
        is_long = is_judged and sum(map(len, spec.demand.turns)) > SHORT
        reader = self._reader
        judged = await off_loop(is_long, partial(self._judge, spec, reader)) if is_judged else None
        return self.route(spec, remember=remember, judged=judged)

    def route(self, spec: ChatSpec, *, remember: bool = True, judged: Route | None = None) -> Target:
        """Where a request goes; names are looked up later. ``remember`` its role for the next turn of its session.

        ``judged`` is what its words came to, where they have been looked at already.
        """
        if self._is_errand(spec):
            return self._errand(spec, judged)
        if spec.model is not None:
            if self._config.routing.shadow and remember and spec.demand.turns:
                self._count(spec, spec.model)
            names = (spec.model, *spec.fallbacks)
            return self._direct(spec.role or self._role_of(spec.model), 1.0, "the request names the model", names)
        if spec.role is not None:
            way = self._direct(spec.role, 1.0, "the request names the role", self.chain(spec.role))
            return structs.replace(way, seen=self._shown(spec)) if remember else way
        judged = found = judged or self._judge(spec, self._reader)
        if self.selected is None:
            found = self._without_swap(found)
        if spec.session and remember and not found.is_errand:
            self._remember(spec.session, found.role)
        if self.selected is not None:
            reason = f"{self.selected} is selected; {found.role} otherwise ({found.reason})"
            way = self._direct(found.role, 1.0, reason, (self.selected, *self.chain(found.role)))
            return structs.replace(way, seen=_example(judged))
        way = self._direct(found.role, found.confidence, found.reason, self.chain(found.role))
        return structs.replace(way, shares=found.shares, seen=_example(judged))

    def _is_errand(self, spec: ChatSpec) -> bool:
        """Whether a client runs an errand that light models serve: not where one that nobody has pulled is named."""
        if spec.kind != "chat" or not spec.demand.errand or spec.strict or not self._config.routing.errands:
            return False
        catalog = self._control.catalog
        return spec.model is None or catalog.is_known(catalog.candidate(spec.model))

    def _errand(self, spec: ChatSpec, judged: Route | None) -> Target:
        """The light models that may serve an errand (``policy.scheduling.errands``), then what it would get else."""
        plain = structs.replace(spec, demand=structs.replace(spec.demand, errand=""), session=None)
        way = self.route(plain, remember=False, judged=judged)
        catalog, specs = self._control.catalog, self._control.scheduler.ledger.specs
        others = [name for role in self._config.roles for name in self.chain(role)]
        others += [each.name for each in sorted(catalog.models.values(), key=lambda model: model.size) if _chats(each)]
        local = [each for each in map(catalog.candidate, others) if each.engine is None]
        known = {each: specs.get(each.weights) for each in (*way.candidates, *local) if catalog.is_known(each)}
        light = [each for each, known_spec in known.items() if known_spec is not None and not known_spec.heavy]
        heavy = [each for each in way.candidates if each not in light]
        reason = f"an errand of the client's own ({spec.demand.errand})"
        return structs.replace(
            way, reason=reason, candidates=tuple(dict.fromkeys((*light, *heavy))), seen=None, errand=spec.demand.errand
        )

    def select(self, model: str | None, role: str | None = None) -> None:
        """What every chat that names no model goes to, or one role's primary; None: automatic again."""
        if role is None:
            self.selected = model
        elif model is None:
            self.selected_roles.pop(role, None)
        else:
            self.selected_roles[role] = model

    def would_take(self, way: Target) -> str:
        """The candidate that a request would get now: the first that is pulled and can fit."""
        ledger = self._control.scheduler.ledger
        for candidate in way.candidates:
            cooling = self._control.scheduler.cooling.get(candidate.weights)
            known = self._control.catalog.is_known(candidate)
            if known and obstacle(ledger, candidate.weights, 0, cooling, self._control.now()) is None:
                return candidate.name
        return way.candidates[0].name

    def chain(self, role: str) -> tuple[str, ...]:
        """The role's candidates, what the user selected for it first.

        Where the built-in defaults hold and none of them is pulled, whatever is pulled stands in for them.
        """
        chosen = self.selected_roles.get(role)
        configured = self._config.roles[role].chain
        chain = (chosen, *configured) if chosen else configured
        return (*self._stand_ins(), *chain) if self._lacks(role, chain) else chain

    def _lacks(self, role: str, chain: tuple[str, ...]) -> bool:
        catalog, default = self._control.catalog, default_roles().get(role)
        is_default = default is not None and self._config.roles[role].chain == default.chain
        return is_default and not any(catalog.is_known(catalog.candidate(name)) for name in chain)

    def _stand_ins(self) -> tuple[str, ...]:
        """Pulled models that chat, the largest that fits first; none of the cloud, where prompts leave the machine."""
        ledger, catalog, now = self._control.scheduler.ledger, self._control.catalog, self._control.now()
        able = [
            (model.parameters, name)
            for name, model in catalog.models.items()
            if not model.host
            and not name.startswith(DERIVED_PREFIX)
            and model.can({"completion"})
            and obstacle(ledger, catalog.candidate(name).weights, 0, None, now) is None
        ]
        return tuple(name for _, name in sorted(able, reverse=True))

    def warnings(self) -> list[str]:
        """What a person should know: roles whose default models are not pulled, and who answers for them."""
        roles = [role for role in self._config.roles if self._lacks(role, self._config.roles[role].chain)]
        able = self._stand_ins() if roles else ()
        if not able:
            return []
        text = f"no model of the roles {', '.join(roles)} is pulled: {able[0]} answers instead"
        return [f"{text}; `innkeep init` writes roles for what is pulled"]

    def explain(self, text: str, role: str) -> list[str]:
        """The words of ``text`` that speak for ``role``."""
        return self._reader.explain(text, role)

    def swap_of(self, way: Target) -> tuple[list[str], float]:
        """Which models would have to leave for what ``way`` would get now, and the seconds until it is in memory."""
        ledger, catalog = self._control.scheduler.ledger, self._control.catalog
        weights = catalog.candidate(self.would_take(way)).weights
        weighed = ledger.specs.get(weights)
        if weighed is None or ledger.has(weights, 0):
            return [], 0.0
        size = ledger.bytes_for(weights, ledger.context_for(weights, 0))
        leaves = []
        over = ledger.used() + size - ledger.budget
        for other in sorted(ledger.evictable(), key=lambda each: each.used):
            if over > 0 or (weighed.heavy and other.heavy):
                leaves.append(other)
                over -= other.settled
        load = weighed.load_s if weighed.load_s is not None else size / READS
        gone = sum((ledger.specs[each.weights].unload_s or 1.0) for each in leaves if each.weights in ledger.specs)
        return [self._control.name_of(each.weights) for each in leaves], load + gone

    @property
    def _reader(self) -> Router:
        if self._router is None:  # the weights are read when the first chat needs them
            self._router = router_of(self._config)
        self._router.correction = self._feedback.correction
        return self._router

    def _shown(self, spec: ChatSpec) -> Example | None:
        """What a person's choice of a role teaches; an agent's or a program's says little about the words."""
        if spec.door != "socket" or spec.demand.called or not spec.demand.turns:
            return None
        seen = _example(self._reader.route(spec.demand.turns[-1:]))
        return None if seen is None or spec.role is None else structs.replace(seen, role=spec.role)

    def _judge(self, spec: ChatSpec, reader: Router) -> Route:
        previous = self._sessions.get(spec.session) if spec.session else None
        return reader.route(spec.demand.turns, previous=previous, tools=spec.demand.called)

    def _without_swap(self, found: Route) -> Route:
        """The same, or a role whose model is in memory where the prompt is doubtful and a swap dear."""
        ledger, catalog = self._control.scheduler.ledger, self._control.catalog
        ways = {role: self._direct(role, 0.0, "", self.chain(role)) for role in ROLES if role in self._config.roles}
        takes = {role: self.would_take(way) for role, way in ways.items()}
        resident = {role: name for role, name in takes.items() if ledger.has(catalog.candidate(name).weights, 0)}
        if found.role not in ways or found.role in resident or not resident:
            return found
        return without_swap(found, resident, self.swap_of(ways[found.role])[1])

    def _count(self, spec: ChatSpec, model: str) -> None:
        """Count where a chat that names its model would have gone."""
        found = self._judge(spec, self._reader)
        way = self._direct(found.role, found.confidence, found.reason, self.chain(found.role))
        self.shadow.count(Seen(self._control.catalog.candidate(model).name, found.role, self.would_take(way)))

    def _remember(self, session: str, role: str) -> None:
        self._sessions[session] = role
        self._sessions.move_to_end(session)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)

    def _role_of(self, model: str) -> str:
        name = self._control.catalog.candidate(model).name
        return next((role for role, said in self._config.roles.items() if said.primary == name), "general")

    def _direct(self, role: str, confidence: float, reason: str, names: tuple[str, ...]) -> Target:
        candidates = dict.fromkeys(self._control.catalog.candidate(name) for name in names)
        return Target(role, confidence, reason, tuple(candidates))


def _chats(model: Model) -> bool:
    return not model.host and not model.name.startswith(DERIVED_PREFIX) and "completion" in model.capabilities


def _example(found: Route) -> Example | None:
    """A judged prompt without text, as feedback may name it later; None where nothing of it was read."""
    return Example(found.sketch, found.plain, found.role) if found.sketch else None
