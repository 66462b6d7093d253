"""What only llama-server does, or does worse: memory that nobody counts, sizes of nothing, runners left behind."""

import os
from pathlib import Path

import psutil
import pytest

from support.ollama import OllamaServer, ollama_binaries

WHY = "there was no llama-server"
pytestmark = pytest.mark.since_0_30(WHY)
CONVERSATIONS = 5
TOKENS = 300
"""Of each conversation: some 19 MiB of longctx, at 64 KiB a token."""


def _grown(ollama):
    """Bytes that longctx's llama-server grows by while it reads several long conversations."""
    ollama.chat("longctx", options={"num_predict": 1, "num_ctx": 4096})
    (runner,) = ollama.runners()
    before = runner.memory_info().rss
    for number in range(CONVERSATIONS):
        ollama.chat("longctx", chr(ord("a") + number) * TOKENS, options={"num_predict": 1, "num_ctx": 4096})
    assert [each.pid for each in ollama.runners()] == [runner.pid]
    return runner.memory_info().rss - before


def test_llama_arg_cache_ram_is_inherited_and_caps_the_growth(start_ollama):
    grown = {limit: _grown(start_ollama(**limit_in(limit))) for limit in (None, "0")}
    conversation = TOKENS * 64 * 2**10
    assert grown[None] > (CONVERSATIONS - 3) * conversation, grown
    assert grown["0"] < 2 * conversation, grown


def limit_in(mebibytes):
    """The environment that caps each llama-server's prompt cache; None: llama.cpp's default, 8 GiB."""
    return {} if mebibytes is None else {"LLAMA_ARG_CACHE_RAM": mebibytes}


def test_sigkill_of_ollama_leaves_its_runner_behind_and_the_daemon_names_it(ollama, ollama_version, start_daemon):
    ollama.load("tiny")
    (left,) = ollama.kill_alone()
    try:
        ollama.start()
        assert left.is_running()
        assert psutil.Process(ollama.pid) not in left.parents()
        assert (ollama.loaded(), ollama.runners()) == (set(), [])
        daemon = start_daemon()
        status = daemon.until(lambda status: any(str(left.pid) in warning for warning in status.warnings))
        assert any("left over" in warning for warning in status.warnings), status.warnings
    finally:
        left.kill()
        psutil.wait_procs([left], timeout=10)


@pytest.fixture
def sizeless(ollama_version: str, ollama_store: Path, tmp_path: Path):
    """An Ollama whose llama-server says that all layers are on a GPU that is not there, as one with RPC does."""
    real = ollama_binaries()[ollama_version]
    libraries = real.parents[1] / "lib" / "ollama"
    if not (libraries / "llama-server").exists():
        pytest.skip(f"{libraries} has no llama-server that a stand-in could be put before")
    binary, stand_in = tmp_path / "bin" / "ollama", tmp_path / "lib" / "ollama" / "llama-server"
    for folder in (binary.parent, stand_in.parent):
        folder.mkdir(parents=True)
    _link(real, binary)
    said = "load_tensors: offloaded 99/99 layers to GPU"
    stand_in.write_text(f'#!/bin/sh\necho "{said}" >&2\nexec "{libraries}/llama-server" "$@"\n')
    stand_in.chmod(0o755)
    with OllamaServer(tmp_path / "home", binary=binary, store=ollama_store) as server:
        yield server


def _link(source: Path, target: Path) -> None:
    """A copy where the cache is on another disk; not a symbolic link, which Ollama would look behind."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())
        target.chmod(0o755)


@pytest.fixture
def ollama(request):
    """The sizeless one where a test asks for it."""
    name = "sizeless" if "sizeless" in request.fixturenames else "start_ollama"
    found = request.getfixturevalue(name)
    return found if name == "sizeless" else found()


def test_a_size_of_0_is_unknown_and_two_heavy_ones_do_not_fit_for_it(sizeless, ollama_version, start_daemon):
    daemon = start_daemon()
    daemon.ask("big")
    (line,) = sizeless.ps()
    assert line["size"] == line["size_vram"], "the stand-in is believed"
    assert daemon.resident()["big"].footprint > 379_000_000
    daemon.ask("big2")
    assert sizeless.loaded() == {"big2"}
    assert sizeless.loads() == daemon.status().counters.loads == 2
