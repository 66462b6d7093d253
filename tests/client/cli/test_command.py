import subprocess
import sys

import pytest

from innkeep import wire
from innkeep.cli import command
from innkeep.cli.outcome import PIPE_CLOSED
from innkeep.cli.terminal import Terminal
from support.cli_daemon import Stream, a_status, an_answer


def test_options_may_stand_before_the_verb_or_behind_it(daemon, innkeep):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    before, behind = innkeep("--json", "status"), innkeep("status", "--json")
    assert before == behind
    assert before.out.startswith('{"type":"status"')


def test_an_absent_daemon_is_status_three_and_says_how_to_start_it(innkeep, tmp_path):
    ended = innkeep("--socket", str(tmp_path / "no.sock"), "status")
    assert (ended.status, ended.out, ended.err.count("\n")) == (3, "", 1)
    assert all(
        f"`{way}`" in ended.err for way in ("innkeep service install", "innkeepd run", "innkeepd run --simulate")
    )


def test_an_error_under_json_is_an_object_too(innkeep, tmp_path):
    ended = innkeep("--socket", str(tmp_path / "no.sock"), "status", "--json")
    assert ended.out.startswith('{"type":"error","id":null,"code":"connection_failed"')


def test_help_and_version_need_no_verb(innkeep):
    assert innkeep("--help").out.startswith("usage: innkeep")
    assert innkeep("-h").status == 0
    assert innkeep("--version").out.startswith("innkeep ")


def test_help_of_a_verb_by_either_name(innkeep, capsys):
    assert innkeep("help", "ask").status == 0
    by_name = capsys.readouterr().out
    assert innkeep("ask", "--help").status == 0
    assert by_name == capsys.readouterr().out
    assert innkeep("help").out.startswith("usage: innkeep")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "usage: innkeep"),
        (("--json",), "innkeep: no command given; see `innkeep --help`"),
        (("statuss",), "innkeep: no command 'statuss'; did you mean `innkeep status`?"),
        (("zzz",), "innkeep: no command 'zzz'; see `innkeep --help`"),
    ],
)
def test_without_a_verb_that_exists_the_status_is_two(innkeep, words, told):
    ended = innkeep(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(told)


def test_ctrl_c_is_status_130(daemon, innkeep, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("innkeep.cli.status.open_client", interrupted)
    assert innkeep("status") == (130, "", "")


def test_a_reader_that_goes_away_is_no_error_to_talk_about(monkeypatch):
    class Closed(Stream):
        def write(self, text):
            raise BrokenPipeError

    err = Stream(tty=False)
    assert command.run(["--version"], Terminal(Closed(tty=False), err, {})) == PIPE_CLOSED
    assert err.getvalue() == ""


def test_a_closed_pipe_is_silent_in_a_real_process():
    code = "import sys; from innkeep.cli import main; sys.exit(main())"
    script = f"{sys.executable} -c '{code}' --help | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert ended.stdout.strip() in ("0", str(PIPE_CLOSED))


def test_the_status_verb_imports_no_other_verb_and_nothing_heavy():
    script = """
import sys
before = set(sys.modules)  # what a coverage run has brought
from innkeep.cli import main
main(["--socket", "/nonexistent/innkeepd.sock", "status"])
heavy = {"anyio", "httpx", "psutil", "structlog", "rich", "asyncio", "innkeepd"}
heavy |= {"dataclasses", "shutil", "subprocess"}
verbs = {"innkeep.cli.ask", "innkeep.cli.chat", "innkeep.cli.render", "innkeep.cli.delegate"}
print(sorted((heavy | verbs) & (set(sys.modules) - before)))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_locale_without_korean_prints_question_marks_instead_of_failing():
    script = "from innkeep.cli.command import run; import sys; run(['zzz']); print('하늘')"
    environ = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    assert ended.stdout == "??\n"


@pytest.mark.parametrize(
    ("words", "begins"), [(("ps", "--json"), '{"type":"status"'), (("version",), "innkeep "), (("-V",), "innkeep ")]
)
def test_what_other_tools_call_it_works_too(daemon, innkeep, words, begins):
    daemon.script[wire.StatusAsk] = lambda _: [a_status()]
    assert innkeep(*words).out.startswith(begins)


def test_run_asks_a_model_with_a_text_and_else_talks_to_it(daemon, innkeep):
    daemon.script[wire.Chat] = an_answer("ok")
    assert innkeep("run", "tiny", "hello", "there").out == "ok\n"
    asked = daemon.last(wire.Chat)
    assert (asked.model, asked.messages[0].content) == ("tiny", "hello there")
    assert command._model_first(["tiny"]) == ("chat", ["-m", "tiny"])
    assert innkeep("run").err == "innkeep: run needs a model: innkeep run MODEL [TEXT]\n"


def test_stop_unloads(daemon, innkeep):
    daemon.script[wire.Unload] = lambda ask: [wire.Unloaded(id=0, model=ask.model, took=1.0)]
    assert innkeep("stop", "tiny").out == "unloaded tiny (1.0 s)\n"
