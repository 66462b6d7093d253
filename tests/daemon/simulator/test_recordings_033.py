"""Every answer of the simulator has the shape and the words of a real Ollama 0.33.0, as recorded."""

import json

import pytest

from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.release import V33
from support import recordings

pytestmark = pytest.mark.anyio

FOLDER = "ollama-0.33"
SMALL = {"layers": 8, "kv_heads": 4, "heads": 8, "head_dim": 64, "max_context": 4096, "quantization": "F16"}
BERT = {"layers": 2, "kv_heads": 2, "heads": 4, "head_dim": 32, "quantization": "F16", "capabilities": ("embedding",)}
PREDICT = {"num_predict": 40}


def model_list():
    """The models of the recording machine."""
    words = Pulled("words", 63_499_493, 31_736_320, options=PREDICT, **SMALL)
    mid = Pulled("mid", 63_499_493, 31_736_320, **SMALL)
    far = Pulled(
        "far", 67_000_000, 33_830_000, options=PREDICT, **SMALL | {"kv_heads": 8, "max_context": 8_388_608}
    )  # fmt: skip
    native = Pulled("wordsnative", 63_499_400, 31_736_320, renders_itself=True, **SMALL)
    return [
        words, mid, far, native, derived(words, "words-512", 512), derived(mid, "mid-512", 512),
        derived(native, "wordsnative-512", 512), derived(far, "far-8m", 8_000_000),
        derived(words, "derived-ctx/words-0123456789ab:2048", 2048),
        Pulled("slow", 378_682_836, 189_310_000, **SMALL), Pulled("slow2", 378_682_836, 189_310_000, **SMALL),
        Pulled("small", 222_737, 108_000, **SMALL),
        Pulled("emb", 733_766, 363_136, max_context=2048, **BERT),
        Pulled("emb512", 733_766, 363_136, max_context=512, **BERT),
        *(Pulled(damage, 733_766, 363_136, damage=damage, **SMALL) for damage in ("cut", "garbled", "gone", "lacks")),
        Pulled(
            "far-away", 198, 0, "", quantization="", format="", remote_host="https://ollama.com:11434",
            remote_model="gpt-oss:120b",
        ),
    ]  # fmt: skip


def derived(parent, name, context):
    made = {field: getattr(parent, field) for field in parent.__struct_fields__}
    options = {"num_ctx": context, **parent.options}
    return Pulled(**made | {"name": name, "options": options, "weights": parent.blob, "parent": parent.name})


@pytest.fixture(autouse=True)
def byte_tokens(monkeypatch):
    """The recorded models have about one token a byte."""
    for module in ("answering", "vectors", "prompt_cache"):
        monkeypatch.setattr(f"innkeepd.simulator.{module}.count", lambda text: len(text.encode()))


@pytest.fixture
def simulator():
    return Simulator(
        ollama=V33, models=model_list(), total=24 * 2**30, metal=16 * 2**30, others=2**30, offline=True
    )  # fmt: skip


FAULTS = {
    "chat_queue_full": ("queue_full", "small"),
    "v1_chat_queue_full": ("queue_full", "small"),
    "v1_messages_queue_full": ("queue_full", "small"),
    "chat_runner_killed_midstream": ("crash", "slow"),
    "chat_nostream_runner_killed": ("crash", "slow"),
    "chat_runner_killed_before_first_token": ("runner_dies_before", "slow"),
    "v1_chat_runner_killed_midstream": ("crash", "slow"),
    "v1_messages_runner_killed_midstream": ("crash", "slow"),
    "v1_responses_runner_killed_midstream": ("crash", "slow"),
    "load_runner_killed": ("load_killed", "slow"),
    "chat_gpu_oom_before_first_token": ("metal_out_of_memory", "slow"),
    "v1_chat_gpu_oom_before_first_token": ("metal_out_of_memory", "slow"),
}
LOST = {
    "chat_gpu_oom_midstream": "slow",
    "chat_gpu_oom_midstream_nostream": "slow",
    "v1_chat_gpu_oom_midstream": "slow",
}
LOADED = {
    "ps_slow": ["slow"],
    "ps_after_runner_killed": ["slow"],
    "ps_after_idle_runner_killed": ["slow"],
    "ps_two_loaded": ["words", "small"],
    "ps_keepalive_neg": ["words"],
    "ps_after_v1_keepalive_kept": ["words"],
    "ps_after_unload_embed": ["words"],
    "ps_derived": ["derived-ctx/words-0123456789ab:2048"],
}
BREAKS = {"chat_server_killed_midstream", "chat_server_stopped_midstream"}
"""There the connection breaks: ``test_version_033`` has those."""
OTHER_TEXT = {"create_unknown_parent"}
"""Where ours has no network to speak of."""
NOT_SIMULATED = {"chat_debug_render"}


async def prepare(simulator, ask, name):
    for model in LOADED.get(name, []):
        await ask("POST", "/api/generate", {"model": model, "keep_alive": -1})
    if name in FAULTS:
        simulator.fail(*FAULTS[name])
    if name in LOST:
        simulator.fail("metal_lost", after=1)
    if "runner_error_lost" in name:
        simulator.fail("lost", after=0)
    simulator.no_cloud = name in ("chat_cloud_disabled", "status_no_cloud")


@pytest.mark.parametrize("name", [name for name in recordings.names(FOLDER) if name not in BREAKS | NOT_SIMULATED])
async def test_answers_like_the_recording(simulator, ask, name):
    recording = recordings.read(FOLDER, name)
    await prepare(simulator, ask, name)
    request, real = recording["request"], recording["response"]
    got = await ask(request["method"], request["path"], recordings.body_of(request))

    assert got.status == real["status"]
    expected = recordings.records([line for _, line in real["lines"]])
    lines = recordings.records(got.text.split("\n"))
    if not expected:
        assert lines == []
        return
    assert got.headers["content-type"] == real["headers"]["content-type"].replace(
        "text/plain", "text/plain; charset=utf-8"
    )
    if expected[-1].get("error") and name not in OTHER_TEXT:
        assert recordings.plain(json.dumps(lines[-1])) == recordings.plain(json.dumps(expected[-1]))
    for ours, theirs in ((lines[0], expected[0]), (lines[-1], expected[-1])):
        assert set(ours) == set(theirs)
        if not name.startswith(("show_", "tags")):
            assert recordings.kinds(ours) == recordings.kinds(theirs)
    if real["lines"][1:] and real["lines"][-2][1] == "data: [DONE]":
        assert got.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("chat_overflow_noshift_default", 259),
        ("generate_overflow_noshift_truncate_true", 259),
        ("v1_chat_overflow_truncate_false", 259),
        ("v1_completions_overflow", 259),
        ("v1_messages_overflow", 259),
        ("v1_responses_overflow_truncation_disabled", 259),
        ("native_template_generate_overflow", 259),
        ("embed_overflow_default", 2047),
    ],
)
async def test_a_prompt_that_is_cut_is_cut_to_the_recorded_number_of_tokens(ask, name, count):
    request = recordings.read(FOLDER, name)["request"]
    got = await ask(request["method"], request["path"], recordings.body_of(request))
    reported = got.lines[-1]
    usage = reported.get("usage", reported)
    assert count in (usage.get("prompt_eval_count"), usage.get("prompt_tokens"), usage.get("input_tokens"))
