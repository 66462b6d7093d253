"""Where a wish goes: what the request names, what the user selected, else what the router makes of its words."""

from collections import OrderedDict

from innkeepd.chat.router import router_of
from innkeepd.chat.types import ChatSpec, Target
from innkeepd.config.schema import Config
from innkeepd.policy.routing.router import Route, Router
from innkeepd.policy.scheduling.ledger import obstacle
from innkeepd.residency.supervisor import Supervisor

SESSIONS = 256
"""How many sessions' roles are remembered, so that "and now in Rust" stays with the coder."""


class TargetSelector:
    """Points wishes to candidates. ``selected`` and ``selected_roles`` are the user's word, kept over restarts."""

    def __init__(self, keeper: Supervisor, config: Config) -> None:
        self.selected: str | None = None
        self.selected_roles: dict[str, str] = {}
        self._keeper = keeper
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self.configure(config)

    def __repr__(self) -> str:
        return f"<Signpost {self.selected or 'by what is asked'}, {len(self._sessions)} sessions>"

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self._config = config
        self._router: Router | None = None

    def route(self, wish: ChatSpec, *, remember: bool = True) -> Target:
        """Where a wish goes; names are looked up later. ``remember`` its role for the next turn of its session."""
        if wish.model is not None:
            names = (wish.model, *wish.fallbacks)
            return self._direct(wish.role or self._role_of(wish.model), 1.0, "the request names the model", names)
        if wish.role is not None:
            return self._direct(wish.role, 1.0, "the request names the role", self.chain(wish.role))
        found = self._judge(wish, remember=remember)
        if self.selected is not None:
            reason = f"{self.selected} is selected; {found.role} otherwise ({found.reason})"
            return self._direct(found.role, 1.0, reason, (self.selected, *self.chain(found.role)))
        return self._direct(found.role, found.confidence, found.reason, self.chain(found.role))

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
        house = self._keeper.scheduler.house
        for candidate in way.candidates:
            cooling = self._keeper.scheduler.cooling.get(candidate.weights)
            known = self._keeper.catalog.is_known(candidate)
            if known and obstacle(house, candidate.weights, 0, cooling, self._keeper.now()) is None:
                return candidate.name
        return way.candidates[0].name

    def chain(self, role: str) -> tuple[str, ...]:
        """The role's candidates, what the user selected for it first."""
        chosen = self.selected_roles.get(role)
        configured = self._config.roles[role].chain
        return (chosen, *configured) if chosen else configured

    def _judge(self, wish: ChatSpec, *, remember: bool) -> Route:
        previous = self._sessions.get(wish.session) if wish.session else None
        if self._router is None:  # the weights are read when the first chat needs them
            self._router = router_of(self._config)
        found = self._router.route(wish.turns, previous=previous, tools=wish.tools)
        if wish.session and remember and not found.is_errand:
            self._sessions[wish.session] = found.role
            self._sessions.move_to_end(wish.session)
            if len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)
        return found

    def _role_of(self, model: str) -> str:
        name = self._keeper.catalog.candidate(model).name
        return next((role for role, said in self._config.roles.items() if said.primary == name), "general")

    def _direct(self, role: str, confidence: float, reason: str, names: tuple[str, ...]) -> Target:
        candidates = dict.fromkeys(self._keeper.catalog.candidate(name) for name in names)
        return Target(role, confidence, reason, tuple(candidates))
