"""Every example is run as a person would run it, against a real daemon process with a simulated Ollama."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LIMIT = 60.0
QUESTION = 'Why is "a\\b" two 글자?'


@pytest.fixture(scope="module")
def daemon():
    """The environment in which the examples find a daemon of their own."""
    with tempfile.TemporaryDirectory(prefix="ik-") as home:  # short: a socket's path has at most 103 bytes
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        Path(home, "config.toml").write_text(f"[http]\nport = {port}\n")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("INNKEEP", "OLLAMA"))}
        env = inherited | {
            "INNKEEP_HOME": home,
            "INNKEEP_HTTP": f"http://127.0.0.1:{port}",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")]),
        }
        command = [sys.executable, "-m", "innkeepd.main", "run", "--simulate", "--speed", "50"]
        said = Path(home, "said")
        with said.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as process:
            try:
                wait_until_it_listens(process, Path(home, "innkeepd.sock"), said)
                yield env
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT)
        assert process.returncode == 0


def wait_until_it_listens(process, path, said):
    """Look every 50 ms, and fail at once where the daemon has ended instead."""
    for _ in range(int(LIMIT / 0.05)):
        with socket.socket(socket.AF_UNIX) as trial, suppress(OSError):
            trial.connect(str(path))
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    pytest.fail("the daemon did not start: " + said.read_text())


def run(env, *command):
    """Run an example; its standard output and error."""
    ran = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT / "examples", env=env, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, ran.stderr


def needs(program):
    """The path of a program; skips where there is none."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} here")
    return found


def node():
    """Node 20 or later; skips where there is none."""
    found = needs("node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.match(r"v(\d+)", version)[1]) < 20:
        pytest.skip(f"node is {version}, the client needs 20")
    return found


def _help(nc):
    return subprocess.run([nc, "-h"], capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("flags", [(), ("--async",)])
def test_python_asks_and_is_told_where_it_goes(daemon, flags):
    out, err = run(daemon, sys.executable, "ask.py", *flags, QUESTION)
    assert re.search("simulat|시뮬", out)
    assert re.match(r"reasoning: deepseek-r1:32b \(.+\)\n", err)


def test_a_shell_asks_with_nothing_but_nc(daemon):
    nc = needs("nc")
    if sys.platform != "darwin" and "-N" not in _help(nc):
        pytest.skip("this nc can't close its sending side (-N)")
    out, _ = run(daemon, "sh", "ask.sh", QUESTION)
    replies = [json.loads(line) for line in out.splitlines()]
    assert replies[0]["type"] == "routed"
    assert replies[-1]["type"] == "done"
    assert "".join(reply.get("text") or "" for reply in replies if reply["type"] == "delta")


def test_node_asks_with_the_client_of_this_repository(daemon):
    out, err = run(daemon, node(), "ask.mjs", QUESTION)
    assert re.search("simulat|시뮬", out)
    assert re.match(r"reasoning: deepseek-r1:32b \(.+\)\n", err)


def test_node_without_a_daemon_says_one_clear_line(daemon):
    ran = subprocess.run(
        [node(), ROOT / "examples" / "ask.mjs"],
        env=daemon | {"INNKEEP_SOCKET": "/nonexistent/d.sock"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert re.fullmatch(r"connection_failed: innkeepd is not running at /nonexistent/d.sock: .+\n", ran.stderr)


@pytest.mark.skipif(find_spec("innkeepd.server.http") is None, reason="this tree has no HTTP port yet")
def test_curl_asks_the_http_port_in_both_apis(daemon):
    needs("curl")
    out, _ = run(daemon, "sh", "curl.sh", QUESTION)
    *streamed, whole = out.splitlines()
    assert json.loads(streamed[-1])["done"]
    assert json.loads(whole)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("folder", ["clients/typescript", "examples/openclaw-telmeet"])
def test_what_is_written_for_node_passes_its_own_tests(folder):
    files = sorted((ROOT / folder / "test").glob("*.test.js"))
    ran = subprocess.run([node(), "--test", *files], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert ran.returncode == 0, ran.stdout
