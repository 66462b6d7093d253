"""Which requests share a runner, as measured for every ordered pair on 0.33.0."""

import pytest

from innkeepd.simulator.catalog import LLAMA8, Pulled
from innkeepd.simulator.launch import launch_for
from innkeepd.simulator.release import V17, V33

SMALL = Pulled("small", 1000, 1000, max_context=4096)
EMB512 = Pulled("emb512", 1000, 1000, max_context=512, capabilities=("embedding",))


def reloads(first, then, release=V33, model=SMALL):
    """Attributes for which the second request reloads the runner of the first; ``shift`` stands beside the options."""
    a, b = (
        launch_for(
            model,
            {key: value for key, value in said.items() if key != "shift"},
            said.get("shift"),
            default=4096,
            attributes=release.launch,
        )
        for said in (first, then)
    )
    return a.differing(b)


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ({}, {"shift": False}, ["shift"]),
        ({"shift": False}, {}, ["shift"]),
        ({}, {"num_ctx": 2048}, ["num_ctx"]),
        ({"num_ctx": 2048}, {"num_ctx": 2047}, ["num_ctx"]),
        ({}, {"num_batch": 256}, ["num_batch"]),
        ({}, {"main_gpu": 1}, ["main_gpu"]),
        ({}, {"use_mmap": False}, ["use_mmap"]),
        ({}, {"num_thread": 2}, ["num_thread"]),
        ({}, {"draft_num_predict": 4}, ["draft_num_predict"]),
        ({}, {"num_gpu": 0}, ["num_gpu"]),
        ({}, {"num_gpu": 99}, ["num_gpu"]),
    ],
)
def test_another_launch_attribute_reloads(first, then, why):
    assert reloads(first, then) == why


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({}, {"shift": True}),
        ({}, {"num_thread": 0}),
        ({}, {"draft_num_predict": 0}),
        ({}, {"num_batch": 512}),
        ({}, {"low_vram": True, "numa": True, "banana": 1, "temperature": 1, "num_keep": 9, "num_predict": 3}),
        ({}, {"num_ctx": 8192}),
        ({"num_gpu": 0}, {}),
        ({"num_gpu": 0}, {"num_gpu": -1}),
    ],
)
def test_what_shares_the_runner(first, then):
    assert reloads(first, then) == []


def test_shift_and_draft_are_of_the_request_in_017():
    assert reloads({}, {"shift": False, "draft_num_predict": 4}, V17) == []
    assert reloads({}, {"num_batch": 256}, V17) == ["num_batch"]


def test_an_embedding_models_batch_follows_what_was_asked_for():
    assert reloads({"num_ctx": 512}, {}, model=EMB512) == ["num_batch"]
    assert reloads({"num_ctx": 8192}, {}, model=EMB512) == []


@pytest.mark.parametrize(("context", "batch"), [(4096, 512), (8192, 1024), (32_768, 1024), (40_960, 2048)])
def test_the_automatic_batch_grows_with_the_context(context, batch):
    launch = launch_for(LLAMA8, {"num_ctx": context}, None, default=4096, attributes=V33.launch)
    assert (launch.num_ctx, launch.num_batch) == (context, batch)
