import io
import sys

import pytest

from innkeepd.service.facts import Finding
from innkeepd.service.fixes import commands_of, fix, is_safe, run_here
from support.setup import world


def advice(mend, level="warning"):
    return Finding("it", level, "saw", "why", mend)


@pytest.mark.parametrize(
    ("mend", "commands"),
    [
        ("chmod 600 /a/b.sock", [["chmod", "600", "/a/b.sock"]]),
        ("`innkeep service install`, or `innkeepd run`", [["innkeep", "service", "install"]]),
        (
            "innkeep models set a:1 --role coding && innkeep models set b:1 --role general",
            [f"innkeep models set {word}".split() for word in ("a:1 --role coding", "b:1 --role general")],
        ),
        ("innkeep init", [["innkeep", "init"]]),
        ("ollama pull llama3.1:8b", []),
        ("kill 77", []),
        ("innkeep init; rm -rf /", []),
        ("chmod 777 /a", []),
        ("fix that line, then `innkeep config check`", []),
        ("it's a 'quote", []),
    ],
)  # fmt: skip
def test_only_what_deletes_and_downloads_nothing_is_run(mend, commands):
    assert commands_of(advice(mend)) == commands


def test_a_second_command_hidden_in_a_word_is_not_safe():
    assert not is_safe(["innkeep", "init", "$(rm x)"])


@pytest.fixture
def ran(monkeypatch):
    ran = []
    monkeypatch.setattr("innkeepd.service.fixes.run_here", lambda command: ran.append(command) or 0)
    return ran


def test_each_is_asked_and_a_no_is_obeyed(ran):
    asked, answers = [], iter(["n", ""])
    findings = [advice("innkeep init", "ok"), advice("chmod 700 /x"), advice("kill 1"), advice("innkeep init")]
    assert fix(findings, world([]), lambda question: asked.append(question) or next(answers))
    assert asked == ["it: run `chmod 700 /x`? [Y/n] ", "it: run `innkeep init`? [Y/n] "]
    assert ran == [["innkeep", "init"]]


def test_without_a_terminal_nothing_is_run(ran, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    said = []
    assert not fix([advice("innkeep init")], world(said))
    assert (ran, said) == ([], ["--fix asks before each command, and there is no terminal to ask at"])


def test_ctrl_d_ends_the_questions(ran):
    def leave(_question):
        raise EOFError

    assert not fix([advice("innkeep init")], world([]), leave)
    assert ran == []


@pytest.mark.processes
def test_a_command_that_cannot_be_started_is_status_1():
    assert run_here(["true"]) == 0
    assert run_here(["no-such-program-anywhere"]) == 1
