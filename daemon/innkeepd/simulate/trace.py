"""A trace of requests and the machine it is played on: two files, read so that every mistake is one line.

A trace is JSON lines: a head without ``id``, then a request a line. The machine is one JSON object: ``budget_gib``,
``parallel`` slots a model, and of each model its GiB, whether it is heavy, the seconds of a load and an unload, and
tokens a second.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Any

import msgspec
from msgspec import Struct, structs

from innkeepd.policy.scheduling.events import Priority

LONGEST = 1e9
"""The largest number of seconds or tokens in a trace: beyond it, sums lose the seconds."""

HEAD = ("trace", "seed", "note", "requests")
"""The fields of a trace's first line."""


class TraceError(Exception):
    """The trace or the table of models cannot be read; the message says where and why, in one line."""


class MachineModel(Struct, frozen=True):
    """What a model costs on the simulated machine: GiB, seconds, tokens a second."""

    gib: float
    heavy: bool
    load_s: float
    unload_s: float
    prefill_tps: float
    decode_tps: float


class Machine(Struct, frozen=True):
    """``models.json``."""

    budget_gib: float
    models: dict[str, MachineModel]
    parallel: int = 1


DEFAULT_MACHINE = Machine(
    budget_gib=27.0,
    models={
        "coder32": MachineModel(20.0, True, 12.0, 1.0, 300, 13.0),
        "reason32": MachineModel(20.5, True, 16.0, 1.0, 300, 12.0),
        "general32": MachineModel(22.0, True, 18.0, 1.0, 280, 11.0),
        "light8": MachineModel(6.0, False, 4.0, 1.0, 1200, 27.0),
        "huge70": MachineModel(42.0, True, 40.0, 1.0, 100, 5.0),
        "qwen2.5-coder:32b": MachineModel(20.0, True, 12.0, 1.0, 300, 13.0),
        "deepseek-r1:32b": MachineModel(20.5, True, 16.0, 1.0, 300, 12.0),
        "llama3.3:latest": MachineModel(42.0, True, 40.0, 1.0, 100, 5.0),
        "llama3.1:8b": MachineModel(6.0, False, 4.0, 1.0, 1200, 27.0),
    },
)
"""A 36 GB Mac: the models of the recorded traces, and those of the default chains, so that a history can be played."""


class TraceRequest(Struct, frozen=True, rename={"priority": "class"}):
    """One line of a trace. Either ``t``, or ``after`` another request with ``think`` seconds between."""

    id: str
    priority: Priority
    chain: list[str]
    prompt: int
    out: int
    t: float | None = None
    after: str | None = None
    think: float = 0.0
    client: str = ""
    session: str | None = None
    last: bool = True
    cancel: float | None = None
    patience: float | None = None


def read_trace(lines: Iterable[str], origin: str) -> list[TraceRequest]:
    """Decode a trace; its first line may be a header without ``id``. Raises ``TraceError``."""
    requests: list[TraceRequest] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            raw: Any = msgspec.json.decode(line)
            if _is_head(raw):
                continue
            request = msgspec.convert(_checked(raw), TraceRequest)
        except msgspec.MsgspecError as error:
            raise TraceError(f"{origin}, line {number}: {error}") from None
        if (why := _contradiction(request, seen)) is not None:
            raise TraceError(f"{origin}, line {number}: {why}")
        seen.add(request.id)
        requests.append(request)
    if not requests:
        raise TraceError(f"{origin}: no request in it")
    _check_followers(requests, seen, origin)
    return requests


def _is_head(raw: Any) -> bool:
    """Whether a line is about the trace and no request; a request that merely lacks its ``id`` is an error."""
    return isinstance(raw, dict) and "id" not in raw and not raw.keys().isdisjoint(HEAD)


def _checked(raw: Any) -> Any:
    """Without what is null: other recorders write every field, and null means absent."""
    return {name: value for name, value in raw.items() if value is not None} if isinstance(raw, dict) else raw


def _contradiction(request: TraceRequest, seen: set[str]) -> str | None:
    if request.id in seen:
        return f"id {request.id!r} stands twice"
    if (request.t is None) == (request.after is None):
        return "give either `t` or `after`"
    if not request.chain:
        return "`chain` is empty"
    for name in ("prompt", "out", "think", "t", "cancel", "patience"):
        value = getattr(request, name) or 0
        if value < 0 or value > LONGEST:
            return f"`{name}` is {value}; expected 0 to {LONGEST:.0e}"
    return None


def _check_followers(requests: list[TraceRequest], seen: set[str], origin: str) -> None:
    after = {request.id: request.after for request in requests}
    for request in requests:
        if request.after is not None and request.after not in seen:
            raise TraceError(f"{origin}: {request.id!r} comes after {request.after!r}, which is not in the trace")
        step, walked = request.after, 0
        while step is not None and walked <= len(requests):
            step, walked = after[step], walked + 1
        if step is not None:
            raise TraceError(f"{origin}: {request.id!r} comes after itself")


def read_machine(text: str, origin: str) -> Machine:
    """Decode a table of models. Raises ``TraceError``."""
    try:
        machine = msgspec.json.decode(text, type=Machine)
    except msgspec.MsgspecError as error:
        raise TraceError(f"{origin}: {error}") from None
    if not isfinite(machine.budget_gib) or machine.budget_gib <= 0 or machine.parallel < 1:
        raise TraceError(f"{origin}: expected `budget_gib` above 0 and `parallel` of 1 or more")
    for name, model in machine.models.items():
        for what in ("gib", "prefill_tps", "decode_tps", "load_s", "unload_s"):
            value, may_be_0 = getattr(model, what), what.endswith("_s")
            if not 0 <= value <= LONGEST or (value == 0 and not may_be_0):
                least = "0 or more" if may_be_0 else "more than 0"
                raise TraceError(f"{origin}: model {name!r}: `{what}` is {value}, expected {least}")
    return machine


def check_models(requests: list[TraceRequest], machine: Machine, origin: str) -> None:
    """Every model that a trace names must be described. Raises ``TraceError``."""
    missing = sorted({name for request in requests for name in request.chain} - set(machine.models))
    if missing:
        names = ", ".join(missing)
        raise TraceError(f"{origin}: names models without constants: {names}; describe them in --models FILE")


def with_patience(requests: list[TraceRequest], patience: dict[Priority, float | None]) -> list[TraceRequest]:
    """Each request with its own patience, else with that of its class."""
    return [
        request if request.patience is not None else structs.replace(request, patience=patience.get(request.priority))
        for request in requests
    ]
