"""``innkeep pull MODEL``: the verdict first, then Ollama's own pull with a progress bar.

Exit status: 0 pulled, 1 it never fits, or Ollama failed, 2 wrong usage, 4 Ollama does not answer, 78 configuration.
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TextIO

import anyio
import msgspec
from msgspec import Struct

from innkeep.language import _
from innkeepd.arguments import Parser
from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.backends.decoding import count, decode
from innkeepd.errors import DaemonError
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.model import canonical
from innkeepd.service.cli import World
from innkeepd.service.collect import Connect, connect
from innkeepd.setup.fit import NEVER, verdict_on, words_of
from innkeepd.setup.registry import model_in_registry
from innkeepd.setup.situation import Situation, fail, failed, look, no_answer
from innkeepd.setup.size import Registry, size_of

UNREACHABLE = 4
BAR = 24
"""Cells of the progress bar."""
REDRAWN_EVERY = 0.1
"""Seconds."""


class Line(Struct, frozen=True):
    """One line of ``/api/pull``: bytes of the layer under way, or an error."""

    status: str = ""
    digest: str = ""
    total: int = 0
    completed: int = 0
    error: str = ""


def main(
    argv: Sequence[str] | None = None,
    world: World | None = None,
    looked: Callable[[World], Situation] = look,
    registry: Registry = model_in_registry,
    reach: Connect = connect,
) -> int:
    """Judge, then pull; the exit status. Ctrl-C stops it, and Ollama goes on from there the next time."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    name = canonical(wanted.model)
    try:
        situation = looked(world)
    except DaemonError as fault:
        return failed(fault)
    if not situation.ollama.reachable:
        return fail(no_answer(situation.ollama.url), UNREACHABLE)
    sized = size_of(name, situation, registry)
    if sized is not None:
        verdict = verdict_on(sized, situation)
        if wanted.json:
            world.say(json.dumps(verdict, ensure_ascii=False))
        else:
            sys.stderr.write(f"{name}: {words_of(verdict)}\n")
        if verdict["fit"] == NEVER and not wanted.force:
            return fail(_("not pulled; --force downloads it all the same"), 1)
    elif not wanted.json:
        sys.stderr.write(_("{name}: its size is not known before it is pulled", name=name) + "\n")
    try:
        anyio.run(_pull, reach(situation.config), name, world.say if wanted.json else None)
    except BackendFault as fault:
        return fail(f"{name}: {fault.message}", 1)
    if not wanted.json:
        world.say(_("pulled {name}", name=name))
    return 0


def parser() -> Parser:
    """The options."""
    root = Parser(
        prog="innkeep pull", description=_("Download a model with Ollama, after telling whether it fits this machine.")
    )
    root.add_argument("model", metavar="MODEL", help=_("a name of Ollama's library, such as qwen3:14b"))
    root.add_argument("--force", action="store_true", help=_("download it even if it never fits"))
    root.add_argument("--json", action="store_true", help=_("print JSON, one object a line"))
    return root


async def _pull(backend: Backend, name: str, say: Callable[[str], None] | None) -> None:
    """Follow ``/api/pull`` to its end. Raises ``BackendFault`` for what Ollama refuses."""
    body = msgspec.json.encode({"model": name, "stream": True})
    bar = None if say else Bar(sys.stderr)
    try:
        async with backend.forward("POST", "/api/pull", body, {"content-type": "application/json"}) as answer:
            async for line in _lines(answer.chunks()):
                progress = decode(line, msgspec.json.Decoder(Line))
                if progress.error:
                    raise BackendFault("backend_error", progress.error)
                if say is not None:
                    say(line.decode(errors="replace"))
                elif bar is not None:
                    bar.show(progress)
    finally:
        if bar is not None:
            bar.clear()
        with anyio.CancelScope(shield=True):
            await backend.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
    if rest.strip():
        yield rest


class Bar:
    """``[########----------------]  33 %  1.5 of 4.6 GiB  48.2 MiB/s  1 min left`` on a terminal.

    Elsewhere each step is one line.
    """

    def __init__(self, err: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._err = err
        self._clock = clock
        self._live = err.isatty() and os.environ.get("TERM") != "dumb"
        self._step = ""
        self._began = (0.0, 0)
        self._drawn_at = 0.0

    def show(self, line: Line) -> None:
        """Draw one line of progress."""
        now, done = self._clock(), count(line.completed)
        step = line.digest or line.status
        if step != self._step:
            self._step, self._began = step, (now, done)
            if not self._live:
                self._err.write(f"{line.status}\n")
        elif self._live and now - self._drawn_at < REDRAWN_EVERY:
            return
        if self._live:
            self._drawn_at = now
            self._err.write(f"\r\x1b[K{self.text(line, now)}")
        self._err.flush()

    def text(self, line: Line, now: float) -> str:
        """The bar of a layer, or the words of a step without bytes."""
        total, done = count(line.total), count(line.completed)
        if total <= 0:
            return line.status
        share = min(1.0, done / total)
        began, before = self._began
        speed = (done - before) / (now - began) if now > began else 0.0
        left = f"  {_left((total - done) / speed)}" if speed > 0 and done < total else ""
        filled = round(share * BAR)
        bar = "#" * filled + "-" * (BAR - filled)
        pace = f"  {gib(int(speed))}/s" if speed > 0 else ""
        return f"[{bar}] {share:4.0%}  {gib(done)} / {gib(total)}{pace}{left}"

    def clear(self) -> None:
        """Wipe it."""
        if self._live:
            self._err.write("\r\x1b[K")
            self._err.flush()


def _left(seconds: float) -> str:
    if seconds < 90:
        return _("{n} s left", n=round(seconds))
    return _("{n} min left", n=round(seconds / 60))
