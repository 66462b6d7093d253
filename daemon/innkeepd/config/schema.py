"""What can be configured: one frozen Struct a table, with every default. ``config.load`` reads the file.

Durations are seconds, sizes bytes; None means "auto" or "never" in the file. A setting needs a user.
"""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Struct, field

Seconds: TypeAlias = Annotated[float, "duration"]
Span: TypeAlias = Annotated[float, "duration above 0"]
SecondsOrNever: TypeAlias = Annotated[float | None, "duration or never"]
Bytes: TypeAlias = Annotated[int, "size"]
BytesOrAuto: TypeAlias = Annotated[int | None, "size or auto"]
TokensOrAuto: TypeAlias = Annotated[int | None, "tokens or auto"]
WeightOrAuto: TypeAlias = Annotated[Literal["heavy", "light"] | None, "weight or auto"]
Count: TypeAlias = Annotated[int, "count"]

Flag: TypeAlias = Annotated[bool | None, "true, false or unset"]
PercentOrUnset: TypeAlias = Annotated[int | None, "percent or unset"]

CODING = ("코드", "함수", "버그", "리팩토링", "code", "function", "bug", "debug", "refactor")
REASONING = ("왜", "분석", "비교", "논리", "why", "analyze", "compare", "logic")


class _Table(Struct, frozen=True, kw_only=True):
    def __repr__(self) -> str:
        """Field by field, but never a secret: a configuration ends up in logs and reports."""
        shown = (
            f"{name}={'***' if name == 'token' and getattr(self, name) else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class OllamaConfig(_Table, frozen=True):
    """The Ollama whose memory we own; always scheme, host and port."""

    url: str = "http://127.0.0.1:11434"


class RoleConfig(_Table, frozen=True):
    """A chain of candidates, best first, and the words that send a prompt to it. Names are canonical."""

    primary: str
    fallbacks: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple[str, ...]:
        """Every candidate, best first."""
        return (self.primary, *self.fallbacks)


class ModelConfig(_Table, frozen=True):
    """Settings of one model: its context in tokens (None: chosen by us), weight (None: by size), slots."""

    context: TokensOrAuto = None
    weight: WeightOrAuto = None
    parallel: Count = 1


class MemoryConfig(_Table, frozen=True):
    """Bytes; ``budget`` None: from this machine; ``gpu_limit`` is Metal's, where it can't be read."""

    budget: BytesOrAuto = None
    reserve: Bytes = 4 * 2**30
    gpu_limit: BytesOrAuto = None


class ResidencyConfig(_Table, frozen=True):
    """Which models may be loaded; ``idle_unload`` 0: at once, None: never."""

    heavy_limit: Count = 1
    heavy_parameters: Count = 20_000_000_000
    idle_unload: SecondsOrNever = 300.0


class TimeoutsConfig(_Table, frozen=True):
    """Seconds."""

    connect: Span = 3.0
    load: Span = 180.0
    first_token: Span = 120.0
    stall: Span = 60.0
    drain: Seconds = 20.0


class PatienceConfig(_Table, frozen=True):
    """How long a class waits for the better model before it takes a smaller, resident one; None: for ever."""

    interactive: SecondsOrNever = None
    agent: SecondsOrNever = None
    batch: SecondsOrNever = None


class ScheduleConfig(_Table, frozen=True):
    """Turns: W, W of batch, G and H of the scheduling policy, how many may wait, how long one bears a hold."""

    turn: Span = 90.0
    batch_turn: Span = 600.0
    gate: Count = 4
    session_hold: Seconds = 6.0
    queue_limit: Count = 512
    hold_wait: Seconds = 60.0
    patience: PatienceConfig = PatienceConfig()


class HttpConfig(_Table, frozen=True):
    """The port for existing tools.

    ``token`` holds what ``token_file`` contains; ``allow_admin`` lists endpoints that change the disk.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, "port"] = 11435
    token: str = ""
    token_file: str = ""
    allow_admin: tuple[Literal["create", "delete", "push", "copy"], ...] = ()
    max_body: Bytes = 64 * 2**20
    origins: tuple[str, ...] = ()


class LogConfig(_Table, frozen=True):
    """The log file: rotated at ``size`` bytes, ``keep`` old ones stay; ``path`` empty: where this system keeps logs."""

    prompts: bool = False
    level: Literal["debug", "info", "warning", "error"] = "info"
    size: Bytes = 10_000_000
    keep: Annotated[int, "count or 0"] = 5
    path: str = ""


class HistoryConfig(_Table, frozen=True):
    """Decision records: at most ``limit`` of them, none older than ``days``; ``path`` empty: in the home folder."""

    limit: Annotated[int, "count or 0"] = 10_000
    days: Annotated[float, "number"] = 30.0
    path: str = ""


class NotifyConfig(_Table, frozen=True):
    """Who is told of notices: ``command`` is run for each with its words as arguments; ``desktop``: also by macOS."""

    command: tuple[str, ...] = ()
    desktop: bool = False


class BackendTimeouts(_Table, frozen=True):
    """Seconds; what a backend does not say is taken from [timeouts] when the file is read."""

    connect: Span = 3.0
    first_token: Span = 120.0
    stall: Span = 60.0


class BackendConfig(_Table, frozen=True):
    """An engine elsewhere. Candidates are called ``name/model``; ``models`` empty: any; ``limit`` at once."""

    name: str
    url: str
    token: str = ""
    token_file: str = ""
    models: tuple[str, ...] = ()
    limit: Count = 4
    api: Literal["openai", "ollama"] = "openai"
    timeouts: BackendTimeouts = BackendTimeouts()


class RoutingConfig(_Table, frozen=True):
    """``ignore``: phrases in which a keyword means nothing ("bug fables"); ``sticky``: a short turn keeps its role.

    ``shadow``: count where chats that name a model would have gone. ``errands``: titles, tags and the like go to a
    light model and never cost a swap.
    """

    ignore: tuple[str, ...] = ()
    sticky: bool = True
    shadow: bool = False
    errands: bool = True


class WhenConfig(_Table, frozen=True):
    """A rule of use: where every condition that is set holds, ``then`` applies to the models in this machine's memory.

    Unset (None, or empty) is no condition. ``name`` empty: the rule is called by its place, ``when[0]``.
    """

    name: str = ""
    then: Annotated[str, "action of a rule"] = ""
    hours: Annotated[str, "hours"] = ""
    days: tuple[Annotated[str, "day"], ...] = ()
    on_battery: Flag = None
    battery_below: PercentOrUnset = None
    low_power: Flag = None
    thermal: Annotated[str, "thermal state"] = ""
    camera: Flag = None
    microphone: Flag = None
    full_screen: Flag = None
    app: str = ""
    suspend: Flag = None


class TelemetryConfig(_Table, frozen=True):
    """``otlp``: base address of an OpenTelemetry collector (OTLP over HTTP) that gets a span a request; empty: none."""

    otlp: str = ""


def default_roles() -> dict[str, RoleConfig]:
    """The seed's chains; the last role catches the rest. The 70B stays as wanted; one that fits is behind it."""
    coder, thinker, big, small = "qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.3:latest", "llama3.1:8b"
    return {
        "coding": RoleConfig(primary=coder, fallbacks=(thinker, big, small), keywords=CODING),
        "reasoning": RoleConfig(primary=thinker, fallbacks=(coder, big, small), keywords=REASONING),
        "general": RoleConfig(primary=big, fallbacks=(small,)),
    }


class Config(_Table, frozen=True):
    """Everything. ``file`` is what was read (None: defaults only), ``sources`` where each set key came from."""

    ollama: OllamaConfig = OllamaConfig()
    roles: dict[str, RoleConfig] = field(default_factory=default_roles)
    models: dict[str, ModelConfig] = field(default_factory=dict)
    memory: MemoryConfig = MemoryConfig()
    residency: ResidencyConfig = ResidencyConfig()
    timeouts: TimeoutsConfig = TimeoutsConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    http: HttpConfig = HttpConfig()
    log: LogConfig = LogConfig()
    history: HistoryConfig = HistoryConfig()
    routing: RoutingConfig = RoutingConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    backends: tuple[BackendConfig, ...] = ()
    when: tuple[WhenConfig, ...] = ()
    notify: NotifyConfig = NotifyConfig()
    file: Path | None = None
    sources: dict[str, str] = field(default_factory=dict)

    def model(self, name: str) -> ModelConfig:
        """The settings of the model with this canonical name; the defaults where there are none."""
        return self.models.get(name, ModelConfig())

    def backend_of(self, name: str) -> BackendConfig | None:
        """The backend that the candidate ``name`` (``backend/model``) lives on; None: it is this machine's Ollama."""
        prefix, mark, _ = name.partition("/")
        return next((b for b in self.backends if mark and b.name == prefix), None)
