"""What may happen, and what may be done about it.

Events go into ``Scheduler.step``, actions come out. Both are frozen, tagged and serialisable: a log of events,
replayed, gives the same actions. Every action that takes time carries an ``op`` number, and its completion returns it.
Models are named by *weights* here (``policy.model``): what stands in memory. Instants are seconds on one monotonic
clock.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

Priority: TypeAlias = Literal["interactive", "agent", "batch"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "agent", "batch")
Pressure: TypeAlias = Literal["normal", "warning", "critical"]


class Spec(Struct, frozen=True):
    """What the scheduler needs to know of a model.

    ``footprints`` are (context, bytes) by rising context, at least one; ``context`` is the one to load it with. A
    ``remote`` model lives on another machine: it takes no memory here and is always there; those of one ``engine``
    share its ``parallel``. What was learned of it:
    ``load_s``, ``unload_s`` and ``service_s``, seconds of a load, an unload, an answer; None until learned. They
    foretell, they never decide who is next. ``predicted`` are (context, bytes) as Ollama's scheduler predicts them
    before a load; empty: its ``footprints``.
    """

    weights: str
    name: str
    footprints: tuple[tuple[int, int], ...]
    context: int = 4096
    heavy: bool = False
    parallel: int = 1
    remote: bool = False
    engine: str = ""
    load_s: float | None = None
    unload_s: float | None = None
    service_s: float | None = None
    predicted: tuple[tuple[int, int], ...] = ()

    def context_for(self, need: int) -> int:
        """The context to load with for ``need`` tokens: its own, else the smallest known step that does."""
        if need <= self.context:
            return self.context
        return next((tokens for tokens, _ in self.footprints if tokens >= need), need)

    def bytes_at(self, context: int) -> int:
        """Bytes at the smallest known context that holds ``context`` tokens, else at the largest known."""
        return _at(self.footprints, context)

    def predicted_at(self, context: int) -> int | None:
        """Bytes that Ollama predicts at that context; None where only the footprint is known."""
        return _at(self.predicted, context) if self.predicted else None


def _at(sizes: tuple[tuple[int, int], ...], context: int) -> int:
    return next((size for tokens, size in sizes if tokens >= context), sizes[-1][1])


class Ticket(Struct, frozen=True):
    """A wish to use a model. Ends exactly once: granted (and later released), refused or cancelled.

    ``chain`` are acceptable weights, best first. ``need`` is the smallest context that will do. ``insist`` tries a
    model although it is cooling. ``patience`` is how long it waits for the best, in seconds, before a smaller one that
    stands free will do; it is also how long it bears a hold. ``session`` with ``last`` false: another turn follows.
    ``errand``: a client's own small request, which loads no heavy model and takes no warm prompt (``errands``);
    ``takes_warm``: but a light model's at once, because the engine keeps old prompts outside its slots.
    """

    id: str
    chain: tuple[str, ...]
    priority: Priority = "interactive"
    session: str | None = None
    last: bool = True
    patience: float | None = None
    need: int = 0
    insist: bool = False
    errand: bool = False
    takes_warm: bool = False


class Passed(Struct, frozen=True):
    """A candidate that could not be had, and why."""

    weights: str
    code: str
    message: str


class Seen(Struct, frozen=True):
    """One line of ``/api/ps``; ``size`` 0 is unknown. ``on_cpu``: bytes that are not on the GPU; None: not known."""

    weights: str
    size: int
    context: int | None = None
    expires: float | None = None
    on_cpu: int | None = None


class Weight(Struct, frozen=True):
    """What the process of a loaded model holds, bytes: ``total``, and ``private`` without pages mapped from files."""

    weights: str
    total: int
    private: int


# ---- events --------------------------------------------------------------------------------------------------------


class Known(Struct, frozen=True, tag=True):
    """The catalogue of models changed."""

    specs: tuple[Spec, ...]


class Measured(Struct, frozen=True, tag=True):
    """Memory was read: bytes that models may take, bytes free as Ollama counts them (None: unknown), pressure.

    ``gpu_limit`` is Metal's limit, from which Ollama subtracts what is loaded (None: there is none); ``most_loaded`` is
    how many models Ollama keeps loaded (0: not known, so no limit).
    """

    budget: int
    free: int | None = None
    pressure: Pressure = "normal"
    gpu_limit: int | None = None
    most_loaded: int = 0


class Asked(Struct, frozen=True, tag=True):
    """Somebody wants a model."""

    ticket: Ticket


class Cancelled(Struct, frozen=True, tag=True):
    """Whoever waited has left."""

    ticket: str


class Released(Struct, frozen=True, tag=True):
    """A granted ticket has done its work."""

    ticket: str


class LoadEnded(Struct, frozen=True, tag=True):
    """A load came to its end; ``code`` is None where the model is proved to be there, ``footprint`` what it takes."""

    op: int
    code: str | None = None
    message: str = ""
    footprint: int | None = None


class UnloadEnded(Struct, frozen=True, tag=True):
    """An unload came to its end; ``code`` is None where the model is proved to be gone."""

    op: int
    code: str | None = None
    message: str = ""


class RenewEnded(Struct, frozen=True, tag=True):
    """A renewal came to its end; what became of it, ``/api/ps`` tells."""

    op: int


class Observed(Struct, frozen=True, tag=True):
    """What ``/api/ps`` said to a question sent at ``sent``; ``epoch`` is instant 0 in seconds since the epoch."""

    sent: float
    running: tuple[Seen, ...]
    epoch: float | None = None


class Weighed(Struct, frozen=True, tag=True):
    """The processes of loaded models were weighed; one that is not named could not be found."""

    runners: tuple[Weight, ...]


class Judged(Struct, frozen=True, tag=True):
    """What a remote model showed when it was asked; ``code`` is None where it answered."""

    weights: str
    code: str | None = None
    message: str = ""


class PinSet(Struct, frozen=True, tag=True):
    """A model is to be kept (or no longer)."""

    weights: str
    pinned: bool = True


class UnloadAsked(Struct, frozen=True, tag=True):
    """The user wants these models out of memory."""

    weights: tuple[str, ...]


class UnloadDropped(Struct, frozen=True, tag=True):
    """The user no longer wants these models out of memory; an unload that is under way goes on."""

    weights: tuple[str, ...]


class HoldBegan(Struct, frozen=True, tag=True):
    """The user wants the memory until then; ``why`` in the user's words."""

    until: float
    why: str = ""


class HoldEnded(Struct, frozen=True, tag=True):
    """Loads are allowed again."""


class Limited(Struct, frozen=True, tag=True):
    """What rules allow of this machine's memory from now on (``policy.limits.Limits``); all false: everything.

    ``frozen``: nothing begins, and what is in memory stays: the machine is about to sleep. ``why`` names the rules.
    """

    hold: bool = False
    light_only: bool = False
    batch_only: bool = False
    no_growth: bool = False
    frozen: bool = False
    why: str = ""


class Closing(Struct, frozen=True, tag=True):
    """The daemon leaves: nothing is begun any more."""


class Woke(Struct, frozen=True, tag=True):
    """A timer ran out."""


Event: TypeAlias = (
    Known
    | Measured
    | Asked
    | Cancelled
    | Released
    | LoadEnded
    | UnloadEnded
    | Observed
    | Weighed
    | Judged
    | PinSet
    | UnloadAsked
    | HoldBegan
    | HoldEnded
    | Closing
    | Woke
    | UnloadDropped
    | RenewEnded
    | Limited
)


# ---- actions -------------------------------------------------------------------------------------------------------


class Load(Struct, frozen=True, tag=True):
    """Bring a model into memory; nothing else changes until it has ended."""

    op: int
    weights: str
    context: int


class Unload(Struct, frozen=True, tag=True):
    """Take a model out of memory and prove it; ``wanted_by`` is the model that needs the room, if one does."""

    op: int
    weights: str
    reason: str
    wanted_by: str | None = None


class Renew(Struct, frozen=True, tag=True):
    """Tell Ollama anew to keep a resident model; it is not unloaded meanwhile."""

    op: int
    weights: str
    context: int


class Grant(Struct, frozen=True, tag=True):
    """The ticket may use the model until it is released."""

    ticket: str
    weights: str
    context: int
    passed: tuple[Passed, ...] = ()


class Refuse(Struct, frozen=True, tag=True):
    """The ticket gets nothing; ``passed`` tells what became of each candidate."""

    ticket: str
    code: str
    message: str
    passed: tuple[Passed, ...] = ()


class WakeAt(Struct, frozen=True, tag=True):
    """Send ``Woke`` then, unless another ``WakeAt`` comes first; always in the future."""

    at: float


Action: TypeAlias = Load | Unload | Grant | Refuse | WakeAt | Renew
