"""A real Prometheus reads ``/metrics`` and the rules in ``packaging/``."""

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from support.innkeepd import Daemon, free_port

pytest.importorskip("prometheus_client", reason="needs prometheus-client: make install")

PACKAGING = Path(__file__).parents[4] / "packaging"
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (apt-get install prometheus)")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (apt-get install prometheus)")
PAUSE = threading.Event()


@pytest.fixture(scope="module")
def daemon():
    with Daemon(speed=500.0) as one:
        for model in ("qwen2.5-coder:32b", "deepseek-r1:32b", "invented"):
            body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": False}
            one.ask("POST", "/api/chat", body)
        yield one


@needs_promtool
def test_promtool_finds_nothing_to_complain_about_in_the_metrics(daemon):
    status, body = daemon.ask("GET", "/metrics")
    assert status == 200
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@needs_promtool
def test_promtool_accepts_the_rules_and_the_configuration():
    folder = PACKAGING / "prometheus"
    for command in (["check", "rules", folder / "innkeep.rules.yml"], ["check", "config", folder / "prometheus.yml"]):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_rules_and_the_dashboard_name_metrics_that_exist(daemon):
    exposed = set(re.findall(rb"^# TYPE (\w+) ", daemon.ask("GET", "/metrics")[1], re.MULTILINE))
    said = (PACKAGING / "prometheus" / "innkeep.rules.yml").read_text()
    dashboard = json.loads((PACKAGING / "grafana" / "innkeep.json").read_text())
    said += " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    named = set(re.findall(r"\binnkeep_\w+", said))
    assert named
    assert {re.sub(r"_bucket$", "", name) for name in named} - {name.decode() for name in exposed} == set()


@needs_prometheus
def test_a_real_prometheus_scrapes_the_daemon(daemon, tmp_path):
    port = free_port()
    config = (PACKAGING / "prometheus" / "prometheus.yml").read_text()
    config = config.replace("127.0.0.1:11435", f"127.0.0.1:{daemon.port}").replace("15s", "1s")
    (tmp_path / "prometheus.yml").write_text(config)
    shutil.copy(PACKAGING / "prometheus" / "innkeep.rules.yml", tmp_path)
    command = [PROMETHEUS, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "said").open("wb") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            found = _until(lambda: _query(port, 'innkeep_swaps_total{job="innkeep"}'), tmp_path / "said")
            assert [float(one["value"][1]) for one in found] == [1.0]
            assert _query(port, 'up{job="innkeep"}')[0]["value"][1] == "1"
            answered = _query(port, 'sum(innkeep_requests_total{outcome="answered"})')
            assert float(answered[0]["value"][1]) == 2.0
        finally:
            process.terminate()


def _query(port, expression):
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=5) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


def _until(look, said):
    deadline = time.monotonic() + 30.0
    while not (found := look()):
        assert time.monotonic() < deadline, said.read_text()[-2000:]
        PAUSE.wait(0.2)
    return found
