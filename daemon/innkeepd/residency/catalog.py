"""Which models there are, by name and by weights, and what each would take on this machine."""

from collections.abc import Container, Iterable, Mapping

from msgspec import Struct, structs

from innkeepd.config.derived import memory_policy, scheduler_settings
from innkeepd.config.schema import Config
from innkeepd.policy.memory.budget import Budget
from innkeepd.policy.memory.context import asks, choose_contexts, footprints, is_heavy, next_context, takes
from innkeepd.policy.memory.estimate import Estimates
from innkeepd.policy.memory.unpulled import too_large
from innkeepd.policy.model import CONTEXT_STEPS, DERIVED_PREFIX, Model, canonical, is_derived_from
from innkeepd.policy.scheduling.events import Spec
from innkeepd.policy.scheduling.settings import SchedulerSettings
from innkeepd.residency.slots import ParallelSlots


class Candidate(Struct, frozen=True):
    """A name that a request may be served under. ``backend`` is None for this machine's Ollama.

    ``host`` is where a cloud model of this machine's Ollama runs.
    """

    name: str
    weights: str
    backend: str | None = None
    host: str = ""

    @property
    def engine(self) -> str | None:
        """The engine elsewhere that runs it, as ``Spec.engine``; None where it runs on this machine."""
        return self.backend or (cloud_engine(self.host) if self.host else None)


KEEP_ALIVE = 1800.0
"""Seconds that Ollama is told to keep a model: longer than our own idle time; a dead daemon leaves nothing for ever."""
MOST_REMEMBERED = 256
"""Names of models elsewhere that are kept because somebody asked for them; the oldest is forgotten."""
CLOUD_PARALLEL = 4
"""Requests at once to one host of cloud models; more wait here, where they can be cancelled and take their turns."""


def cloud_engine(host: str) -> str:
    """How the scheduler calls the host of cloud models; no name of a ``[[backends]]`` table has a space."""
    return f"cloud {host}"


def mlx_bytes(model: Model, estimates: Estimates) -> int:
    """Bytes of a model of the MLX engine: the most that was ever seen of it, at least its weights."""
    return max([model.size, *(size for (weights, _), size in estimates.footprints.items() if weights == model.weights)])


class Catalog:
    """Names to weights to specs. Changed by the residency only."""

    def __init__(self, config: Config) -> None:
        self.budget: Budget | None = None
        self.left_out: dict[str, str] = {}
        """Pulled models that cannot be reckoned with, by name, and why."""
        self.estimates = Estimates()
        self.slots = ParallelSlots()
        self._models: dict[str, Model] = {}
        self._removed: dict[str, Model] = {}
        self._contexts: dict[str, int] = {}
        self._elsewhere: dict[str, None] = {}
        self.pins: set[str] = set()
        """Names of the models that the user keeps in memory."""
        self.configure(config)

    def __repr__(self) -> str:
        return f"Catalog({sorted(self._models)})"

    def configure(self, config: Config) -> None:
        """Take a new configuration."""
        self.config = config
        self.policy = structs.replace(memory_policy(config), slots=self.slots.known)

    def update(self, models: Iterable[Model], in_memory: Container[str] = ()) -> None:
        """Take what the backend has on its disk; one whose size cannot be computed goes to ``left_out``.

        A model that was removed while its weights are ``in_memory`` keeps its name, or nobody could unload it by that.
        """
        before = self._removed | self._models
        self._models, self.left_out = {}, {}
        for model in models:
            name = canonical(model.name)
            try:
                takes(model, CONTEXT_STEPS[-1], self.policy)
            except (ArithmeticError, TypeError, ValueError) as error:
                self.left_out[name] = f"what Ollama tells of its shape cannot be computed with ({error})"
            else:
                self._models[name] = model
        self._removed = {n: m for n, m in before.items() if m.weights in in_memory and n not in self._models}

    @property
    def models(self) -> Mapping[str, Model]:
        """Pulled models by canonical name."""
        return self._models

    def find(self, name: str) -> Model | None:
        """The model of this name that is pulled, or removed but in memory; of one that we derived, its parent."""
        if name.startswith(DERIVED_PREFIX):
            return next((model for model in self._models.values() if is_derived_from(name, model)), None)
        name = canonical(name)
        return self._models.get(name) or self._removed.get(name)

    def candidate(self, name: str) -> Candidate:
        """What a name stands for; one that is not pulled stands for itself."""
        remote = self.config.backend_of(name)
        if remote is not None:
            return Candidate(name, name, remote.name)
        model = self.find(name)
        spelled = canonical(name)
        return Candidate(spelled, model.weights, None, model.host) if model else Candidate(spelled, spelled)

    def weights_of(self, name: str) -> str:
        """Weights behind a name, here or elsewhere."""
        return self.candidate(name).weights

    def is_known(self, candidate: Candidate) -> bool:
        """Whether it is pulled, or one that the engine elsewhere is said to have."""
        if candidate.backend is None:
            return candidate.name in self._models
        said = self.config.backend_of(candidate.name)
        return said is not None and (not said.models or candidate.name.partition("/")[2] in said.models)

    def how_to_get(self, candidate: Candidate) -> str:
        """What to do about one that is not known."""
        said = self.config.backend_of(candidate.name)
        if candidate.name in self.left_out:
            return f"{candidate.name} is ignored: {self.left_out[candidate.name]}; pull it again, or remove it"
        if said is None:
            if self.budget is not None and (text := too_large(candidate.name, self.budget.bytes)) is not None:
                return text
            return f"{candidate.name} is not pulled; `ollama pull {candidate.name.removesuffix(':latest')}`"
        return f"{candidate.name} is not among the models of the backend {said.name}: {', '.join(said.models)}"

    def remember(self, candidates: Iterable[Candidate], in_use: Container[str] = ()) -> None:
        """Know remote models that no role names, because somebody asked for them; those ``in_use`` are kept."""
        for candidate in candidates:
            self._elsewhere.pop(candidate.name, None)
            self._elsewhere[candidate.name] = None
        for name in list(self._elsewhere)[:-MOST_REMEMBERED]:
            if name not in in_use:
                del self._elsewhere[name]

    def name_of(self, weights: str) -> str:
        """The name that a person would use for these weights: a role's, else one of the configuration, else any."""
        chained, configured = {name for role in self.config.roles.values() for name in role.chain}, self.config.models
        return min(self._names(weights), key=lambda n: (n not in chained, n not in configured, n), default=weights)

    def _names(self, weights: str) -> set[str]:
        pulled = {name for name, model in self._models.items() if model.weights == weights}
        return pulled or {name for name, model in self._removed.items() if model.weights == weights}

    def _spoken_for(self) -> dict[str, Model]:
        """By weights the model that counts: of several names for one runner the one that the configuration tells of."""
        found: dict[str, Model] = {}
        for name, model in self._models.items():
            if model.weights not in found or name in self.config.models:
                found[model.weights] = model
        return found

    def keep_alive(self) -> float:
        """Seconds for Ollama's ``keep_alive``."""
        idle = self.config.residency.idle_unload
        return KEEP_ALIVE if idle is None else max(KEEP_ALIVE, idle + 300.0)

    def scheduler_settings(self) -> SchedulerSettings:
        """What the configuration says of scheduling."""
        return scheduler_settings(self.config)

    def context_of(self, weights: str) -> int:
        """Tokens to load these weights with."""
        return self._contexts.get(weights, 4096)

    def largest_context(self, weights: str) -> int:
        """Tokens that these weights may grow to for a prompt that overflows."""
        current = self.context_of(weights)
        model = self._spoken_for().get(weights)
        if model is None or self.budget is None or model.is_mlx:
            return current
        return footprints(model, current, self.budget.bytes, self.policy, self.estimates.footprints)[-1][0]

    def larger_context(self, weights: str, current: int, tokens: int) -> int | None:
        """Where an overflowing prompt of about ``tokens`` may go: the next step, or one after if that is too small."""
        model = self._spoken_for().get(weights)
        if model is None or self.budget is None or model.is_mlx:
            return None
        larger = next_context(model, current, self.budget.bytes, self.policy, self.estimates.footprints)
        while larger is not None and larger < tokens:
            further = next_context(model, larger, self.budget.bytes, self.policy, self.estimates.footprints)
            if further is None:
                break
            larger = further
        return larger

    def learned_footprint(self, weights: str, context: int, size: int) -> None:
        """A model was seen to take so many bytes after its load; of one that grows by itself the most counts."""
        model = self._spoken_for().get(weights)
        most = model is not None and model.is_mlx
        self.estimates.learned_footprint(weights, context, size, most=most)

    def specs(self) -> tuple[Spec, ...]:
        """What the scheduler needs to know, for every model here and elsewhere."""
        budget = self.budget.bytes if self.budget else 0
        chained = {name for role in self.config.roles.values() for name in role.chain}
        models = {weights: model for weights, model in self._spoken_for().items() if not model.host}
        core = [model for model in models.values() if chained & self._names(model.weights)]
        contexts = self._choose(core, budget)
        found: dict[str, Spec] = {}
        for model in models.values():
            if model.is_mlx:
                contexts[model.weights] = self._mlx_context(model)
            elif model.weights not in contexts:
                contexts |= {model.weights: self._context_beside(core, model, budget)}
            found[model.weights] = self._spec(model, contexts[model.weights], budget)
        self._contexts = contexts
        return (*found.values(), *self._remote_specs(), *self._cloud_specs())

    def _mlx_context(self, model: Model) -> int:
        """The MLX engine goes up to the model's own context by itself: one is all there is."""
        return model.max_context or CONTEXT_STEPS[-1]

    def _context_beside(self, core: list[Model], model: Model, budget: int) -> int:
        return self._choose([*core, model], budget)[model.weights]

    def _choose(self, models: list[Model], budget: int) -> dict[str, int]:
        limit = self.budget.gpu_limit if self.budget else None
        return choose_contexts(models, budget, self.policy, self.estimates.footprints, gpu_limit=limit)

    def _spec(self, model: Model, context: int, budget: int) -> Spec:
        learned = self.estimates.footprints
        sizes = (
            ((context, mlx_bytes(model, self.estimates)),)
            if model.is_mlx
            else footprints(model, context, budget, self.policy, learned)
        )
        return Spec(
            model.weights,
            self.name_of(model.weights),
            sizes,
            predicted=sizes
            if model.is_mlx
            else tuple((tokens, asks(model, tokens, self.policy)) for tokens, _ in sizes),
            context=context,
            heavy=is_heavy(model, budget, self.policy),
            parallel=self.slots.of(model.weights, self._promised(model)),
            **self.estimates.durations(model.weights),
        )

    def _promised(self, model: Model) -> int:
        return self.config.model(canonical(model.name)).parallel

    def know_slots(self, known: int | None, server: int | None) -> bool:
        """Take how many requests Ollama's process (its pid) answers at once; whether that changes any spec."""
        changed = self.slots.know(known, server)
        self.policy = structs.replace(self.policy, slots=known)
        return changed

    def slot_warnings(self) -> list[str]:
        """A sentence for each model whose ``parallel`` is not what Ollama does."""
        local = (model for model in self._models.values() if not model.host and self._is_meant(model))
        found = (
            self.slots.difference(each.weights, self.name_of(each.weights), self._promised(each)) for each in local
        )
        return [text for text in dict.fromkeys(found) if text]

    def _is_meant(self, model: Model) -> bool:
        """Whether the configuration speaks of this model: a role names it, or it has a table of its own."""
        names = [name for role in self.config.roles.values() for name in role.chain]
        return canonical(model.name) in {canonical(name) for name in (*names, *self.config.models)}

    def _remote_specs(self) -> list[Spec]:
        names = [name for role in self.config.roles.values() for name in role.chain]
        names += [f"{backend.name}/{model}" for backend in self.config.backends for model in backend.models]
        found = {
            name: backend
            for name in (*names, *sorted(self._elsewhere))
            if (backend := self.config.backend_of(name)) is not None
        }
        return [self._elsewhere_spec(name, backend.name, backend.limit) for name, backend in found.items()]

    def _cloud_specs(self) -> list[Spec]:
        """Cloud models of this machine's Ollama: always there, no bytes, and nothing of them is ever loaded here."""
        return [
            Spec(
                model.weights,
                self.name_of(model.weights),
                ((0, 0),),
                0,
                parallel=CLOUD_PARALLEL,
                remote=True,
                engine=cloud_engine(model.host),
                service_s=self.estimates.durations(model.weights)["service_s"],
            )
            for model in self._spoken_for().values()
            if model.host
        ]

    def _elsewhere_spec(self, name: str, engine: str, limit: int) -> Spec:
        service = self.estimates.durations(name)["service_s"]
        return Spec(name, name, ((0, 0),), 0, parallel=limit, remote=True, engine=engine, service_s=service)
