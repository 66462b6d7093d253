"""`make test-clients`: real clients from the registries, unmodified, through innkeepd; results into results.json.

Each is configured by ``innkeep connect NAME --write`` in an empty home folder and asked from its own command line,
before the simulator (S) and before a real Ollama (R). What is judged is innkeepd's own record of each request, and that
the client ends well. Words on the command line choose clients (``pi llm``), ``S`` or ``R`` a backend.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from agents import model
from agents.drivers import DRIVERS, Person, Said, end
from agents.installs import PINS, NotInstalled, install, took
from agents.open_webui import OpenWebUI
from innkeep import Client
from innkeep.wire import DecisionRecord
from support.innkeepd import ROOT, Daemon
from support.ollama import OllamaServer, model_store, ollama_binary

OPEN_WEBUI = "open-webui"
RESULTS = Path(os.environ.get("INNKEEP_RESULTS") or Path(__file__).with_name("results.json"))
LONGEST = {"S": 120.0, "R": 400.0}
"""Seconds of one run of a client."""

REAL = """
[roles.coding]
primary = "agent"
fallbacks = ["mid"]
[roles.reasoning]
primary = "agent"
fallbacks = ["mid"]
[roles.general]
primary = "mid"
[models.agent]
context = 65536
[memory]
budget = "6GiB"
[residency]
heavy_limit = 1
"""
BROKEN = REAL.replace('primary = "agent"\nfallbacks = ["mid"]', 'primary = "broken"\nfallbacks = ["agent"]', 1)
NARROW = {
    backend: "".join(
        f'[roles.{role}]\nprimary = "{name}"\nfallbacks = []\n' for role in ("coding", "reasoning", "general")
    )
    for backend, name in (("S", "qwen2.5-coder:32b"), ("R", "tools"))
}
"""Roles whose one model has no more than 16,384 tokens (S, a 36 GB Mac) or 4,096 (R)."""
FILLER = "The quick brown fox jumps over the lazy dog near the old river bank. "


class Trial:
    """One client before one daemon."""

    def __init__(self, name: str, backend: str, daemon: Daemon, folder: Path) -> None:
        self.backend, self.daemon, self.folder = backend, daemon, folder
        more = {"OLLAMA_HOST": daemon.url} if name == "llm-ollama" else {}
        self.person = Person(name, folder, more)
        self.driver = self.person.driver
        self.connected = self._connect() if not more else ""

    def _connect(self) -> str:
        environ = self.person.environ | {
            "INNKEEP_HOME": str(self.daemon.home),
            "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")]),
        }
        command = [sys.executable, "-m", "innkeepd.main", "connect", self.person.package, "--write"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    @contextmanager
    def client(self) -> Iterator[Client]:
        with Client(socket=str(self.daemon.home / "innkeepd.sock")) as client:
            yield client

    def simulator(self, method: str, body: bytes | None = None) -> None:
        """Let something fail in the simulated Ollama (``POST``), or nothing any more (``DELETE``)."""
        with self.client() as client:
            url = client.status().backend.url
        request = urllib.request.Request(f"{url}/simulator/faults", body, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def records(self, since: float) -> list[DecisionRecord]:
        """What innkeepd recorded of chats since then, oldest first."""
        with self.client() as client:
            found = client.history(limit=200).records
        return [one for one in reversed(found) if one.asked_at >= since and one.kind == "chat"]

    def asked(self, prompt: str, *more: str) -> tuple[Said, list[DecisionRecord]]:
        since = time.time() - 0.01
        log = self.folder / "said"
        said = self.person.run([*self.driver.ask(prompt), *more], log, LONGEST[self.backend])
        return said, self.records(since)


class WebTrial(Trial):
    """Open WebUI before one daemon."""

    def __init__(self, backend: str, daemon: Daemon, web: OpenWebUI) -> None:
        self.backend, self.daemon, self.web = backend, daemon, web


def printed_environment(daemon: Daemon) -> dict[str, str]:
    """What `innkeep connect open-webui` says to set in the shell."""
    environ = os.environ | {
        "INNKEEP_HOME": str(daemon.home),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")]),
    }
    command = [sys.executable, "-m", "innkeepd.main", "connect", "open-webui", "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, str] = json.loads(done.stdout)["environment"]
    return found


Outcome = tuple[str, str]
"""``works``, ``fails`` or ``not``, and what was seen."""


def chat(trial: Trial) -> Outcome:
    said, records = trial.asked("Say hello in one word.")
    return judged(said, records, trial.backend, told=_sizes(records))


def lists(trial: Trial) -> Outcome:
    if not trial.driver.lists:
        return "not", "has no list of its own on the command line"
    said = trial.person.run(list(trial.driver.lists), trial.folder / "said", 60)
    names = [name for name in ("auto", "coding", "reasoning", "general") if name in said.text]
    if trial.person.name == "aider":
        return ("works", "") if said.status == 0 else ("fails", _tail(said))
    return ("works", "") if len(names) == 4 and said.status == 0 else ("fails", f"names {names}; {_tail(said)}")


def tools(trial: Trial) -> Outcome:
    tool = trial.driver.tool
    if not tool:
        return "not", "has no tools"
    more = ["-T", "llm_version"] if "llm" in trial.person.name else []
    said, records = trial.asked(f"Use the tool {tool} now.", *more, *trial.driver.narrow)
    if trial.backend == "R":
        return judged(said, records, "R", told="tools are sent and taken; random weights call none")
    answered = [one for one in records if one.outcome == "answered"]
    if len(answered) < 2:
        return "fails", f"{len(answered)} answered requests, a tool's turn would make two; {_tail(said)}"
    return judged(said, records, "S")


def long(trial: Trial) -> Outcome:
    narrow = trial.driver.narrow
    said, records = trial.asked(FILLER * 300 + "Say hello in one word.", *narrow)
    outcome = judged(said, records, trial.backend)
    sizes = _sizes(records) + (f" (with `{' '.join(narrow)}`)" if narrow else "")
    return outcome if outcome[0] != "works" else ("works", sizes)


def overflow(trial: Trial) -> Outcome:
    """A prompt of about 29,000 tokens: more than any model of the chain may have."""
    said, records = trial.asked(FILLER * 1700 + "Say hello in one word.")
    if said.status is None:
        return "fails", f"did not end in {LONGEST[trial.backend]:.0f} s; {_tail(said)}"
    refused = [one for one in records if one.code == "context_overflow"]
    if not refused:
        cut = [one.prompt_tokens for one in records if one.outcome == "answered"]
        return (
            "works",
            f"the client itself shortens or refuses it (requests answered with {cut} tokens); {_tail(said)}",
        )
    text = said.text.lower()
    shown = any(word in text for word in ("too long", "context", "token", "compact"))
    return ("works" if shown else "fails"), f"{len(refused)} refused; it prints: {_tail(said)}"


def cancel(trial: Trial) -> Outcome:
    prompt = "Tell me a story. [simulate stall after 5]" if trial.backend == "S" else "Tell me a story."
    log, since = trial.folder / "said", time.time()
    process = trial.person.start(trial.driver.ask(prompt), log)
    try:
        if not _until(lambda: _leases(trial) > 0, LONGEST[trial.backend]):
            return "fails", f"no answer began; {log.read_text(errors='replace')[-200:]}"
    finally:
        end(process)
    began = time.monotonic()
    if not _until(lambda: _leases(trial) == 0, 10):
        return "fails", "the model is still leased after 10 s"
    records = [one.outcome for one in trial.records(since)]
    return "works", f"free after {time.monotonic() - began:.1f} s ({', '.join(records) or 'no record yet'})"


def load(trial: Trial) -> Outcome:
    with trial.client() as client:
        client.unload(all=True)
    said, records = trial.asked("Say hello in one word.")
    outcome = judged(said, records, trial.backend)
    waits = max((one.timings.swap or 0.0 for one in records), default=0.0)
    return outcome if outcome[0] != "works" else ("works", f"waited {waits:.0f} s for the load")


def fallback(trial: Trial) -> Outcome:
    if trial.backend == "S":
        fault = json.dumps({"how": "load_failure", "model": "qwen2.5-coder:32b", "times": 4}).encode()
        with trial.client() as client:
            client.unload(all=True)
        trial.simulator("POST", fault)
    said, records = trial.asked("Say hello in one word.")
    outcome = judged(said, records, trial.backend)
    moved = [one.model for one in records if len(one.attempts) > 1 and one.outcome == "answered"]
    if outcome[0] == "works" and not moved:
        return "fails", "answered, but no request moved to the next model"
    return outcome if outcome[0] != "works" else ("works", f"answered by {moved[0]}")


def errands(trial: Trial) -> Outcome:
    if not trial.driver.errand:
        return "not", "asks for nothing beside the user's words"
    if trial.person.name == "aider":
        (trial.person.work / "mean.py").write_text("def mean(xs):\n    return sum(xs) / len(xs)\n")
        since = time.time() - 0.01
        arguments = ["--no-check-update", "--no-analytics", "--yes-always", "--no-pretty", "--commit"]
        said = trial.person.run(arguments, trial.folder / "said", LONGEST[trial.backend])
        records = trial.records(since)
    else:
        said, records = trial.asked("Why is the sky blue? Explain it in a sentence.")
    outcome = judged(said, records, trial.backend)
    if outcome[0] != "works":
        return outcome
    evicting = [one for one in records if one.errand and one.evicted]
    asked = ", ".join(f"{one.role or 'by name'} -> {one.model}" for one in records)
    return ("fails" if evicting else "works"), f"{len(records)} requests: {asked}" + (
        f"; {evicting[0].model} evicted {', '.join(evicting[0].evicted)}" if evicting else ""
    )


SCENARIOS: dict[str, Callable[[Trial], Outcome]] = {
    "list": lists, "chat": chat, "tools": tools, "long": long, "overflow": overflow, "cancel": cancel, "load": load,
    "errands": errands, "fallback": fallback,
}  # fmt: skip


# --- Open WebUI: a server of its own -----------------------------------------------------------------------------
def web_chat(trial: "WebTrial", prompt: str = "Say hello in one word.", **more: Any) -> Outcome:
    since = time.time() - 0.01
    text = trial.web.chat(prompt, **more)
    records = trial.records(since)
    said = Said(0, text, 0.0)
    return judged(said, records, trial.backend, told=_sizes(records))


def web_lists(trial: "WebTrial") -> Outcome:
    names = {one["id"].removesuffix(":latest") for one in trial.web.ask("GET", "/api/models")["data"]}
    missing = {"auto", "coding", "reasoning", "general"} - names
    return ("fails", f"without {sorted(missing)}") if missing else ("works", f"{len(names)} models")


def web_tools(trial: "WebTrial") -> Outcome:
    tool = {"type": "function", "function": {"name": "lookup", "description": "Look a word up.", "parameters": {
        "type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}}}  # fmt: skip
    since = time.time() - 0.01
    text = trial.web.chat("Use the tool lookup now.", tools=[tool])
    bad = [one.code for one in trial.records(since) if one.outcome != "answered"]
    called = trial.backend == "R" or '"lookup"' in text
    return ("works", "") if called and not bad else ("fails", f"{bad or ''} {text[-160:]}")


def web_overflow(trial: "WebTrial") -> Outcome:
    try:
        text = trial.web.chat(FILLER * 9000)
    except RuntimeError as fault:
        text = str(fault)
    shown = "too long" in text
    return ("works" if shown else "fails"), f"it answers: {' '.join(text.split())[-200:]}"


def web_cancel(trial: "WebTrial") -> Outcome:
    prompt = "Tell me a story. [simulate stall after 5]" if trial.backend == "S" else "Tell me a story."
    trial.web.chat(prompt, stop=lambda: True)
    began = time.monotonic()
    if not _until(lambda: _leases(trial) == 0, 10):
        return "fails", "the model is still leased 10 s after the page has left"
    return "works", f"free after {time.monotonic() - began:.1f} s"


def web_load(trial: "WebTrial") -> Outcome:
    with trial.client() as client:
        client.unload(all=True)
    return web_chat(trial)


def web_fallback(trial: "WebTrial") -> Outcome:
    if trial.backend == "R":
        return "not", "one daemon for all, whose models all load"
    with trial.client() as client:
        client.unload(all=True)
    trial.simulator("POST", json.dumps({"how": "load_failure", "model": "qwen2.5-coder:32b", "times": 4}).encode())
    since = time.time() - 0.01
    trial.web.chat("Say hello in one word.")
    moved = [one.model for one in trial.records(since) if len(one.attempts) > 1 and one.outcome == "answered"]
    return ("works", f"answered by {moved[0]}") if moved else ("fails", "no request moved to the next model")


def web_errands(trial: "WebTrial") -> Outcome:
    messages = [{"role": "user", "content": "Why is the sky blue?"}, {"role": "assistant", "content": "It scatters."}]
    trial.web.chat("Refactor this function: def f(x): return x", "auto")
    since = time.time() - 0.01
    for errand in ("title", "tags", "follow_up"):
        trial.web.ask("POST", f"/api/v1/tasks/{errand}/completions", {"model": "auto", "messages": messages})
    records = trial.records(since)
    asked = ", ".join(f"{one.role or 'by name'} -> {one.model}" for one in records)
    evicting = [one for one in records if one.evicted]
    return ("fails" if evicting or len(records) < 3 else "works"), f"title, tags, follow-up: {asked}"


WEB: dict[str, Callable[["WebTrial"], Outcome]] = {
    "list": web_lists, "chat": web_chat, "tools": web_tools, "long": lambda trial: web_chat(trial, FILLER * 300),
    "overflow": web_overflow, "cancel": web_cancel, "load": web_load, "errands": web_errands, "fallback": web_fallback,
}  # fmt: skip


def judged(said: Said, records: list[DecisionRecord], backend: str, told: str = "") -> Outcome:
    """The client ends well, says something, and every request of it was answered."""
    if said.status is None:
        return "fails", f"did not end in {LONGEST[backend]:.0f} s; {_tail(said)}"
    if said.status != 0:
        return "fails", f"exit status {said.status}; {_tail(said)}"
    if not records:
        return "fails", f"innkeepd saw no request; {_tail(said)}"
    bad = [f"{one.outcome} {one.code or ''}: {one.message or ''}"[:200] for one in records if not _is_well(one)]
    if bad:
        return "fails", f"{len(bad)} of {len(records)} requests: {bad[0]}"
    if backend == "S" and "simulated" not in said.text.lower():
        return "fails", f"the answer is not in its output; {_tail(said)}"
    return "works", told


def _is_well(record: DecisionRecord) -> bool:
    """Whether it was answered; an errand that waits for the main answer may find its client gone."""
    return record.outcome == "answered" or (bool(record.errand) and record.outcome == "cancelled")


def _sizes(records: list[DecisionRecord]) -> str:
    tokens = max((one.prompt_tokens for one in records), default=0)
    return f"{len(records)} request{'s' * (len(records) != 1)}, {tokens:,} tokens of prompt"


def _tail(said: Said) -> str:
    return " ".join(said.text.split())[-160:]


def _leases(trial: Trial) -> int:
    with trial.client() as client:
        return sum(each.leases for each in client.status().resident)


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    """Poll until it holds; a pause between that a signal would end."""
    import threading

    began, pause = time.monotonic(), threading.Event()
    while time.monotonic() - began < seconds:
        if holds():
            return True
        pause.wait(0.2)
    return False


class Phase(NamedTuple):
    """What is run before one daemon: its configuration, the speed of the simulated machine, the scenarios."""

    config: str
    speed: float
    scenarios: tuple[str, ...]


USUAL = ("list", "chat", "tools", "long", "cancel", "errands")
PHASES = {
    "S": (Phase("", 20.0, (*USUAL, "fallback")), Phase("", 2.0, ("load",)), Phase(NARROW["S"], 20.0, ("overflow",))),
    "R": (
        Phase(REAL, 1.0, (*USUAL, "load")),
        Phase(BROKEN, 1.0, ("fallback",)),
        Phase(NARROW["R"], 1.0, ("overflow",)),
    ),
}
"""One daemon after the other, because an Ollama belongs to one."""


def main() -> int:
    """Run what is named; the exit status is 1 where something fails."""
    words = sys.argv[1:]
    names = [name for name in [*DRIVERS, OPEN_WEBUI] if name in words] or [*DRIVERS, OPEN_WEBUI]
    backends = [word for word in words if word in ("S", "R")] or (["S", "R"] if ollama_binary() else ["S"])
    scenarios = [name for name in SCENARIOS if name in words] or list(SCENARIOS)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"clients": []}
    began, failed = time.monotonic(), 0
    ready = [name for name in names if _installed(name, results)]
    for backend in backends:
        with ExitStack() as stack:
            url = _real(stack) if backend == "R" else None
            for number, phase in enumerate(PHASES[backend]):
                wanted = [name for name in phase.scenarios if name in scenarios]
                web = scenarios if number == 0 else []
                if not wanted and not (web and OPEN_WEBUI in ready):
                    continue
                with Daemon(ollama=url, config=phase.config, speed=phase.speed) as daemon:
                    for name in ready:
                        if name == OPEN_WEBUI:
                            failed += _try_web(backend, daemon, web, results) if web else 0
                        else:
                            failed += _try(name, backend, daemon, wanted, results)
                        _write(results, time.monotonic() - began, partial=bool(words))
    print(f"{failed} failed, {time.monotonic() - began:.0f} s; {RESULTS}")
    print("the page: python -m innkeepd.connect.pages docs")
    return int(failed > 0)


def _try_web(backend: str, daemon: Daemon, scenarios: list[str], results: dict[str, Any]) -> int:
    """Open WebUI: one server for all of its scenarios."""
    failed, began = 0, time.monotonic()
    runs = _entry(OPEN_WEBUI, results)["runs"]
    with tempfile.TemporaryDirectory(prefix="ik", ignore_cleanup_errors=True) as folder:
        try:
            with OpenWebUI(Path(folder), printed_environment(daemon)) as web:
                print(f"{backend} {OPEN_WEBUI:12} is up after {time.monotonic() - began:.0f} s", flush=True)
                for scenario in scenarios:
                    failed += _one(OPEN_WEBUI, backend, scenario, lambda: WebTrial(backend, daemon, web), WEB, runs)
        except Exception as fault:  # noqa: BLE001 - as below
            runs["chat"] = {backend: {"outcome": "fails", "seconds": 0.0, "note": _without_paths(str(fault))[:300]}}
            print(f"{backend} {OPEN_WEBUI:12} {fault}")
            failed += 1
    return failed


def _one(  # noqa: PLR0917
    name: str, backend: str, scenario: str, made: Callable[[], Any], table: Any, runs: dict[str, Any]
) -> int:
    began = time.monotonic()
    try:
        trial = made()
        outcome, note = table[scenario](trial)
        if backend == "S":
            trial.simulator("DELETE")
    except Exception as fault:  # noqa: BLE001 - one run that goes wrong is a result, the others go on
        outcome, note = "fails", f"{type(fault).__name__}: {fault}"[:300]
    seconds = time.monotonic() - began
    print(f"{backend} {name:12} {scenario:9} {outcome:6} {seconds:6.1f} s  {note}", flush=True)
    runs.setdefault(scenario, {})[backend] = {
        "outcome": outcome, "seconds": round(seconds, 1), "note": _without_paths(note),
    }  # fmt: skip
    return int(outcome == "fails")


def _real(stack: ExitStack) -> str:
    """The URL of a real Ollama with the models of REAL."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ik")))
    ollama = stack.enter_context(OllamaServer(folder, store=model_store()))
    model.create(ollama, "agent")
    return ollama.url


def _try(name: str, backend: str, daemon: Daemon, scenarios: list[str], results: dict[str, Any]) -> int:
    failed = 0
    runs = _entry(name, results)["runs"]
    for scenario in scenarios:
        with tempfile.TemporaryDirectory(prefix="ik", ignore_cleanup_errors=True) as folder:
            where = Path(folder)
            failed += _one(name, backend, scenario, lambda w=where: Trial(name, backend, daemon, w), SCENARIOS, runs)
    return failed


def _installed(name: str, results: dict[str, Any]) -> bool:
    package = "llm" if name == "llm-ollama" else name
    try:
        install("node")
        install(package)
    except NotInstalled as fault:
        print(f"{name}: not tried: {fault}")
        _entry(name, results)["runs"] = {"chat": {"S": {"outcome": "not", "note": f"not installed: {fault}"}}}
        return False
    return True


def _entry(name: str, results: dict[str, Any]) -> dict[str, Any]:
    """The client's part of the results, in the order of the drivers."""
    found = next((one for one in results["clients"] if one["name"] == name), None)
    if found is None:
        found = {"name": name, "runs": {}}
        results["clients"].append(found)
    found["title"] = DRIVERS[name].title if name in DRIVERS else "Open WebUI"
    found["version"] = PINS["llm" if name == "llm-ollama" else name].version
    if name == "llm-ollama":
        found["version"] = "0.36, 0.19.1"
    order = [*DRIVERS, OPEN_WEBUI]
    results["clients"].sort(key=lambda one: order.index(one["name"]))
    return found


def _write(results: dict[str, Any], seconds: float, *, partial: bool) -> None:
    results["date"] = time.strftime("%Y-%m-%d")
    results["system"] = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    binary = ollama_binary()
    results["ollama"] = binary.parents[1].name.removeprefix("ollama-") if binary else "-"
    total = sum(run["seconds"] for one in results["clients"] for runs in one["runs"].values() for run in runs.values()
                if "seconds" in run)  # fmt: skip
    results["minutes"] = max(1, round((total if partial else seconds) / 60))
    results["install_minutes"] = round(sum(took(name) for name in PINS) / 60, 1)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def _without_paths(note: str) -> str:
    """A note without names of folders and ports that differ from run to run."""
    note = re.sub(r"/\S*/(ik\w+|home|work)\S*", "(folder)", note)
    note = re.sub(r"[\x00-\x1f\x7f]|\[\d+m", "", note)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", note)


if __name__ == "__main__":
    sys.exit(main())
