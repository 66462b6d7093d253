import json


def test_ping_tells_who_answers(daemon, innkeep):
    ended = innkeep("ping")
    assert ended.status == 0
    assert ended.out.startswith("innkeepd 0.1.0 (pid 4711) answers in ")


def test_ping_as_json_has_the_seconds(daemon, innkeep):
    told = json.loads(innkeep("ping", "--json").out)
    assert (told["daemon"], told["pid"], told["protocol"]) == ("0.1.0", 4711, 1)
    assert 0 < told["seconds"] < 10
