import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from innkeepd.machine import runners
from innkeepd.machine.runners import ProcessRunners, Runner, is_runner, pss, resident_bytes, weighing

BLOB = "sha256-" + "a" * 64
SERVER = ["llama-server", "--model", f"/home/x/.ollama/models/blobs/{BLOB}", "--port", "5"]


class Process:
    """One process as psutil shows it; ``hides`` are the questions that may not be asked."""

    def __init__(self, pid, name, words, parent=1, *, port=None, environ=None, hides=()):
        self.pid = pid
        self._told = {
            "name": name,
            "cmdline": words,
            "ppid": parent,
            "environ": environ or {},
            "net_connections": [SimpleNamespace(status=psutil.CONN_LISTEN, laddr=SimpleNamespace(port=port))],
        }
        self._hides = hides

    def _tell(self, what):
        if what in self._hides:
            raise psutil.AccessDenied(self.pid)
        return self._told[what]

    def name(self):
        return self._tell("name")

    def cmdline(self):
        return self._tell("cmdline")

    def ppid(self):
        return self._tell("ppid")

    def environ(self):
        return self._tell("environ")

    def net_connections(self, _kind):
        return self._tell("net_connections")


def seen(*processes, weigh=lambda pid: (pid * 10, pid)):
    return ProcessRunners("http://127.0.0.1:11434", processes=lambda: processes, weigh=weigh).look_now()


OLLAMA = Process(10, "ollama", ["ollama", "serve"], port=11434, environ={"OLLAMA_MAX_LOADED_MODELS": "2"})


def test_the_listeners_children_are_its_runners_matched_by_the_blob():
    old = Process(12, "ollama", ["ollama", "runner", "--model", f"/x/{BLOB}"], parent=10)
    mlx = Process(13, "ollama", ["ollama", "runner", "--mlx-engine"], parent=10)
    found = seen(OLLAMA, Process(11, "llama-server", SERVER, parent=10), old, mlx, Process(14, "bash", ["bash"]))
    assert found.running == (
        Runner(11, "llama-server", BLOB, 110, 11),
        Runner(12, "ollama", BLOB, 120, 12),
        Runner(13, "ollama", None, 130, 13),
    )
    assert (found.orphans, found.server, found.most_loaded) == ((), 10, 2)


def test_a_runner_whose_ollama_is_gone_is_an_orphan_and_one_of_another_ollama_is_nobodys_business():
    other = Process(20, "ollama", ["ollama", "serve"], port=11500)
    mine = Process(22, "llama-server", ["llama-server", "--model", "/home/x/my.gguf"])
    found = seen(
        OLLAMA, other, Process(11, "llama-server", SERVER), Process(21, "llama-server", SERVER, parent=20), mine
    )
    assert [runner.pid for runner in found.orphans] == [11]
    assert found.running == ()


def test_without_a_listener_everything_without_a_parent_is_an_orphan():
    found = seen(Process(11, "llama-server", SERVER, hides={"ppid"}))
    assert ([runner.pid for runner in found.orphans], found.server, found.most_loaded) == ([11], None, None)


@pytest.mark.parametrize("hides", ["name", "cmdline"])
def test_a_process_that_may_not_be_looked_at_is_left_out(hides):
    assert seen(OLLAMA, Process(11, "llama-server", SERVER, parent=10, hides={hides})).running == ()


def test_a_server_whose_ports_or_variables_are_hidden_is_told_without_them():
    hidden = Process(10, "ollama", ["ollama", "serve"], port=11434, hides={"environ"})
    assert seen(hidden).most_loaded is None
    assert seen(Process(10, "ollama", ["ollama", "serve"], hides={"net_connections"})).server is None
    assert seen(Process(10, "ollama", ["ollama", "list"], port=11434)).server is None


@pytest.mark.parametrize("said", ["", "0", "many", "-1"])
def test_a_number_of_models_that_is_none_is_not_told(said):
    server = Process(10, "ollama", ["ollama", "serve"], port=11434, environ={"OLLAMA_MAX_LOADED_MODELS": said})
    assert seen(server).most_loaded is None


@pytest.mark.parametrize(("said", "slots"), [({"OLLAMA_NUM_PARALLEL": "4"}, 4), ({"OLLAMA_NUM_PARALLEL": "0"}, 1)])
def test_the_requests_that_ollama_answers_at_once_are_read_from_its_environment(said, slots):
    server = Process(10, "ollama", ["ollama", "serve"], port=11434, environ=said)
    assert seen(server).parallel == slots
    assert seen(OLLAMA).parallel == 1, "it is one where nothing else is said"


def test_an_environment_that_is_hidden_or_empty_says_nothing_of_them():
    assert seen(Process(10, "ollama", ["ollama", "serve"], port=11434, hides={"environ"})).parallel is None
    assert seen(Process(10, "ollama", ["ollama", "serve"], port=11434, environ={})).parallel is None
    assert seen().parallel is None


def test_a_process_that_cannot_be_weighed_is_known_all_the_same():
    found = seen(OLLAMA, Process(11, "llama-server", SERVER, parent=10), weigh=lambda _pid: None)
    assert found.running == (Runner(11, "llama-server", BLOB),)


def test_a_llama_server_is_a_runner_only_with_a_blob_of_ollamas():
    assert is_runner("llama-server", SERVER)
    assert not is_runner("llama-server", ["llama-server", "-m", "x.gguf"])
    assert not is_runner("ollama", ["ollama", "serve", "runner"])


@pytest.mark.anyio
async def test_this_machines_processes_can_be_looked_at():
    door = ProcessRunners("http://127.0.0.1:1")
    assert (await door.look()).server is None
    assert door.is_alive(os.getpid())


def test_a_process_that_ended_is_not_alive_though_nobody_has_fetched_it():
    door = ProcessRunners("http://127.0.0.1:1")
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        child.stdout.read()
        psutil.Process(child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not door.is_alive(child.pid)
    assert not door.is_alive(child.pid)


def test_pss_is_told_with_what_is_swapped_and_its_anonymous_part(tmp_path):
    (tmp_path / "7").mkdir()
    rollup = tmp_path / "7" / "smaps_rollup"
    rollup.write_text(
        "55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss: 900 kB\nPss:  800 kB\nPss_Dirty: 1 kB\n"
        "Pss_Anon:  500 kB\nPss_File:  200 kB\nPss_Shmem: 100 kB\nPrivate_Dirty: 450 kB\nSwapPss: 50 kB\n"
    )
    assert pss(7, tmp_path) == (850 * 1024, 650 * 1024)
    rollup.write_text("Pss: 800 kB\nPrivate_Dirty: 450 kB\n")
    assert pss(7, tmp_path) == (800 * 1024, 450 * 1024)
    rollup.write_text("")
    assert pss(7, tmp_path) is None
    assert pss(8, tmp_path) is None


def test_where_nothing_better_is_told_resident_bytes_count(monkeypatch):
    total, private = resident_bytes(os.getpid())
    assert total == private > 2**20
    assert resident_bytes(2**30) is None
    assert (weighing("linux"), weighing("freebsd")) == (pss, resident_bytes)
    monkeypatch.setattr(runners, "Kernel", lambda: SimpleNamespace(footprint={1: 5}.get))
    assert (weighing("darwin")(1), weighing("darwin")(2)) == ((5, 5), None)


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has libSystem")
def test_a_mac_whose_kernel_cannot_be_asked_counts_resident_bytes():
    assert weighing("darwin") is resident_bytes
