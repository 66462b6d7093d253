"""The command, end to end: a process that asks a daemon that asks the real Ollama."""

import json


def test_a_person_asks_looks_and_is_told_why(ollama, daemon):
    asked = daemon.command("ask", "--model", "mid", "--json", "who are you")
    assert asked.returncode == 0, asked.stderr
    reported = json.loads(asked.stdout.splitlines()[-1])
    assert reported["model"] == "mid:latest"

    piped = daemon.command("ask", "--role", "coding", "--model", "tiny", text="what is this?\n")
    assert (piped.returncode, len(piped.stdout.strip()) > 0) == (0, True), piped.stderr

    status = daemon.command("status")
    assert status.returncode == 0, status.stderr
    assert "mid" in status.stdout
    assert ollama.url in status.stdout
    resident = json.loads(daemon.command("status", "--json").stdout)["resident"]
    assert {line["name"].removesuffix(":latest") for line in resident} == ollama.loaded() == {"mid", "tiny"}

    records = {record["model"]: record for record in _history(daemon)}
    assert set(records) == {"tiny:latest", "mid:latest"}
    explained = daemon.command("explain", records["mid:latest"]["id"])
    assert explained.returncode == 0, explained.stderr
    assert "mid" in explained.stdout
    assert "who are you" not in explained.stdout + daemon.last_words()  # what was asked is nobody else's business


def test_a_conversation_in_the_terminal(daemon):
    talked = daemon.command("chat", "--model", "tiny", text="hello\nand again\n")
    assert talked.returncode == 0, talked.stderr
    records = _history(daemon)
    assert [(record["model"], record["outcome"]) for record in records] == [("tiny:latest", "answered")] * 2
    assert records[0]["session"] == records[1]["session"] is not None


def test_failures_have_an_exit_status_and_one_line(ollama, daemon):
    unknown = daemon.command("ask", "--model", "nobody", "hello")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "`ollama pull nobody`" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    ollama.stop()
    away = daemon.command("ask", "--model", "mid", "hello")
    assert away.returncode == 4
    assert "`ollama serve`" in away.stderr
    assert len(away.stderr.strip().splitlines()) == 1
    daemon.stop()
    assert daemon.command("status").returncode == 3


def test_the_user_takes_the_memory_back_and_gives_it_again(ollama, daemon):
    assert daemon.command("load", "mid").returncode == 0
    assert ollama.loaded() == {"mid"}
    assert daemon.command("unload", "mid").returncode == 0
    assert ollama.loaded() == set()
    assert daemon.command("hold", "10m").returncode == 0
    assert daemon.command("ask", "--patience", "0.2", "--model", "mid", "hello").returncode == 4
    assert daemon.command("resume").returncode == 0
    assert daemon.command("ask", "--model", "tiny", "hello").returncode == 0


def _history(daemon):
    reported = daemon.command("history", "--json")
    assert reported.returncode == 0, reported.stderr
    return [json.loads(line) for line in reported.stdout.splitlines()]
