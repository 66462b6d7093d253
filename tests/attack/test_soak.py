"""A day's use pressed into minutes: memory, descriptors and tasks stay what they were."""

import json
import os
import random
import threading

from support.attack import LONG
from support.simulated import BUDGET
from support.target import PAUSE, SimulatedOllama, Target

MODELS = ("llama3.1:8b", "qwen2.5-coder:32b", "deepseek-r1:32b")
CONFIG = f'[memory]\nbudget = "{BUDGET}"\n[history]\nlimit = 500\n'
SECONDS = float(os.environ.get("ATTACK_SOAK") or (80 if LONG else 4))
"""``ATTACK_SOAK=600`` is the ten minutes of docs/reliability.md."""
MB = 2**20


def test_memory_descriptors_and_tasks_stay_flat_under_steady_use(attack):
    samples: list[tuple[int, int]] = []
    tasks: list[int] = []
    over = threading.Event()
    with SimulatedOllama() as ollama, Target(ollama.url, config=CONFIG) as target:
        target.until(lambda: target.leases() == 0)
        idle = target.ask(type="status")["tasks"]
        threads = [threading.Thread(target=_socket, args=(target, over, attack.dice.randrange(9**9))) for _ in range(2)]
        threads += [
            threading.Thread(target=_http, args=(target, over)),
            threading.Thread(target=_watcher, args=(target, over)),
        ]
        for thread in threads:
            thread.start()
        try:
            while len(samples) < 40:
                PAUSE.wait(SECONDS / 40)
                samples.append((target.memory(), target.descriptors()))
                tasks.append(target.ask(type="status")["tasks"])
        finally:
            over.set()
            for thread in threads:
                thread.join()
                counters = target.ask(type="status")["counters"]
        attack.count("requests", counters["requests"])
        attack.figure("counters at the end", json.dumps(counters))
        target.until(lambda: target.leases() == 0)
        target.until(lambda: target.ask(type="status")["tasks"] <= idle)
    warm, late = samples[len(samples) // 2 : len(samples) * 3 // 4], samples[len(samples) * 3 // 4 :]
    least = min(memory for memory, _ in warm) / MB
    grown = min(memory for memory, _ in late) / MB - least
    files = [max(number for _, number in part) for part in (warm, late)]
    attack.figure("memory", f"{samples[0][0] / MB:.1f} MB, {least:.1f} in the third quarter, then {grown:+.2f}")
    busy = [max(tasks[len(tasks) // 2 : len(tasks) * 3 // 4]), max(tasks[len(tasks) * 3 // 4 :])]
    attack.figure("tasks", f"{idle} idle, at most {busy[0]} in the third quarter, {busy[1]} in the last, then {idle}")
    attack.figure("descriptors", f"at most {files[0]} in the third quarter, {files[1]} in the last")
    assert grown <= 1.0 if SECONDS >= 60 else grown <= 8.0
    assert files[1] <= files[0] + 3
    assert busy[1] <= busy[0] + 6  # a request has up to four, and two clients may meet a third


def _socket(target: Target, over: threading.Event, seed: int) -> None:
    dice = random.Random(seed)
    with target.connect(60.0) as lines:
        while not over.wait(0.03):
            model = dice.choice([*MODELS, MODELS[0], MODELS[0], None])
            lines.ask(
                type="chat", model=model, messages=[{"role": "user", "content": "why?"}], options={"num_predict": 9}
            )
            if dice.random() < 0.1:
                lines.ask(type=dice.choice(["status", "models", "history"]))


def _http(target: Target, over: threading.Event) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], "stream": False, "max_tokens": 5}
    while not over.wait(0.05):
        target.get("/v1/chat/completions", method="POST", body=body)
        target.get("/api/tags")


def _watcher(target: Target, over: threading.Event) -> None:
    with target.connect(1.0) as lines:
        lines.say(type="watch")
        while not over.is_set():
            try:
                lines.hear()
            except TimeoutError:
                continue
