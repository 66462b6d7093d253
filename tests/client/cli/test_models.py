import json

import pytest

from innkeep import wire

QWEN = wire.ModelState(
    "qwen2.5-coder:32b", 2 * 10**10, 0, "", ["coding"], "heavy", 2**34, "fits", "16.0 GiB of 27.0 GiB"
)


@pytest.fixture
def models(daemon):
    daemon.script[wire.ModelsAsk] = lambda _: [wire.Models(id=0, models=[QWEN])]
    daemon.script[wire.Select] = lambda ask: [wire.Selected(id=0, model=ask.model, role=ask.role)]
    return daemon


@pytest.mark.parametrize("words", [("models",), ("models", "list")])
def test_models_are_listed(models, innkeep, words):
    assert "qwen2.5-coder:32b  coding" in innkeep(*words).out


def test_names_alone_are_one_a_line(models, innkeep):
    assert innkeep("models", "list", "--names").out == "qwen2.5-coder:32b\n"


def test_models_as_json_are_the_wires_message(models, innkeep):
    assert json.loads(innkeep("models", "list", "--json").out)["models"][0]["fit"] == "fits"


@pytest.mark.parametrize(
    ("words", "model", "role"),
    [
        (("ollama/qwen2.5-coder:32b",), "qwen2.5-coder:32b", None),
        (("auto",), None, None),
        (("deepseek-r1:32b", "--role", "reasoning"), "deepseek-r1:32b", "reasoning"),
    ],
)
def test_set_chooses_a_model_or_goes_back_to_automatic(models, innkeep, words, model, role):
    assert innkeep("models", "set", *words).status == 0
    assert (models.last(wire.Select).model, models.last(wire.Select).role) == (model, role)


def test_a_choice_as_json_is_the_wires_message(models, innkeep):
    assert json.loads(innkeep("models", "set", "auto", "--json").out)["type"] == "selected"


def test_set_without_a_name_says_what_is_missing(models, innkeep):
    ended = innkeep("models", "set")
    assert (ended.status, ended.err) == (
        2,
        "innkeep: models set needs a model's name, or auto; `innkeep models list` shows the names\n",
    )


def test_list_refuses_a_name(models, innkeep):
    assert innkeep("models", "list", "qwen2.5-coder:32b").status == 2
    assert models.requests == []


def test_auto_ends_the_first_choices_of_roles_too(models, innkeep):
    left = {"coding": "tiny"}

    def select(ask):
        left.pop(ask.role, None)
        return [wire.Selected(id=0, model=None, role=ask.role, selected_roles=dict(left))]

    models.script[wire.Select] = select
    assert innkeep("models", "set", "auto").out == "routing: automatic\n"
    assert (models.last(wire.Select).role, left) == ("coding", {})
