"""What ``innkeep bench`` measured, as Structs that are kept in files: fields are only added, with defaults."""

from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct, field

Language: TypeAlias = Literal["English", "Korean"]
LANGUAGES: tuple[Language, ...] = ("English", "Korean")


class Run(Struct, frozen=True):
    """One prompt: seconds to the first token, tokens a second of prompt and answer; None where nothing was told."""

    language: Language
    prompt_tokens: int
    first_token: float | None
    prefill: float | None
    decode: float | None
    answer_tokens: int


class ModelResult(Struct, frozen=True):
    """One model. Seconds and bytes; None where it was not measured.

    ``swap`` is an unload and the load that follows it; ``process`` what its process holds.
    """

    model: str
    parameters: int
    quantization: str = ""
    context: int | None = None
    cold_load: float | None = None
    unload: float | None = None
    swap: float | None = None
    memory: int | None = None
    process: int | None = None
    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Prompts that failed, and why."""

    @property
    def first_token(self) -> float | None:
        """Seconds to the first token of a short prompt with the model in memory: the median."""
        shortest = min((run.prompt_tokens for run in self.runs), default=0)
        return median([run.first_token for run in self.runs if run.prompt_tokens <= 2 * shortest])

    @property
    def prefill(self) -> float | None:
        """Tokens a second of the longest prompts, where the fixed costs count least: the median."""
        longest = max((run.prompt_tokens for run in self.runs), default=0)
        return median([run.prefill for run in self.runs if run.prompt_tokens >= longest / 2])

    @property
    def decode(self) -> float | None:
        """Tokens a second of the answers: the median."""
        return median([run.decode for run in self.runs])


class Bench(Struct, frozen=True):
    """One run of the command on one machine; ``at`` is seconds since 1970, ``total`` the machine's memory in bytes."""

    at: float = 0.0
    innkeep: str = ""
    ollama: str = ""
    simulated: bool = False
    machine: str = ""
    total: int = 0
    quick: bool = False
    results: list[ModelResult] = field(default_factory=list)


class Expectation(NamedTuple):
    """What the project's first sketch expected of a size of model: from, to."""

    size: str
    least: int
    most: int
    first_token: tuple[float, float]
    decode: tuple[float, float]


EXPECTATIONS = (
    Expectation("32B", 20_000_000_000, 45_000_000_000, (2.0, 3.0), (10.0, 15.0)),
    Expectation("8B", 5_000_000_000, 12_000_000_000, (0.5, 0.5), (25.0, 30.0)),
)
"""By parameters. The sketch names no prompt length; its seconds are taken as the wait for the first token, warm."""


def expectation(parameters: int) -> Expectation | None:
    """The sketch's row for a model of so many parameters; None where it has none."""
    return next((one for one in EXPECTATIONS if one.least <= parameters <= one.most), None)


def median(values: list[float | None]) -> float | None:
    """The middle of what is known; None of nothing."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    middle = len(known) // 2
    return known[middle] if len(known) % 2 else (known[middle - 1] + known[middle]) / 2
