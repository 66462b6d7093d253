"""First token, CPU a request, requests a second and streams: every contender in the same run, in turn.

Such figures shake with whatever else the machine does. So contenders take turns within each round, and only ratios
between them are worth comparing with another run's.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable

from msgspec import Struct
from processes import MODEL, Daemon, at, cpu

from clients import Client, Frames, Http, address_of

ROUNDS = 5
STREAMS, TOKENS = 32, 2000
ASKERS = 16


class Contender(Struct):
    """Who is measured: how a client of it is made, and the process whose CPU counts; 0: nobody's."""

    name: str
    connect: Callable[[], Client]
    pid: int


class Figures(Struct):
    """Medians over the rounds. Milliseconds: first token and CPU a request; CPU a token in microseconds."""

    first_p50: float
    first_p99: float
    cpu_request: float
    requests: float
    tokens: float
    cpu_token: float


def contenders(
    port: int, server: int, daemon: Daemon, *, peer: str | None = None, peer_pid: int = 0, peer_model: str = MODEL
) -> list[Contender]:
    """The direct client, innkeepd's three doors, and the peer where there is one."""
    http, url = ("127.0.0.1", daemon.port), peer
    found = [
        Contender("direct", lambda: Http(("127.0.0.1", port), "native"), server),
        Contender("innkeepd, socket", lambda: Frames(daemon.socket), daemon.pid),
        Contender("innkeepd, HTTP native", lambda: Http(http, "native"), daemon.pid),
        Contender("innkeepd, HTTP /v1", lambda: Http(http, "v1"), daemon.pid),
    ]
    if url is not None:
        found.append(Contender("peer", lambda: Http(address_of(url), "v1", peer_model), peer_pid))
    return found


def side_by_side(entrants: list[Contender], requests: int) -> dict[str, Figures]:
    """Measure each in every round, in another order each time."""
    for each in entrants:
        _first_tokens(each, 30)
    lists: dict[str, list[Figures]] = {each.name: [] for each in entrants}
    rng = random.Random(1)  # noqa: S311 - an order, no secret
    for _ in range(ROUNDS):
        latencies = _interleaved(entrants, requests // ROUNDS)
        for each in rng.sample(entrants, len(entrants)):
            before = cpu(each.pid) if each.pid else 0.0
            count = requests // ROUNDS
            _first_tokens(each, count)
            spent = (cpu(each.pid) - before) / count if each.pid else 0.0
            busy = _requests_a_second(each)
            tokens, token_cpu = _streams(each)
            times = latencies[each.name]
            lists[each.name].append(
                Figures(at(times, 0.5) * 1e3, at(times, 0.99) * 1e3, spent * 1e3, busy, tokens, token_cpu * 1e6)
            )
    return {name: _median(rounds) for name, rounds in lists.items()}


def _median(rounds: list[Figures]) -> Figures:
    return Figures(*(statistics.median(getattr(each, name) for each in rounds) for name in Figures.__struct_fields__))


def _interleaved(entrants: list[Contender], count: int) -> dict[str, list[float]]:
    clients = {each.name: each.connect() for each in entrants}
    times: dict[str, list[float]] = {name: [] for name in clients}
    for _ in range(count):
        for name, client in clients.items():
            times[name].append(client.first_token(1)[0])
    for client in clients.values():
        client.close()
    return times


def _first_tokens(each: Contender, count: int) -> None:
    client = each.connect()
    for _ in range(count):
        client.first_token(1)
    client.close()


def _requests_a_second(each: Contender, seconds: float = 1.0) -> float:
    """Answers of one token to 16 clients; the clients are threads of this process and share its one core."""
    served, ends = [0] * ASKERS, time.perf_counter() + seconds

    def ask(index: int) -> None:
        client = each.connect()
        while time.perf_counter() < ends:
            client.first_token(1)
            served[index] += 1
        client.close()

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(ASKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(served) / seconds


def _streams(each: Contender) -> tuple[float, float]:
    """Tokens a second over 32 streams, and CPU seconds a token."""
    clients = [each.connect() for _ in range(STREAMS)]
    threads = [threading.Thread(target=client.first_token, args=(TOKENS,)) for client in clients]
    before, began = cpu(each.pid) if each.pid else 0.0, time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    spent = cpu(each.pid) - before if each.pid else 0.0
    for client in clients:
        client.close()
    return STREAMS * TOKENS / took, spent / (STREAMS * TOKENS)
