"""Other programs ask Ollama directly, and daemons die: what stands in memory is seen, adopted, and brought to order."""

from concurrent.futures import ThreadPoolExecutor

from support.live import options


def names(status):
    return {each.name.removesuffix(":latest"): each for each in status.resident}


def test_a_foreign_load_is_seen_and_brought_to_order(ollama, daemon):
    daemon.ask("big")
    assert daemon.resident()["big"].owned
    ollama.load("big2")
    assert ollama.loaded() == {"big", "big2"}  # left to itself Ollama keeps both
    daemon.ask("mid")
    status = daemon.until(lambda status: len({"big", "big2"} & set(names(status))) == 1 and not status.changing)
    assert status.counters.foreign_loads == 1
    # The latest wish of the user's is the other program's: what nobody has used for longer went.
    assert not names(status)["big2"].owned
    assert ollama.loaded() <= {"big2", "mid"}
    assert daemon.ask("big").done.model == "big:latest"
    assert "big2" not in ollama.loaded()


def test_a_foreign_answer_is_not_cut_by_the_order_of_the_house(ollama, daemon):
    daemon.ask("big")
    body = {
        "model": "big2",
        "messages": [{"role": "user", "content": "hello"}],
        "options": {"num_predict": 20, "num_ctx": 4096},
    }
    lines = ollama.stream("/api/chat", body)
    assert next(lines)["done"] is False
    with ThreadPoolExecutor(1) as pool:
        # The house wants its one heavy place for big; the other program reads on meanwhile.
        asked = pool.submit(daemon.ask, "big")
        rest = list(lines)
        assert asked.result(60).done.model == "big:latest"
    assert (rest[-1]["done"], rest[-1]["done_reason"], rest[-1]["eval_count"]) == (True, "length", 20)
    daemon.until(lambda status: status.counters.foreign_loads == 1)  # seen at the next look, 2 s later at most
    daemon.until(lambda status: not {"big", "big2"} <= set(names(status)) and not status.changing)


def test_a_new_daemon_adopts_what_the_killed_one_left(ollama, daemon):
    daemon.ask("big")
    daemon.ask("mid")
    with daemon.client() as client:
        client.pin("mid")
        before = client.history().records
    runners = {runner.pid for runner in ollama.runners()}
    ends = {line["name"]: line["expires_at"] for line in ollama.ps()}
    daemon.kill()
    daemon.start()
    status = daemon.until(lambda status: len(status.resident) == 2)
    assert set(names(status)) == {"big", "mid"}
    assert names(status)["mid"].pinned
    # No runner went, none came, and nobody moved the end of a stay: that is what a second load would have done.
    assert {runner.pid for runner in ollama.runners()} == runners
    assert {line["name"]: line["expires_at"] for line in ollama.ps()} == ends
    assert daemon.ask("big").done.model == "big:latest"
    assert {runner.pid for runner in ollama.runners()} == runners
    assert (daemon.status().counters.loads, daemon.status().counters.unloads) == (0, 0)
    with daemon.client() as client:
        after = client.history().records
    assert [record.id for record in after[1:]] == [record.id for record in before]
    assert len(before) == 2


def test_an_answer_of_a_killed_daemon_leaves_no_half_way_model(ollama, daemon):
    client = daemon.client()
    answer = client.chat("hello", model="big", options=options(1000))
    next(iter(answer))
    daemon.kill()
    client.close()
    daemon.start()
    assert daemon.ask("big2").done.model == "big2:latest"
    assert ollama.loaded() == {"big2"}
