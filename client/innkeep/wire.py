"""Protocol 1: every message of the control socket as a frozen Struct.

A request carries ``type`` (the Struct's tag) and ``id`` (the client's integer, unique among its open requests); every
reply carries that ``id``. Unknown keys are ignored, so that either side may be newer; new fields always have defaults.
Quantities are bytes, durations seconds, instants seconds since the epoch.
"""

from typing import Any, Literal, TypeAlias, get_args

from msgspec import Struct, field

PROTOCOL = 1
"""The highest protocol that this package speaks."""

MAX_FRAME = 16_777_215
"""Bytes of one frame's body, and of one line: a length of at most 24 bits keeps a frame's first byte 0."""

Role: TypeAlias = Literal["coding", "reasoning", "general"]
Priority: TypeAlias = Literal["interactive", "agent", "batch"]
Weight: TypeAlias = Literal["heavy", "light"]
Fit: TypeAlias = Literal["resident", "fits", "tight", "after_eviction", "never", "missing"]
Pressure: TypeAlias = Literal["normal", "warning", "critical"]
EventKind: TypeAlias = Literal["residency", "request", "memory", "backend", "log"]
RoutingAction: TypeAlias = Literal["show", "train", "undo"]
Think: TypeAlias = bool | Literal["low", "medium", "high", "max"] | None

ROLES: tuple[Role, ...] = get_args(Role)
PRIORITIES: tuple[Priority, ...] = get_args(Priority)


class Message(Struct, frozen=True, omit_defaults=True):
    """One turn of a conversation, in Ollama's shape; images are base64 strings."""

    role: str
    content: str = ""
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


# ---- requests ------------------------------------------------------------------------------------------------------


class _Request(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    id: int


class Hello(_Request, frozen=True, tag="hello"):
    """Optional introduction; without it protocol 1 is spoken."""

    protocol: int
    client: str = ""


class Chat(_Request, frozen=True, tag="chat"):
    """Ask a model.

    ``model`` names any pulled model, then the only candidate unless ``fallbacks`` adds some; ``role`` names a chain of
    the configuration; with neither, ``select`` or the router decides. ``last`` ends a ``session``: its model need not
    be held. ``patience`` is how long the caller would rather wait for the better model than take a smaller one that is
    in memory; ``deadline`` is when the answer must be whole. Both in seconds from now.
    """

    messages: list[Message]
    model: str | None = None
    fallbacks: list[str] | None = None
    role: Role | None = None
    stream: bool = True
    options: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    format: str | dict[str, Any] | None = None
    think: Think = None
    priority: Priority = "interactive"
    patience: float | None = None
    deadline: float | None = None
    session: str | None = None
    last: bool = False


class Embed(_Request, frozen=True, tag="embed"):
    """Turn texts into vectors."""

    model: str
    input: str | list[str]


class RouteAsk(_Request, frozen=True, tag="route"):
    """Ask where a prompt would go; nothing is loaded. Exactly one of ``messages`` and ``text``."""

    messages: list[Message] | None = None
    text: str | None = None
    session: str | None = None


class Cancel(_Request, frozen=True, tag="cancel"):
    """End the open request ``target`` of this connection."""

    target: int


class StatusAsk(_Request, frozen=True, tag="status"):
    """Ask for one snapshot."""


class Watch(_Request, frozen=True, tag="watch"):
    """Ask for a snapshot, then events until cancelled. No ``kinds``: all of them.

    ``every``: send a new snapshot after each change too, at most one in so many seconds (0.1 or more).
    """

    kinds: list[EventKind] | None = None
    every: float | None = None


class ModelsAsk(_Request, frozen=True, tag="models"):
    """Ask what is known of every model."""


class Select(_Request, frozen=True, tag="select"):
    """Send every chat that names no model to ``model`` (null: automatic again), or make it one ``role``'s primary."""

    model: str | None
    role: Role | None = None


class Load(_Request, frozen=True, tag="load"):
    """Bring a model into memory; it waits in the queue of its ``priority``."""

    model: str
    priority: Priority = "interactive"


class Unload(_Request, frozen=True, tag="unload"):
    """Take a model, or ``all`` of them, out of memory; never off the disk.

    A model that is loading is unloaded once it is loaded; with ``cancel_load`` its load is given up at once, and
    whoever waits for it goes on to the next candidate.
    """

    model: str | None = None
    all: bool = False
    cancel_load: bool = False


class Pin(_Request, frozen=True, tag="pin"):
    """Keep a model in memory: neither idleness nor another request evicts it."""

    model: str


class Unpin(_Request, frozen=True, tag="unpin"):
    """Take a pin back."""

    model: str


class Hold(_Request, frozen=True, tag="hold"):
    """Give the memory back: unload everything and load nothing for ``seconds``."""

    seconds: float
    why: str = ""


class Resume(_Request, frozen=True, tag="resume"):
    """End a hold early."""


class HistoryAsk(_Request, frozen=True, tag="history"):
    """Ask for decision records, newest first; ``request`` (an id or the beginning of one) asks for that one.

    The others are conditions that must all hold, over the whole history: asked at ``since`` (an instant) or later,
    answered by ``model``, of ``role``, with ``outcome`` (or with that code), and that took ``slower`` seconds or more.
    """

    limit: int = 20
    request: str | None = None
    since: float | None = None
    model: str | None = None
    role: str | None = None
    outcome: str | None = None
    slower: float | None = None


class Feedback(_Request, frozen=True, tag="feedback"):
    """Say what role a past request should have had."""

    request: str
    role: Role


class Shutdown(_Request, frozen=True, tag="shutdown"):
    """Stop the daemon once running answers have ended, at most ``drain`` seconds from now."""

    drain: float | None = None


class StatsAsk(_Request, frozen=True, tag="stats"):
    """Ask what shadow routing counted; with ``since`` (an instant) also for the sums of the time from then on."""

    since: float | None = None


class RoutingAsk(_Request, frozen=True, tag="routing"):
    """Ask what feedback taught the router, fit it to that (``train``), or take the last fit back (``undo``)."""

    action: RoutingAction = "show"


Request: TypeAlias = (
    Hello
    | Chat
    | Embed
    | RouteAsk
    | Cancel
    | StatusAsk
    | Watch
    | ModelsAsk
    | Select
    | Load
    | Unload
    | Pin
    | Unpin
    | Hold
    | Resume
    | HistoryAsk
    | Feedback
    | Shutdown
    | StatsAsk
    | RoutingAsk
)


# ---- replies -------------------------------------------------------------------------------------------------------


class _Reply(Struct, frozen=True, kw_only=True, tag_field="type"):
    id: int


class Welcome(_Reply, frozen=True, tag="welcome"):
    """Answer to ``hello``."""

    protocol: int
    daemon: str
    pid: int


class Routed(_Reply, frozen=True, tag="routed"):
    """Where a chat goes and why; ``request`` names its decision record."""

    request: str
    role: str
    confidence: float
    model: str
    candidates: list[str]
    reason: str


class Waiting(_Reply, frozen=True, tag="waiting"):
    """What a chat waits for: ``position`` counts from 1, ``ahead`` of it are so many, ``resident`` holds the memory.

    ``answering`` names the models that answer somebody now. During a hold ``until`` is its end, ``why`` what its user
    gave as its reason, and ``refused_at`` when this request is refused if the hold goes on: both instants.
    """

    model: str
    position: int
    ahead: int
    resident: list[str]
    expected: float | None
    reason: str
    until: float | None = None
    answering: list[str] = field(default_factory=list)
    why: str = ""
    refused_at: float | None = None


class Loading(_Reply, frozen=True, tag="loading"):
    """A swap under way."""

    model: str
    unloading: list[str]
    elapsed: float
    expected: float | None = None


class Failed(Struct, frozen=True):
    """What became of an attempt that gave no text."""

    model: str
    code: str
    message: str


class Started(_Reply, frozen=True, tag="started"):
    """The backend took the request; ``attempt`` counts from 1, ``after`` is what failed before."""

    model: str
    attempt: int
    after: Failed | None = None


class Delta(_Reply, frozen=True, omit_defaults=True, tag="delta"):
    """A piece of the answer: exactly one of the three."""

    text: str | None = None
    thinking: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class Usage(Struct, frozen=True):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Timings(Struct, frozen=True):
    """Seconds: waiting in the queue, of that for a swap, from grant to the first token, in all.

    ``tokens_per_second`` of the answer and ``prompt_per_second`` of the prompt are as the engine measured them.
    """

    queued: float = 0.0
    swap: float = 0.0
    first_token: float | None = None
    total: float = 0.0
    tokens_per_second: float | None = None
    prompt_per_second: float | None = None


class AttemptRecord(Struct, frozen=True):
    """One candidate's turn; ``outcome`` is ``answered``, ``failed``, ``passed_over`` or ``cancelled``."""

    model: str
    outcome: str
    code: str | None = None
    seconds: float = 0.0
    message: str | None = None


class Move(Struct, frozen=True):
    """A model that went out or in while a request waited for it; ``what`` is ``unloaded`` or ``loaded``."""

    model: str
    what: str
    seconds: float


class DecisionRecord(Struct, frozen=True):
    """What was decided for one request and why, and how it went; holds none of its text.

    ``asked_at`` is seconds since the epoch, ``kind`` ``chat``, ``embed`` or ``load``, ``outcome`` ``answered``,
    ``failed`` or ``cancelled``, ``waits`` the reasons of its waiting, ``evicted`` the models unloaded for it, ``moves``
    what its swap consisted of, ``door`` the HTTP path it came by or ``socket``, ``feedback`` the role that the user
    says it should have had, ``errand`` its kind where a client ran an errand for itself (a title, tags, a probe) and ""
    otherwise. Every field has a default: records of any version are read.
    """

    id: str = ""
    asked_at: float = 0.0
    kind: str = "chat"
    priority: str = "interactive"
    client: str = ""
    session: str | None = None
    last: bool = False
    role: str | None = None
    confidence: float | None = None
    reason: str = ""
    chain: list[str] = field(default_factory=list)
    model: str | None = None
    outcome: str = ""
    code: str | None = None
    message: str | None = None
    attempts: list[AttemptRecord] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    evicted: list[str] = field(default_factory=list)
    timings: Timings = Timings()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    warnings: list[str] = field(default_factory=list)
    door: str = ""
    feedback: str | None = None
    moves: list[Move] = field(default_factory=list)
    errand: str = ""


class Done(_Reply, frozen=True, tag="done"):
    """The whole answer was sent; ``text`` and ``thinking`` only where ``stream`` was false.

    Its decision record survives a kill of the daemon, but for what ``warning`` says (a disk that is full or slow).
    """

    model: str
    role: str
    finish_reason: str
    usage: Usage
    timings: Timings
    attempts: list[AttemptRecord]
    text: str | None = None
    thinking: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    warning: str | None = None


class Embeddings(_Reply, frozen=True, tag="embeddings"):
    """Vectors, one for each input."""

    model: str
    embeddings: list[list[float]]


class RouteOption(Struct, frozen=True):
    """A candidate and whether it fits now, with ``reason`` in words."""

    name: str
    fit: str
    reason: str


class RouteReply(_Reply, frozen=True, tag="route"):
    """Where a prompt would go; nothing is loaded.

    ``words`` spoke loudest for the role to the trained classifier, ``shares`` are the confidences of all roles.
    ``leaves``: the models that would be unloaded first; ``expected``: seconds until ``model`` is in memory.
    """

    role: str
    confidence: float
    model: str
    candidates: list[str]
    reason: str
    words: list[str] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    options: list[RouteOption] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    expected: float | None = None


class Cancelled(_Reply, frozen=True, tag="cancelled"):
    """Whether the target was still open."""

    target: int
    found: bool


class BackendState(Struct, frozen=True):
    """The Ollama that this daemon keeps."""

    url: str
    reachable: bool
    version: str | None = None
    simulated: bool = False


class MemoryState(Struct, frozen=True):
    """Bytes, and who was asked.

    ``promised`` is what the models in memory, loading and unloading count for, ``real`` what their processes hold (the
    promise where no process is known). ``used``, ``wired`` and ``compressed`` are the machine's; None: not known.
    """

    total: int
    budget: int
    available: int
    pressure: Pressure
    source: str
    promised: int = 0
    real: int = 0
    used: int | None = None
    wired: int | None = None
    compressed: int | None = None


class Resident(Struct, frozen=True):
    """A model in memory; ``owned`` is false for one that another program loaded.

    ``footprint`` is what counts, bytes: what was told at the load, and ``grown`` since. ``process`` is what its process
    holds, ``on_cpu`` what of it runs on the CPU beside a GPU; None: not known.
    """

    name: str
    weight: Weight
    footprint: int
    context: int | None
    leases: int
    pinned: bool
    owned: bool
    since: float
    expires: float | None = None
    process: int | None = None
    grown: int = 0
    on_cpu: int | None = None


class Changing(Struct, frozen=True):
    """A model on its way in or out."""

    model: str
    what: Literal["loading", "unloading"]
    elapsed: float
    expected: float | None = None


class Waiter(Struct, frozen=True):
    """A request that waits for a model.

    ``expected`` seconds more, ``position`` in the queue from 1, ``client`` who asks, ``reason`` what it waits for;
    of the first 32 in the queue only.
    """

    id: str
    model: str
    priority: Priority
    waited: float
    expected: float | None = None
    position: int | None = None
    client: str = ""
    reason: str = ""


class Counters(Struct, frozen=True):
    """Since the daemon's start."""

    requests: int = 0
    swaps: int = 0
    loads: int = 0
    unloads: int = 0
    fallbacks: int = 0
    refusals: int = 0
    foreign_loads: int = 0
    recycles: int = 0
    reloads: int = 0
    errands: int = 0


class Notice(Struct, frozen=True):
    """One thing that a person should know of, as long as it holds; ``since`` is an instant.

    ``kind`` is ``swap_storm``, ``never_fits``, ``memory_pressure``, ``ollama_gone``, ``unproved_version`` or
    ``over_budget``; more may come. ``subject`` is a model where it is about one.
    """

    kind: str
    text: str
    since: float
    subject: str = ""


class LoopLag(Struct, frozen=True):
    """How long the daemon's event loop was held, in which nobody else is served, in the last one or two minutes.

    Seconds: ``p99`` of its turns, and the ``longest`` of them.
    """

    p99: float
    longest: float


class Status(_Reply, frozen=True, tag="status"):
    """One snapshot. ``awake`` says why idle sleep is held off just now, where it is.

    What a user has set beside the configuration: ``selected`` answers every chat that names no model,
    ``selected_roles`` are first choices of single roles, ``pins`` stay in memory once they are loaded, ``held_until``
    (with ``held_why``) ends a hold, ``awaits_restart`` are the changed tables of the configuration not in force yet.
    ``config_file`` is the file that the daemon was configured by ("": none), ``http`` the address of its HTTP port as
    configured ("": switched off). ``rules`` are the rules of ``[[when]]`` in force now, in words,
    ``notices`` the things that need somebody now. ``loop_lag`` is None where the event loop is not metered.
    ``descriptors`` is how many files the daemon may open (0: not reported).
    ``tasks`` counts the tasks of the daemon's event loop.
    """

    protocol: int
    daemon: str
    pid: int
    uptime: float
    backend: BackendState
    memory: MemoryState
    resident: list[Resident]
    changing: list[Changing]
    waiting: list[Waiter]
    oldest_wait: float | None
    selected: str | None
    held_until: float | None
    counters: Counters
    awake: str | None = None
    warnings: list[str] = field(default_factory=list)
    selected_roles: dict[str, str] = field(default_factory=dict)
    pins: list[str] = field(default_factory=list)
    held_why: str = ""
    awaits_restart: list[str] = field(default_factory=list)
    config_file: str = ""
    http: str = ""
    rules: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    loop_lag: LoopLag | None = None
    descriptors: int = 0
    tasks: int = 0


class Event(_Reply, frozen=True, tag="event"):
    """Something happened; ``data`` depends on ``kind``."""

    kind: EventKind
    at: float
    what: str
    data: dict[str, Any] = field(default_factory=dict)


class Estimate(Struct, frozen=True):
    """A decaying average over ``count`` observations."""

    value: float
    count: int


class Estimates(Struct, frozen=True):
    """What past runs taught of a model: seconds, tokens a second, and bytes by context.

    ``growths`` are the most bytes that it grew since a load, by ``context@version`` of Ollama.
    """

    load: Estimate | None = None
    unload: Estimate | None = None
    decode: Estimate | None = None
    prefill: Estimate | None = None
    service: Estimate | None = None
    footprints: dict[str, Estimate] = field(default_factory=dict)
    growths: dict[str, Estimate] = field(default_factory=dict)


class ModelState(Struct, frozen=True):
    """What is known of one model; sizes are bytes, ``fit`` is judged now with ``reason`` in words.

    ``leaves`` are the models that would have to leave for it, ``first_for`` the roles whose first choice it is.
    """

    name: str
    size: int
    parameters: int
    quantization: str
    roles: list[str]
    weight: Weight
    footprint: int
    fit: Fit
    reason: str
    context: int | None = None
    estimates: Estimates | None = None
    leaves: list[str] = field(default_factory=list)
    first_for: list[str] = field(default_factory=list)


class Models(_Reply, frozen=True, tag="models"):
    """Every model that is pulled or that a role names; ``selected_roles`` as in ``status``."""

    models: list[ModelState]
    selected: str | None = None
    selected_roles: dict[str, str] = field(default_factory=dict)


class Selected(_Reply, frozen=True, tag="selected"):
    """What holds from now on; ``warning``: why it would not survive a restart.

    ``selected`` and ``selected_roles`` are all that is selected now, as in ``status``.
    """

    model: str | None
    role: Role | None = None
    warning: str | None = None
    selected: str | None = None
    selected_roles: dict[str, str] = field(default_factory=dict)


class Loaded(_Reply, frozen=True, tag="loaded"):
    """In memory, proved; ``took`` seconds."""

    model: str
    took: float


class Unloaded(_Reply, frozen=True, tag="unloaded"):
    """Out of memory, proved; ``model`` is null where ``all`` was asked."""

    model: str | None
    took: float


class Pinned(_Reply, frozen=True, tag="pinned"):
    """The pin stands and survives a restart; ``warning``: why it would not survive one."""

    model: str
    warning: str | None = None


class Unpinned(_Reply, frozen=True, tag="unpinned"):
    """The pin is gone; ``warning``: why it would be back after a restart."""

    model: str
    warning: str | None = None


class Held(_Reply, frozen=True, tag="held"):
    """Everything is unloaded; nothing is loaded before ``until``. ``warning``: why a restart would forget the hold."""

    until: float
    why: str = ""
    warning: str | None = None


class Resumed(_Reply, frozen=True, tag="resumed"):
    """Loads are allowed again; ``was_held``: whether there was a hold."""

    was_held: bool = True
    warning: str | None = None


class History(_Reply, frozen=True, tag="history"):
    """Decision records, newest first."""

    records: list[DecisionRecord]


class Noted(_Reply, frozen=True, tag="noted"):
    """The feedback is kept; ``warning``: why it would not survive a restart.

    ``teaches``: whether `innkeep routing train` can learn from it; the words of old requests are no longer known.
    """

    request: str
    warning: str | None = None
    teaches: bool = False


class Stopping(_Reply, frozen=True, tag="stopping"):
    """The daemon ends its running answers and leaves."""

    drain: float


class Error(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """The end of a request that failed; ``id`` is null where no request can be named."""

    id: int | None
    code: str
    message: str
    retryable: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


class ShadowCount(Struct, frozen=True):
    """Chats that named ``model`` and that the router would have called ``role`` and given to ``would``."""

    model: str
    role: str
    would: str
    chats: int


class UsageRow(Struct, frozen=True):
    """Requests of one ``role`` answered by one ``model``, or with an empty role the swaps to that model.

    Seconds are sums: that requests waited, and of that for swaps; of a model's swaps, what they took.
    """

    role: str
    model: str
    requests: int = 0
    failed: int = 0
    waited_seconds: float = 0.0
    swap_seconds: float = 0.0
    tokens: int = 0
    swaps: int = 0


class Totals(Struct, frozen=True):
    """Sums since an instant, as far as history (and for swaps the timeline of seven days) goes back.

    ``swap_seconds`` went into unloading and loading. The order of arrival would have made ``arrival_swaps`` of large
    models; turns ``saved_swaps`` of them, and ``saved_seconds`` at what a swap took on average.
    """

    since: float
    requests: int = 0
    swaps: int = 0
    swap_seconds: float = 0.0
    arrival_swaps: int = 0
    saved_swaps: int = 0
    saved_seconds: float = 0.0
    rows: list[UsageRow] = field(default_factory=list)


class Stats(_Reply, frozen=True, tag="stats"):
    """Counts since the daemon's start; ``shadow``: whether it counts now. ``totals``: the sums that were asked for."""

    shadow: bool
    routing: list[ShadowCount]
    totals: Totals | None = None


class RoutingMeasure(Struct, frozen=True):
    """Held-back examples: how many of ``total`` are routed right, and their mean log-loss in nats."""

    right: int
    total: int
    loss: float


class Routing(_Reply, frozen=True, tag="routing"):
    """What feedback taught: ``examples`` kept by role, whether a fit is in use and whether this request changed that.

    ``before`` and ``after``: the held-back examples, measured with what was in use and with the new fit.
    """

    examples: dict[str, int]
    in_use: bool
    changed: bool = False
    message: str = ""
    before: RoutingMeasure | None = None
    after: RoutingMeasure | None = None
    warning: str | None = None


Reply: TypeAlias = (
    Welcome
    | Routed
    | Waiting
    | Loading
    | Started
    | Delta
    | Done
    | Embeddings
    | RouteReply
    | Cancelled
    | Status
    | Event
    | Models
    | Selected
    | Loaded
    | Unloaded
    | Pinned
    | Unpinned
    | Held
    | Resumed
    | History
    | Noted
    | Stopping
    | Error
    | Stats
    | Routing
)

PROGRESS: tuple[type[Reply], ...] = (Routed, Waiting, Loading, Started, Delta, Event)
"""Replies after which more follow. Every other one ends its request, but for each ``status`` of a ``watch``."""


def is_end(request: Request, reply: Reply) -> bool:
    """Whether ``reply`` is the last one that ``request`` gets."""
    if isinstance(request, Watch):
        return isinstance(reply, Error)
    return not isinstance(reply, PROGRESS)
