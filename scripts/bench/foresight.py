"""What those who wait are shown against how long they then wait: a mix of models on a simulated Mac, made fast."""

import json
import random
import socket
import statistics
import threading
import time
from pathlib import Path

from processes import daemon_with

CLIENTS, ASKED = 8, 8
MODELS = ("qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.1:8b")


def foresight() -> tuple[float, int]:
    """The median error as a share of the wait, and how many waits there were."""
    with daemon_with("", "--simulate", "--speed", "20") as daemon:
        pairs: list[tuple[float, float]] = []
        rounds = (random.Random(seed) for seed in range(CLIENTS))  # noqa: S311 - the same mix each time
        threads = [threading.Thread(target=_mixed, args=(daemon.socket, chance, pairs)) for chance in rounds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return statistics.median(abs(shown - real) / max(shown, real) for shown, real in pairs), len(pairs)


def _mixed(path: Path, chance: random.Random, pairs: list[tuple[float, float]]) -> None:
    """One client that asks now this model and now that; the first requests teach, the others are counted."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        lines = client.makefile("rb")
        for number in range(ASKED):
            ask = {"type": "chat", "id": number, "model": chance.choice(MODELS)}
            ask |= {"messages": [{"role": "user", "content": "hi"}]}
            ask |= {"options": {"num_predict": chance.choice((50, 100, 200))}}
            client.sendall(json.dumps(ask).encode() + b"\n")
            shown: tuple[float, float] | None = None
            for line in lines:
                reply = json.loads(line)
                if reply["type"] == "waiting" and shown is None and reply.get("expected") is not None:
                    shown = time.monotonic(), reply["expected"]
                if reply["type"] == "started" and shown is not None and number >= 2:
                    real = time.monotonic() - shown[0]
                    if real > 0.1:
                        pairs.append((shown[1], real))
                if reply["type"] in {"done", "error"}:
                    break
            time.sleep(chance.random())
