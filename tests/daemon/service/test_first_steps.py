import pytest
from msgspec.structs import replace

from innkeepd.config.schema import BackendConfig, Config, OllamaConfig, RoleConfig
from innkeepd.service.cli import main
from innkeepd.service.first_steps import OFFER, lacks_models


def test_an_ollama_that_does_not_answer_is_no_reason_for_an_offer():
    assert not lacks_models(Config(ollama=OllamaConfig(url="http://127.0.0.1:9")))


def test_a_role_with_a_model_elsewhere_lacks_nothing():
    roles = {"general": RoleConfig(primary="gpu/x")}
    assert not lacks_models(Config(roles=roles, backends=(BackendConfig(name="gpu", url="http://x"),)))


@pytest.mark.parametrize(("name", "lacks"), [("big:1", False), ("other:1", True)])
def test_pulled_models_are_compared_with_the_roles(monkeypatch, name, lacks):
    async def pulled(_config):
        return {"big:1"}

    monkeypatch.setattr("innkeepd.service.first_steps._pulled", pulled)
    assert lacks_models(Config(roles={"general": RoleConfig(primary=name)})) is lacks


@pytest.mark.processes
def test_an_install_offers_init_where_the_models_are_not_there(mac):
    assert main(["install"], replace(mac.everything(), lacks=lambda _config: True)) == 0
    assert OFFER in mac.said
