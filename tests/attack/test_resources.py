"""A machine that runs out of disk, descriptors or memory, and clocks that jump."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import anyio
import pytest
import trio

from innkeep import wire
from support.attack import LONG, rest
from support.daemon import SleepingMac, mock_clock, open_daemon
from support.simulated import BUDGET
from support.target import PAUSE, SimulatedOllama, Target

MODEL = "llama3.1:8b"
CONFIG = f'[memory]\nbudget = "{BUDGET}"\n'


@pytest.fixture(scope="module")
def ollama():
    with SimulatedOllama() as one:
        yield one


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder on a disk of 3 MB; skips where none may be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    mount = shutil.which("mount")
    mounted = mount and os.geteuid() == 0 and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", folder], capture_output=True, check=False
    ).returncode == 0  # fmt: skip
    try:
        if not mounted:
            pytest.skip("no small disk: a tmpfs may only be mounted by root on Linux, outside of most containers")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=False)
        folder.rmdir()


def _fill(folder: Path) -> None:
    """Leave no byte on its disk."""
    with suppress(OSError), (folder / "filler").open("ab", buffering=0) as filler:
        while filler.write(b"\0" * 4096):
            pass
    with suppress(OSError), (folder / "filler").open("ab", buffering=0) as filler:
        while filler.write(b"\0"):
            pass


def test_on_a_full_disk_everybody_is_answered_and_told_and_nothing_is_promised(attack, ollama):
    with small_disk() as disk, Target(ollama.url, config=CONFIG, home=disk) as target:
        _fill(disk)
        for number in range(20):
            assert target.chat(MODEL)["type"] == "done"
            attack.count("chats")
            pinned = target.ask(type="pin" if number % 2 else "unpin", model=MODEL)
            assert pinned["type"] in {"pinned", "unpinned", "error"}
        assert any("history" in warning for warning in target.ask(type="status")["warnings"])
        (disk / "filler").unlink()
        assert target.ask(type="pin", model=MODEL)["type"] == "pinned"
        assert target.stop() == 0


def test_it_starts_on_a_full_disk(attack, ollama):
    with small_disk() as disk, Target(ollama.url, config=CONFIG, home=disk) as target:
        assert target.stop() == 0
        _fill(disk)
        target.start()
        assert target.chat(MODEL)["type"] == "done"
        attack.count("starts")


def test_few_descriptors_and_many_connections_end_nothing(attack, ollama):
    """With 64 descriptors and 100 connections that stay: who has one is served, the rest once one is free."""
    with Target(ollama.url, config=CONFIG, limits="ulimit -n 64") as target, target.connect() as early:
        with ExitStack() as stack:
            for _ in range(100):
                with suppress(OSError):
                    stack.enter_context(socket.create_connection(("127.0.0.1", target.port), timeout=0.05))
                    attack.count("connections")
            PAUSE.wait(1.0)
            assert early.ask(type="hello", protocol=1)["type"] == "welcome"
            assert target.is_alive
            log = sum(path.stat().st_size for path in (target.home / "logs").glob("*"))
            attack.count("bytes of log", log)
            assert log < 1_000_000
        target.until(lambda: target.chat(MODEL)["type"] == "done")
        assert target.stop() == 0


def test_with_little_memory_a_large_message_fails_alone(attack, ollama):
    """An address space of 700 MB and bodies of 60 MB: an error or a closed connection, and the next one is answered."""
    with Target(ollama.url, config=CONFIG, limits="ulimit -v 700000") as target:
        body = b'{"model":"llama3.1:8b","messages":[{"role":"user","content":"' + b"x" * 50_000_000 + b'"}]}'
        head = b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(
            body
        )
        for _ in range(3 if LONG else 1):
            answer = target.raw(head + body, timeout=20)
            attack.count("bodies of 50 MB")
            assert not answer.startswith(b"HTTP/1.1 200")
            assert target.is_alive, target.last_words()
        target.until(lambda: target.chat(MODEL)["type"] == "done")
        target.until(lambda: target.leases() == 0)


def test_clocks_that_jump_forget_nobody_and_lose_nothing(attack):
    async def scenario() -> None:
        mac = SleepingMac()
        async with open_daemon(sleep=mac) as daemon:
            client = daemon.connect()
            for _ in range(12):
                asked = [await client.chat(model=attack.dice.choice([MODEL, "deepseek-r1:32b"])) for _ in range(3)]
                await anyio.sleep(attack.dice.choice([0.0, 1.0, 20.0]))
                mac.asleep += attack.dice.choice([1.0, 3600.0, 40 * 86400.0, 1e9])
                await anyio.sleep(attack.dice.choice([0.0, 30.0]))
                for number in asked:
                    end = await client.end(number)
                    assert isinstance(end, wire.Done | wire.Error)
                    assert not (isinstance(end, wire.Error) and end.code == "internal")
                    attack.count("requests")
                attack.count("jumps")
            await client.leave()
            await rest(daemon.is_quiet)
            assert daemon.is_quiet()

    for _ in attack.rounds(short=1, long=10):
        _, options = mock_clock()
        trio.run(scenario, clock=options["clock"])


def test_a_wall_clock_that_jumps_loses_no_record(attack, ollama):
    """A start with a clock 40 days ahead, and one 10 years back; the history is what it was."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("no libfaketime here; apt-get install faketime")
    with Target(ollama.url, config=CONFIG) as target:
        for _ in range(10):
            assert target.chat(MODEL)["type"] == "done"
        assert target.stop() == 0
        for offset in ("+40d", "-3650d", "+0d"):
            fake = f'export FAKETIME="{offset}" FAKETIME_DONT_FAKE_MONOTONIC=1 LD_PRELOAD="{library}"'
            with Target(ollama.url, config=CONFIG, home=target.home, limits=fake) as again:
                assert again.chat(MODEL)["type"] == "done"
                kept = again.ask(type="history", limit=100)["records"]
                attack.count("jumps")
                assert len(kept) >= 11, offset
                assert again.stop() == 0
