"""``innkeep bench`` on a real Ollama with tiny models: what it measures is true, and memory is as before."""

import json


def test_bench_measures_teaches_and_leaves_memory_as_it_was(ollama, daemon):
    ended = daemon.command("bench", "--model", "tiny", "--quick", "--json")
    assert ended.returncode == 0, ended.stderr
    bench = json.loads(ended.stdout)
    assert (bench["simulated"], [one["model"] for one in bench["results"]]) == (False, ["tiny:latest"])
    for one in bench["results"]:
        assert 0 < one["cold_load"] < 60
        assert one["swap"] > one["unload"] > 0
        assert one["memory"] > 2**20
        assert {run["language"] for run in one["runs"]} == {"English", "Korean"}
        assert all(run["prompt_tokens"] > 20 and run["first_token"] > 0 for run in one["runs"])
    assert ollama.loaded() == set()
    models = {one["name"]: one for one in json.loads(daemon.command("models", "list", "--json").stdout)["models"]}
    assert models["tiny:latest"]["estimates"]["load"]["count"] >= 2
    assert models["tiny:latest"]["estimates"]["unload"]["count"] >= 2
