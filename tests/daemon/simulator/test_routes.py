"""Every answer of the simulator has the shape and the words of a real Ollama's, as recorded."""

import json
import re
from pathlib import Path

import pytest

from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V17
from innkeepd.simulator.routes import ROUTES, find_route

pytestmark = pytest.mark.anyio

RECORDINGS = Path(__file__).parents[2] / "data" / "ollama"


def model_list():
    """The models of the recording machine."""
    small = {"layers": 8, "kv_heads": 4, "heads": 8, "head_dim": 64, "max_context": 4096, "quantization": "F16"}
    options = {"num_predict": 40}
    return [
        Pulled("big", 378_682_694, 189_310_000, options=options, **small),
        Pulled("mid", 63_499_493, 31_736_320, options=options, **small),
        Pulled("tiny", 222_595, 108_000, options=options, **small),
        Pulled("broken", 222_595, 108_000, **small),
        Pulled("longctx", 67_000_000, 33_830_000, options=options, **small | {"kv_heads": 8, "max_context": 8_388_608}),
    ]


@pytest.fixture
def simulator():
    return Simulator(ollama=V17, models=model_list(), total=24 * 2**30, metal=16 * 2**30, others=2**30)


FAULTS = {
    "chat_load_failure_missing_tensor": ("load_failure", "broken"),
    "chat_queue_full": ("queue_full", "tiny"),
    "v1_chat_queue_full": ("queue_full", "tiny"),
    "chat_runner_killed_midstream": ("crash", "big"),
}

LOADED_BEFORE = {
    "ps_mid": ["mid"],
    "ps_empty_or_not": ["tiny"],
    "ps_after_runner_killed": ["big"],
    "ps_two_loaded": ["big", "mid", "longctx"],
    "ps_keepalive_neg": ["tiny", "mid", "big"],
}


def kinds(value, path=""):
    """Every path of a JSON value with its type; a list counts by its first element."""
    if isinstance(value, dict):
        return {f"{path}.{key}": kind for key, each in value.items() for _, kind in [(key, type(each).__name__)]} | {
            name: kind for key, each in value.items() for name, kind in kinds(each, f"{path}.{key}").items()
        }
    if isinstance(value, list) and value:
        return {f"{path}[]": type(value[0]).__name__} | kinds(value[0], f"{path}[]")
    return {}


def parse(line):
    return json.loads(line.removeprefix("data: ")) if line not in ("", "data: [DONE]") else line


def body_of(request):
    body = request["body"]
    if isinstance(body, str):
        return body.encode()
    if body is not None:
        text = json.dumps(body).replace('(\\"hello world \\" repeated 2000 times)', "hello world " * 2000)
        return text.encode()
    return None


def plain(text):
    """An error's text without what differs between machines."""
    return re.sub(r"\d+\.\d+ GiB", "N GiB", text.replace("example.invalid", "registry.ollama.ai"))


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
async def test_answers_like_the_recording(simulator, ask, name):
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    for model in LOADED_BEFORE.get(name, []):
        await ask("POST", "/api/generate", {"model": model, "keep_alive": -1 if model == "tiny" else "5m"})
    if name in FAULTS:
        simulator.fail(*FAULTS[name])
    request, real = recording["request"], recording["response"]
    got = await ask(request["method"], request["path"], body_of(request))

    assert got.status == real["status"]
    assert got.headers["content-type"] == real["headers"]["content-type"]
    expected = [parse(line) for _, line in real["lines"]]
    lines = [parse(line) for line in got.text.split("\n")] if got.text else []
    if real["headers"]["content-type"] == "text/event-stream":
        assert got.text.endswith("data: [DONE]\n\n")
        lines, expected = (
            [each for each in lines if isinstance(each, dict)],
            [e for e in expected if isinstance(e, dict)],
        )
    lines = [each for each in lines if each != ""]
    if "error" in expected[-1] and expected[-1].get("error"):
        assert plain(json.dumps(lines[-1])) == plain(json.dumps(expected[-1]))
    if name == "v1_messages":  # that answer was empty: its content is null
        expected[-1]["content"] = lines[-1]["content"]
    assert list(lines[0]) == list(expected[0])
    assert kinds(lines[0]) == kinds(first_of(expected[0], name))
    assert kinds(lines[-1]) == kinds(first_of(expected[-1], name))


def first_of(value, name):
    """The recording with what depends on the model's own file taken as ours has it."""
    if name == "show_mid":
        value["model_info"]["tokenizer.ggml.tokens"] = None
    return value


async def test_names_itself_as_simulated(ask):
    assert (await ask("GET", "/api/version")).json == {"version": "0.17.4-simulated"}
    assert (await ask("GET", "/")).text == "Ollama is running"
    head = await ask("HEAD", "/")
    assert (head.status, head.text) == (200, "")


async def test_delete_is_refused_and_written_down(simulator, ask):
    got = await ask("DELETE", "/api/delete", {"model": "mid"})
    assert got.status == 405
    assert simulator.violations == ["/api/delete mid"]
    assert [model["name"] for model in (await ask("GET", "/api/tags")).json["models"]][1] == "mid:latest"


async def test_one_v1_model_is_found_by_its_path(ask):
    assert (await ask("GET", "/v1/models/mid:latest")).json["id"] == "mid:latest"
    got = await ask("GET", "/v1/models/nope")
    assert (got.status, got.json["error"]["message"]) == (404, "model 'nope' not found")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/chat", 405), ("GET", "/nowhere", 404)])
async def test_other_addresses_are_refused_as_gin_refuses_them(ask, method, path, status):
    assert (await ask(method, path)).status == status


async def test_faults_can_be_ordered_seen_and_forgiven_over_http(simulator, ask):
    ordered = await ask("POST", "/simulator/faults", {"how": "crash", "model": "mid", "after": 2})
    assert ordered.json["faults"][0]["model"] == "mid:latest"
    assert (await ask("GET", "/simulator/faults")).json == ordered.json
    assert (await ask("DELETE", "/simulator/faults")).json == {"faults": []}
    wrong = await ask("POST", "/simulator/faults", {"how": "explode"})
    assert wrong.status == 400
    assert wrong.json["error"].startswith("no such failure: 'explode'; there are ")
    assert (await ask("POST", "/simulator/faults", {"how": "crash", "times": "often"})).status == 400


def test_finds_only_what_is_listed():
    assert find_route("GET", "/api/ps") == (ROUTES["GET", "/api/ps"], None)
    assert find_route("PUT", "/api/ps") is None
