"""The training is reproducible: the same prompts give the same bytes. The encoder itself is not needed for that."""

import sys
from pathlib import Path

import pytest

numpy = pytest.importorskip("numpy")
TOOLS = Path(__file__).parents[2] / "tools" / "routing"


@pytest.fixture(scope="module")
def tools():
    sys.path.insert(0, str(TOOLS))
    try:
        import generate
        import mix
        import train
    finally:
        sys.path.remove(str(TOOLS))
    return generate, mix, train


def test_training_twice_on_a_few_prompts_gives_the_same_bytes(tools):
    generate, _, train = tools

    def trained():
        prompts = list(generate.make(600, seed=3))
        roles = numpy.array([train.ROLES.index(each.role) for each in prompts])
        shares = train.targets(roles, numpy.full((len(prompts), 3), 1 / 3))
        return train.quantised(
            *train.fit(train.matrix([each.text for each in prompts]), shares, numpy.ones(len(prompts)), 1)
        )

    assert trained() == trained()


def test_what_was_trained_knows_what_it_was_trained_on(tools):
    generate, _, train = tools
    prompts = list(generate.make(200, seed=3))
    roles = numpy.array([train.ROLES.index(each.role) for each in prompts])
    shares = train.targets(roles, numpy.eye(3)[roles])
    data = train.quantised(
        *train.fit(train.matrix([each.text for each in prompts]), shares, numpy.ones(len(prompts)), 8)
    )
    from innkeepd.policy.routing.classifier import decode

    scores = [decode(data).scores(each.text) for each in prompts]
    right = sum(max(each, key=each.get) == prompt.role for each, prompt in zip(scores, prompts, strict=True))
    assert right > 0.9 * len(prompts)


def test_made_prompts_are_different_complete_and_the_same_each_time(tools):
    generate, mix, _ = tools
    prompts = list(generate.make(3000, seed=1))
    assert len({each.text for each in prompts}) == 3000
    assert [each for each in prompts if "[[" in each.text or generate.SLOT.fullmatch(each.text)] == []
    assert {(each.role, each.lang) for each in prompts} == {
        (role, lang) for role in ("coding", "reasoning", "general") for lang in ("en", "ko")
    }
    pieces = ["▁stone", "▁River", "▁돌담", "▁강물", "x"]
    assert list(mix.mixed(prompts, pieces, 200, 5)) == list(mix.mixed(prompts, pieces, 200, 5))
