import pytest

from innkeepd.chat import router as routing
from innkeepd.config.schema import Config


def test_the_router_of_a_configuration_has_its_keywords_and_the_packages_weights():
    router = routing.router_of(Config())
    assert router.route("Write a haiku about the sea").role == "general"
    assert repr(router) == "Router(17 keywords)"


def test_the_weights_are_smaller_than_the_package_may_carry():
    weights = routing.files("innkeepd").joinpath("policy", "routing", "weights.bin")
    assert len(weights.read_bytes()) < 1_500_000


def test_weights_that_are_not_there_are_told_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(routing, "files", lambda _package: tmp_path)
    with pytest.raises(ValueError, match=r"weights cannot be read .*install innkeep again"):
        routing.read_classifier()
