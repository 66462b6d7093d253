"""Every command in the READMEs is run here or listed with where it is run; what they show is what is really printed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest

from innkeepd.config.load import load

ROOT = Path(__file__).parents[1]
ENGLISH, KOREAN = "README.md", "README.ko.md"
LIMIT = 60.0

ELSEWHERE = {
    "make run": "test_make_run_shows_the_main_job_and_ends_well, below, runs what it runs",
    "make test": "this is it",
    "make ollama": "builds for minutes; .ci/run does it",
    'pip install ".[daemon]"': "tests/test_wheel.py installs what is built, in a fresh environment",
    'pip install "innkeep[daemon]"': "nothing is published yet, and the README says so; tests/test_wheel.py until then",
    'pipx install ".[daemon]"': "pip in an environment of its own, as in tests/test_wheel.py",
    "innkeep service install": "changes this machine; tests/daemon/service/test_cli.py has a launchctl of its own",
    "innkeepd run": "tests/flow/test_supervised.py",
    "innkeepd run --simulate": "the daemon of the tests below",
    "innkeep top": "draws a screen; tests/client/cli/test_top.py runs it in tmux",
    "innkeep route": "named in a sentence; run with a prompt in a block",
}
"""Commands that are not run below, and why; a file that is named must be there."""

EXPECTED = {
    "innkeep init": {1},
    "innkeep doctor": {1},
    "innkeep doctor --report": {0, 1},
    "innkeep routing train": {1},
}
"""Exit statuses other than 0.

`init` asks a person, and none is there; a daemon that is no service, on a simulated Ollama, is worth two warnings.
"""


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name, language):
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page(name), re.DOTALL | re.MULTILINE)


def commands(block):
    """The commands of a block of sh, without comments."""
    stripped = (re.sub(r"(^|\s+)# .*", "", line).strip() for line in block.splitlines())
    return [line for line in stripped if line]


def mentioned(name):
    """Commands that stand in a sentence, or in another command's comment."""
    prose = re.sub(r"^```\w+\n.*?^```$", "", page(name), flags=re.DOTALL | re.MULTILINE)
    comments = "\n".join(re.findall(r"# .*", "\n".join(blocks(name, "sh"))))
    inline = re.findall(r"`((?:innkeepd?|make|pipx?|ollama|git|nc) [^`]+)`", prose + comments)
    return {*inline, *re.findall(r"pip install \"[^\"]+\"", comments)} - {"nc -N -U"}


def runnable():
    return [
        [one for one in commands(block) if one not in ELSEWHERE]
        for block in blocks(ENGLISH, "sh")
        if any(one not in ELSEWHERE for one in commands(block))
    ]


@pytest.fixture(scope="module")
def home():
    """A home folder; short, because a socket's path has at most 103 bytes."""
    with tempfile.TemporaryDirectory(prefix="ik-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def env(home):
    """The environment of somebody who has just installed innkeep, with a daemon that is up."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (home / ".innkeep").mkdir(mode=0o700)
    (home / ".innkeep" / "config.toml").write_text(f"[http]\nport = {port}\n")
    env = surroundings(home) | {"INNKEEP_HOME": str(home / ".innkeep"), "PORT": str(port)}
    command = [sys.executable, "-m", "innkeepd.main", "run", "--simulate", "--speed", "50"]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            up = "until innkeep ping; do kill -0 $0 || exit 1; sleep 0.1; done; innkeep ask hello"
            subprocess.run(["sh", "-c", up, str(process.pid)], env=env, capture_output=True, timeout=LIMIT, check=True)
            yield env
            stopped = subprocess.run(["innkeep", "shutdown"], env=env, capture_output=True, text=True, check=False)
            assert (stopped.returncode, stopped.stderr) == (0, "")
            assert process.wait(LIMIT) == 0
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def surroundings(home):
    """This environment without what would lead to a real daemon or Ollama."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("INNKEEP", "OLLAMA"))}
    return inherited | {
        "HOME": str(home),
        "OLLAMA_HOST": "127.0.0.1:9",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT / "daemon")]),
    }


@pytest.fixture(scope="module")
def workplace(env, tmp_path_factory):
    """A folder under git with a change in it: what `git diff` is shown on."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "mean.py").write_text("def mean(xs):\n    return sum(xs) / len(x)\n")
    if shutil.which("git"):
        for words in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *words], cwd=folder, env=env, check=True)
    (folder / "mean.py").write_text("def mean(xs):\n    return sum(xs) / len(xs)\n")
    return folder


def run(line, env, folder):
    """One command as a person types it; what it printed."""
    for program in ("nc", "git", "curl"):
        if re.search(rf"(^|\| ){program} ", line) and not shutil.which(program):
            return ""
    if "nc -U" in line and sys.platform != "darwin":
        line = line.replace("nc -U", "nc -N -U")  # as the sentence above it says
    typed = line.replace("11435", env["PORT"])
    said = "and why?\n" if line == "innkeep chat" else ""
    ran = subprocess.run(
        ["sh", "-c", typed], cwd=folder, env=env, input=said, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert ran.returncode in EXPECTED.get(line, {0}), f"{typed}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    assert "Traceback" not in ran.stderr
    return ran.stdout


@pytest.mark.parametrize("lines", runnable(), ids=lambda lines: lines[0][:40])
def test_a_block_of_commands_works_as_it_stands(lines, env, workplace):
    for line in lines:
        out = run(line, env, workplace)
        if line.startswith(("curl", "printf")):
            replies = [json.loads(each) for each in out.splitlines()]
            assert not [reply for reply in replies if "error" in reply or reply.get("type") == "error"]


def test_what_is_mentioned_in_passing_works_too(env, workplace):
    for line in sorted(mentioned(ENGLISH) - set(ELSEWHERE)):
        run(line, env, workplace)


def test_the_python_of_the_readme_runs(env):
    for block in blocks(ENGLISH, "python"):
        ran = subprocess.run([sys.executable, "-c", block], env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "simulated" in ran.stdout


def test_the_javascript_of_the_readme_runs(env, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("no node here")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "innkeep-client").symlink_to(ROOT / "clients" / "typescript")
    for block in blocks(ENGLISH, "js"):
        (tmp_path / "ask.mjs").write_text(block)
        ran = subprocess.run(["node", "ask.mjs"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert "simulated" in ran.stdout


def test_what_is_not_run_here_is_run_where_the_list_says():
    asked = {one for block in blocks(ENGLISH, "sh") for one in commands(block)} | mentioned(ENGLISH)
    assert set(ELSEWHERE) <= asked, "the list names commands that the README no longer has"
    for reason in ELSEWHERE.values():
        for named in re.findall(r"[\w./]+\.py|\.ci/run", reason):
            assert (ROOT / named).exists(), named


def test_both_readmes_have_the_same_commands_and_programs():
    assert [commands(block) for block in blocks(ENGLISH, "sh")] == [commands(block) for block in blocks(KOREAN, "sh")]
    assert mentioned(ENGLISH) == mentioned(KOREAN)
    for language in ("python", "js"):
        assert blocks(ENGLISH, language) == blocks(KOREAN, language)
    assert len(re.findall(r"^## ", page(ENGLISH), re.MULTILINE)) == len(re.findall(r"^## ", page(KOREAN), re.MULTILINE))


@pytest.mark.parametrize("name", [ENGLISH, KOREAN])
def test_every_configuration_shown_is_accepted(name, tmp_path):
    for block in blocks(name, "toml"):
        file = tmp_path / "config.toml"
        file.write_text(block, encoding="utf-8")
        assert load(file, {}).sources


@pytest.mark.parametrize("name", [ENGLISH, KOREAN])
def test_every_json_shown_is_json(name):
    shown = re.findall(r"(?:-d|printf) '(\{.*?\})(?:\\n)?'", page(name)) + blocks(name, "json")
    assert shown
    for text in shown:
        assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "name", [path.relative_to(ROOT).as_posix() for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])]
)
def test_every_link_leads_to_a_file(name):
    bare = re.sub(r"^```.*?^```", "", page(name), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", bare):
        path, _, heading = target.partition("#")
        if "://" in target:
            continue
        found = (ROOT / name).parent / unquote(path) if path else ROOT / name
        assert found.exists(), target
        if heading and found.suffix == ".md":
            assert heading in anchors(found), target


def anchors(path):
    """The headings of a page, as GitHub calls them in links."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.fixture(scope="module")
def shown(home):
    """What `make run` prints where no Ollama answers and nobody watches."""
    demo = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    ran = subprocess.run(
        demo, env=surroundings(home) | {"INNKEEP_DEMO_SPEED": "50", "TMPDIR": str(home)},
        capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_make_run_shows_the_main_job_and_ends_well(shown, home):
    assert "SIMULATED" in shown.splitlines()[1]
    assert re.search(r"loading deepseek-r1:32b  \d+ s.* \(qwen2.5-coder:32b is unloading\)", shown)
    assert "[info" not in shown, "the daemon's log stays out of the answers"
    assert re.findall(r"\S+(?= has the request$)", shown, re.MULTILINE) == [
        "qwen2.5-coder:32b",
        "deepseek-r1:32b",
        "llama3.1:8b",
    ]
    assert len(re.findall(r"^\(\S+, \w+; \d+ tokens, ", shown, re.MULTILINE)) == 3
    assert len(re.findall(r"A simulated answer|시뮬레이션 응답", shown)) == 3
    assert "never_fits" in shown
    assert not list(home.glob("innkeep-*"))


@pytest.mark.parametrize("name", [ENGLISH, KOREAN])
def test_the_transcript_is_what_make_run_prints(name, shown):
    printed = {shape(line) for line in shown.splitlines()}
    for block in blocks(name, "text"):
        for line in filter(None, block.splitlines()):
            begin, cut, _ = line.partition("...")
            if cut:
                assert any(one.startswith(shape(begin)) for one in printed), line
            else:
                assert shape(line) in printed, line


def shape(line):
    """A line without what differs from run to run: figures and widths."""
    return re.sub(r"\d+(\.\d+)?", "N", " ".join(line.split()))
