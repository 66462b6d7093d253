"""kill -9 of the daemon, of Ollama and of its runners, under load."""

import random
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from innkeep.errors import InnkeepError
from support.attack import LONG, Attack
from support.live import DaemonProcess
from support.ollama import HOW_TO_GET_ONE, OllamaServer, PsSampler, model_store, ollama_binary
from support.second_user import WHY_NOT, can_be_another_user
from support.simulated import BUDGET
from support.target import PAUSE, SimulatedOllama, Target

LIGHT, HEAVIES = "llama3.1:8b", ("qwen2.5-coder:32b", "deepseek-r1:32b")
CONFIG = f'[memory]\nbudget = "{BUDGET}"\n' + "\n".join(
    f'[roles.{role}]\nprimary = "{LIGHT}"\nfallbacks = []' for role in ("coding", "reasoning", "general")
)


class Crowd:
    """Clients in threads that chat, pin, select and give feedback, and note what they were told was done."""

    def __init__(self, target: Target, attack: Attack, models: tuple[str, ...], *, admin: bool = True) -> None:
        self.pinned: dict[str, bool] = {}
        self.selected: list[Any] = []
        self.feedback: dict[str, str] = {}
        self.done: list[str] = []
        self.ends = 0
        self.asked = 0
        self._over = threading.Event()
        self._target = target
        dice = attack.dice
        chatters = [threading.Thread(target=self._chat, args=(dice.randrange(9**9), models)) for _ in range(3)]
        self._threads = [*chatters, *([threading.Thread(target=self._administer)] if admin else [])]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _chat(self, seed: int, models: tuple[str, ...]) -> None:
        dice = random.Random(seed)
        with suppress(OSError, AssertionError, ValueError), self._target.connect() as lines:
            while not self._over.is_set():
                self.asked += 1
                messages = [{"role": "user", "content": "hi"}]
                lines.say(type="chat", model=dice.choice(models), messages=messages, options={"num_predict": 5})
                request = ""
                while (reply := lines.hear()) is not None and reply["type"] not in {"done", "error"}:
                    request = reply.get("request", request)
                if reply is None:
                    return
                self.ends += 1
                if reply["type"] == "done":
                    self.done.append(request)

    def _administer(self) -> None:
        number = 0
        with suppress(OSError, AssertionError, ValueError), self._target.connect() as lines:
            while not self._over.is_set():
                number += 1
                is_pin = number % 2 == 1
                self.pinned.pop(LIGHT, None)  # until it is told, either may stand
                if lines.ask(type="pin" if is_pin else "unpin", model=LIGHT)["type"] in {"pinned", "unpinned"}:
                    self.pinned[LIGHT] = is_pin
                self.selected = []
                reply = lines.ask(type="select", model=(LIGHT, HEAVIES[0], None)[number % 3])
                if reply["type"] == "selected":
                    self.selected = [reply["model"]]
                if self.done:
                    request = self.done[-1]
                    if lines.ask(type="feedback", request=request, role="coding")["type"] == "noted":
                        self.feedback[request] = "coding"


def _lost(crowd: Crowd, target: Target) -> tuple[list[str], list[str]]:
    """Facts and records that somebody was told of and that the daemon, started again, does not know."""
    facts: list[str] = []
    status = target.ask(type="status")
    if crowd.selected and status.get("selected") != crowd.selected[0]:
        facts.append(f"selected {crowd.selected[0]}, not {status.get('selected')}")
    if LIGHT in crowd.pinned:
        target.ask(type="load", model=LIGHT)
        resident = {each["name"]: each["pinned"] for each in target.ask(type="status")["resident"]}
        if resident.get(LIGHT) != crowd.pinned[LIGHT]:
            facts.append(f"pinned {crowd.pinned[LIGHT]}, not {resident}")
    kept = {each["id"]: each for each in target.ask(type="history", limit=5000)["records"]}
    facts += [f"feedback {one}" for one, role in crowd.feedback.items() if kept.get(one, {}).get("feedback") != role]
    return facts, [one for one in crowd.done if one not in kept]


def _integrity(home: Path) -> list[str]:
    """What SQLite says of every database in a home; a database that is well says ``ok``."""
    found = []
    for path in home.glob("*.sqlite3"):
        with sqlite3.connect(path) as database:
            found += [row[0] for row in database.execute("PRAGMA integrity_check")]
        database.close()
    return found


def test_nothing_that_was_acknowledged_is_lost_when_the_daemon_is_killed(attack):
    facts: list[str] = []
    records: list[str] = []
    starts: list[float] = []
    with SimulatedOllama() as ollama, Target(ollama.url, config=CONFIG) as target:
        for _ in attack.rounds(short=5, long=60, most=100):
            crowd = Crowd(target, attack, (LIGHT, *HEAVIES))
            PAUSE.wait(attack.dice.choice([0.05, 0.3, 0.6, 0.9]) * attack.dice.random())
            target.kill()
            crowd.join()
            began = time.monotonic()
            target.start()
            starts.append(time.monotonic() - began)
            assert set(_integrity(target.home)) == {"ok"}
            some_facts, some_records = _lost(crowd, target)
            facts += some_facts
            records += some_records
            attack.count("kills")
            attack.count("answers", len(crowd.done))
            attack.count("facts acknowledged", len(crowd.feedback) + len(crowd.pinned) + len(crowd.selected))
        assert target.stop() == 0
    attack.figure("acknowledged facts lost", f"{len(facts)} in {attack.counts['kills']} kills")
    attack.figure("records of answers told as done lost", f"{len(records)} of {attack.counts['answers']}")
    attack.figure("start after a kill, median", f"{sorted(starts)[len(starts) // 2]:.2f} s")
    assert facts == []
    assert records == []


def test_an_ollama_that_is_killed_under_load_is_used_again_and_holds_no_two_heavy_models(attack):
    with SimulatedOllama(speed=60.0) as ollama, Target(ollama.url, config=CONFIG) as target:
        crowd = Crowd(target, attack, (LIGHT, *HEAVIES), admin=False)
        with PsSampler(ollama.port) as sampler:
            for _ in attack.rounds(short=3, long=30, most=60):
                PAUSE.wait(attack.dice.random())
                ollama.kill()
                attack.count("kills of Ollama")
                PAUSE.wait(attack.dice.random() * 0.3)
                ollama.start()
        crowd.join()
        assert crowd.ends == crowd.asked
        target.until(lambda: target.leases() == 0)
        target.until(lambda: target.chat(LIGHT)["type"] == "done", within=90)
        attack.count("requests, each ended once", crowd.asked)
        attack.count("looks at /api/ps", len(sampler.samples))
        assert sampler.seen_together(*HEAVIES) == []


def test_a_real_ollama_and_its_runners_are_killed_under_load_and_the_daemon_serves_on(attack, tmp_path):
    if ollama_binary() is None:
        pytest.skip(HOW_TO_GET_ONE)
    if not LONG:
        pytest.skip("a real Ollama is killed by the long attack only: tests/live has a short form")
    with OllamaServer(tmp_path / "ollama", store=model_store()) as ollama, DaemonProcess(ollama) as daemon:
        with PsSampler(ollama.port) as sampler:
            for number in attack.rounds(short=5, long=30, most=30):
                asking = threading.Thread(target=_try_chat, args=(daemon, ("big", "big2")[number % 2]))
                asking.start()
                PAUSE.wait(attack.dice.random() * 2)
                if attack.dice.random() < 0.5:
                    with suppress(RuntimeError):
                        attack.count("runners killed", ollama.kill_runner())
                else:
                    ollama.kill()
                    attack.count("kills of Ollama")
                    ollama.start()
                asking.join()
        daemon.until(lambda status: not any(each.leases for each in status.resident))
        daemon.until(lambda _: _try_chat(daemon, "mid"), within=90)
        attack.count("looks at /api/ps", len(sampler.samples))
        assert sampler.seen_together("big", "big2") == []


def _try_chat(daemon: DaemonProcess, model: str) -> bool:
    """Whether a chat was answered."""
    try:
        daemon.ask(model, "hello", tokens=3)
    except InnkeepError:
        return False
    return True


@pytest.mark.parametrize("users", ["one user", "two users"])
def test_two_daemons_on_one_ollama_never_hold_two_heavy_models(attack, users):
    if users != "one user" and not can_be_another_user():
        pytest.skip(WHY_NOT)
    with SimulatedOllama(speed=60.0) as ollama, Target(ollama.url, config=CONFIG) as first:
        second = Target(ollama.url, config=CONFIG, as_nobody=users == "two users")
        if users == "one user":
            second.user_home = first.user_home  # one user, two homes of innkeep
        second.launch()
        try:
            second.until(lambda: not second.is_alive or second.is_well())
            with PsSampler(ollama.port) as sampler:
                for number in attack.rounds(short=3, long=20, most=60):
                    answers = [None, None]

                    def ask(target: Target, place: int, model: str, answers: list[Any] = answers) -> None:
                        with suppress(OSError, AssertionError):
                            answers[place] = target.chat(model)

                    pair = [
                        threading.Thread(target=ask, args=(target, place, HEAVIES[(number + place) % 2]))
                        for place, target in enumerate((first, second))
                    ]
                    for thread in pair:
                        thread.start()
                    for thread in pair:
                        thread.join()
                    attack.count("pairs of requests")
                    for each in answers:
                        attack.count(f"{(each or {}).get('code', (each or {}).get('type', 'nobody there'))} as answer")
            together = len(sampler.seen_together(*HEAVIES))
            attack.figure("looks with two heavy models", f"{together} of {len(sampler.samples)}")
            assert together == 0
            assert "owns the Ollama at" in second.last_words()
            first.kill()
            second.start()  # what a killed daemon left, of whichever user, is not in the way
            first.launch()
            first.until(lambda: not first.is_alive)
            assert "owns the Ollama at" in first.last_words()
        finally:
            second.__exit__()
