import pytest

from innkeepd.config.schema import BackendConfig, ModelConfig, RoleConfig
from innkeepd.machine.recorded import SimulatedMemory
from innkeepd.policy.memory.budget import budget_of
from innkeepd.policy.model import GIB, Model
from innkeepd.residency.catalog import MOST_REMEMBERED, Candidate, Catalog
from innkeepd.simulator.engine import Simulator
from support.daemon import LLAMA8, QWEN, config


def model(name, weights, **more):
    shape = {"parameters": 8_000_000_000, "max_context": 32768, "size": 5 * GIB, "layers": 32, "kv_heads": 8}
    return Model(name=name, weights=weights, key_length=128, value_length=128, **(shape | more))


@pytest.fixture
def catalog():
    one = Catalog(config(backends=(BackendConfig(name="far", url="http://127.0.0.1:1", limit=3),)))
    big = model(QWEN, "w32", size=20 * GIB, parameters=32_000_000_000, layers=64)
    one.update([model(LLAMA8, "w8"), model("alias:latest", "w8"), big])
    one.budget = budget_of(SimulatedMemory(Simulator().machine).read(), one.policy)
    return one


def test_names_lead_to_weights_and_back(catalog):
    assert catalog.candidate("llama3.1:8b") == Candidate(LLAMA8, "w8")
    assert catalog.candidate("alias") == Candidate("alias:latest", "w8")
    assert catalog.candidate("nobody") == Candidate("nobody:latest", "nobody:latest")
    assert catalog.candidate("far/m") == Candidate("far/m", "far/m", "far")
    assert catalog.name_of("w8") == LLAMA8  # a role's name before any other
    assert catalog.name_of("unknown") == "unknown"
    assert [catalog.is_known(catalog.candidate(name)) for name in ("alias", "nobody", "far/m")] == [True, False, True]
    assert QWEN in repr(catalog)


def test_specs_tell_of_every_weights_once_and_of_remote_ones(catalog):
    catalog.remember([Candidate("far/m", "far/m", "far")])
    specs = {spec.weights: spec for spec in catalog.specs()}
    assert set(specs) == {"w8", "w32", "far/m"}
    assert (specs["w32"].heavy, specs["w8"].heavy) == (True, False)
    assert (specs["far/m"].remote, specs["far/m"].parallel) == (True, 3)


def test_the_configuration_sets_context_weight_and_slots(catalog):
    catalog.configure(config(models={LLAMA8: ModelConfig(context=8192, weight="heavy", parallel=2)}))
    (spec,) = (spec for spec in catalog.specs() if spec.weights == "w8")
    assert (spec.context, spec.heavy, spec.parallel) == (8192, True, 2)
    assert catalog.context_of("w8") == 8192
    assert catalog.context_of("unknown") == 4096


def test_what_is_said_of_one_name_holds_for_every_name_of_its_weights(catalog):
    catalog.configure(config(models={"alias:latest": ModelConfig(context=16384, parallel=2)}))
    (spec,) = (spec for spec in catalog.specs() if spec.weights == "w8")
    assert (spec.name, spec.context, spec.parallel) == (LLAMA8, 16384, 2)
    catalog.update([model("a:latest", "w8"), model("b:latest", "w8"), model("alias:latest", "w8")])
    assert catalog.name_of("w8") == "alias:latest"  # no role names it, but the configuration does


def test_a_larger_context_is_the_next_step_that_holds_the_prompt(catalog):
    assert catalog.larger_context("w8", 4096, 1) == 8192
    assert catalog.larger_context("w8", 4096, 14000) == 16384
    assert catalog.larger_context("w8", 32768, 1) is None
    assert catalog.larger_context("unknown", 4096, 1) is None
    catalog.budget = None
    assert catalog.larger_context("w8", 4096, 1) is None


def test_the_largest_context_is_what_a_model_may_grow_to(catalog):
    catalog.specs()
    assert (catalog.context_of("w8"), catalog.largest_context("w8")) == (4096, 32768)
    catalog.configure(config(models={LLAMA8: ModelConfig(context=8192)}))
    catalog.specs()
    assert catalog.largest_context("w8") == 8192  # the user's number does not grow
    assert catalog.largest_context("unknown") == 4096
    catalog.budget = None
    assert catalog.largest_context("w8") == 8192


def test_a_model_outside_the_roles_is_fitted_beside_them(catalog):
    catalog.configure(config(roles={"coding": RoleConfig(primary=QWEN)}))
    assert {spec.weights for spec in catalog.specs()} >= {"w8", "w32"}


def test_a_model_that_cannot_be_computed_with_is_left_out_and_told(catalog):
    catalog.update([model(LLAMA8, "w8"), model("odd:latest", "w9", layers=float("inf"))])
    assert list(catalog.models) == [LLAMA8]
    assert next(spec.weights for spec in catalog.specs()) == "w8"
    assert "odd:latest is ignored" in catalog.how_to_get(catalog.candidate("odd"))
    catalog.update([model("odd:latest", "w9")])
    assert catalog.left_out == {}


def test_names_that_somebody_asked_of_an_engine_are_bounded_and_those_in_use_are_kept():
    catalog = Catalog(config(backends=(BackendConfig(name="far", url="http://127.0.0.1:1"),)))
    for number in range(3 * MOST_REMEMBERED):
        catalog.remember([catalog.candidate(f"far/m{number}")], in_use={"far/m0"})
    names = [spec.name for spec in catalog.specs()]
    assert len(names) <= MOST_REMEMBERED + 1
    assert {"far/m0", f"far/m{3 * MOST_REMEMBERED - 1}"} <= set(names)
