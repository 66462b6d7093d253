import json

from innkeep import wire


def a_load(ask):
    yield wire.Loading(id=0, model=ask.model, unloading=["deepseek-r1:32b"], elapsed=1.0, expected=12.0)
    yield wire.Loaded(id=0, model=ask.model, took=11.8)


def test_load_tells_the_swap_on_a_terminal_and_then_the_end(daemon, innkeep):
    daemon.script[wire.Load] = a_load
    ended = innkeep("load", "ollama/qwen2.5-coder:32b", tty=True)
    assert ended.out == "loaded qwen2.5-coder:32b (12 s)\n"
    assert "loading qwen2.5-coder:32b  1 s of ~12 s (deepseek-r1:32b is unloading)" in ended.err
    assert ended.err.endswith("\r\x1b[J")


def test_load_in_a_pipe_is_silent_about_progress(daemon, innkeep):
    daemon.script[wire.Load] = a_load
    assert innkeep("load", "qwen2.5-coder:32b").err == ""


def test_load_as_json_is_one_reply_a_line(daemon, innkeep):
    daemon.script[wire.Load] = a_load
    kinds = [json.loads(line)["type"] for line in innkeep("load", "m", "--json").out.splitlines()]
    assert kinds == ["loading", "loaded"]


def test_a_refused_load_ends_with_one(daemon, innkeep):
    refusal = wire.Error(id=0, code="never_fits", message="43.0 GiB of 27.0 GiB; take llama3.1:8b")
    daemon.script[wire.Load] = lambda _: [refusal]
    ended = innkeep("load", "llama3.3:latest")
    assert (ended.status, ended.err) == (1, "innkeep: 43.0 GiB of 27.0 GiB; take llama3.1:8b\n")
