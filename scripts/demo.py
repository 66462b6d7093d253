"""`make run`: the main job, watched: innkeepd on a private home, three questions, and what happens in memory.

Uses the Ollama that answers at $OLLAMA_HOST (or 127.0.0.1:11434), else the bundled simulator, which labels itself. On a
terminal the daemon stays up afterwards; otherwise it is stopped and the exit status is 0.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from innkeepd.config.load import load
from innkeepd.errors import ConfigError
from innkeepd.simulator.release import NEWEST

BIN = Path(sys.executable).parent
OLLAMA = NEWEST.name
SPEED = os.environ.get("INNKEEP_DEMO_SPEED", "4")
QUESTIONS = (
    ("a coding question", "Fix the bug in this function: def mean(xs): return sum(xs) / len(x)"),
    ("a reasoning question", "Why does a ship of steel float? Compare it with a stone."),
    ("a Korean question", "오늘 저녁에 친구를 초대하는 짧은 편지를 써 줘."),
)


def say(text: str) -> None:
    """A line of ours, told apart from what the commands print."""
    print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def ollama_url() -> str | None:
    """Where a real Ollama with at least one model answers; None where none does."""
    try:
        url = load(None, os.environ).ollama.url
        with urllib.request.urlopen(f"{url}/api/tags", timeout=2) as answer:  # noqa: S310 - the user's own address
            return url if b'"name"' in answer.read() else None
    except (OSError, urllib.error.URLError, ConfigError, ValueError):
        return None


def innkeep(*words: str, env: dict[str, str]) -> int:
    """Run a command as a person would, shown with its prompt; what it says aside comes in its place, in a pipe too."""
    shown = " ".join(f'"{word}"' if " " in word else word for word in words)
    print(f"$ innkeep {shown}", flush=True)
    aside = None if sys.stdout.isatty() else subprocess.STDOUT
    return subprocess.run(
        [BIN / "innkeep", *words], env=env, check=False, stdin=subprocess.DEVNULL, stderr=aside
    ).returncode


def wait_until_up(daemon: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    """Return once the daemon answers; leave with its own words where it does not."""
    until = time.monotonic() + 20
    while time.monotonic() < until and daemon.poll() is None:
        if subprocess.run([BIN / "innkeep", "ping"], env=env, check=False, capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    stop(daemon)
    sys.exit(f"innkeepd did not come up:\n{log.read_text(errors='replace')}")


def stop(daemon: subprocess.Popen[bytes]) -> None:
    """Let it drain, then make sure."""
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()


def tour(env: dict[str, str]) -> int:
    """The questions, and what memory looks like after them."""
    failed = 0
    for what, question in QUESTIONS:
        say(f"{what}: where would it go, and what must leave memory for it?")
        innkeep("route", question, env=env)
        failed += innkeep("ask", "-v", question, env=env) != 0
    say("memory after that: one 32B at a time")
    innkeep("status", env=env)
    say("what was decided, and why")
    innkeep("history", env=env)
    innkeep("explain", "last", env=env)
    return failed


def main() -> int:
    """The demonstration; returns the exit status."""
    real = ollama_url()
    home = Path(tempfile.mkdtemp(prefix="innkeep-", dir=None))
    env = os.environ | {"INNKEEP_HOME": str(home), "INNKEEP_SOCKET": str(home / "innkeepd.sock")}
    command = [BIN / "innkeepd", "run", *([] if real else ["--simulate", "--ollama", OLLAMA, "--speed", SPEED])]
    if real:
        say(f"a real Ollama answers at {real}: innkeepd keeps it")
    else:
        simulated = f"a SIMULATED Ollama {OLLAMA} on a simulated 36 GB Mac, {SPEED} times as fast; every answer says so"
        say(f"no Ollama answers here: {simulated}")
    print(f"$ INNKEEP_HOME={home} innkeepd {' '.join(str(word) for word in command[1:])}", flush=True)
    log = home / "demo.log"  # not on the screen, where it would come between the words of an answer
    with log.open("wb") as file:
        daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until_up(daemon, env, log)
        failed = tour(env)
        if sys.stdout.isatty() and sys.stdin.isatty():
            say("innkeepd stays up. In another terminal:")
            print(f"export INNKEEP_HOME={home}     # the daemon's log: demo.log there")
            print(f"{BIN / 'innkeep'} chat        # or: ask, status, watch, hold 10m, models list")
            say("Ctrl-C stops it.")
            with contextlib.suppress(KeyboardInterrupt):
                daemon.wait()
        return 1 if failed else 0
    finally:
        stop(daemon)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
