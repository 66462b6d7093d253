import pytest
from msgspec import structs

from innkeepd.config.schema import BackendConfig, Config, HttpConfig, ModelConfig, default_roles


def test_the_defaults_are_the_ones_of_the_design():
    config = Config()
    assert config.ollama.url == "http://127.0.0.1:11434"
    assert (config.memory.budget, config.memory.reserve, config.memory.gpu_limit) == (None, 4 * 2**30, None)
    assert (config.residency.heavy_limit, config.residency.heavy_parameters) == (1, 20_000_000_000)
    assert config.residency.idle_unload == 300
    assert structs.astuple(config.timeouts) == (3, 180, 120, 60, 20)
    assert structs.astuple(config.schedule)[:5] == (90, 600, 4, 6, 512)
    assert structs.astuple(config.schedule.patience) == (None, None, None)
    assert (config.http.enabled, config.http.host, config.http.port, config.http.token) == (
        True,
        "127.0.0.1",
        11435,
        "",
    )
    assert not config.http.allow_admin
    assert not config.log.prompts


def test_the_default_chains_keep_the_70b_and_add_one_that_fits():
    chains = {name: role.chain for name, role in default_roles().items()}
    assert chains == {
        "coding": ("qwen2.5-coder:32b", "deepseek-r1:32b", "llama3.3:latest", "llama3.1:8b"),
        "reasoning": ("deepseek-r1:32b", "qwen2.5-coder:32b", "llama3.3:latest", "llama3.1:8b"),
        "general": ("llama3.3:latest", "llama3.1:8b"),
    }


def test_a_token_never_shows_in_a_repr():
    text = repr(HttpConfig(token="hunter2"))
    assert "hunter2" not in text
    assert "token=***" in text


def test_an_empty_token_shows_as_empty():
    assert "token=''" in repr(HttpConfig())


def test_a_model_without_a_table_has_the_defaults():
    config = Config(models={"a:latest": ModelConfig(context=8192)})
    assert config.model("a:latest").context == 8192
    assert config.model("b:latest") == ModelConfig()


@pytest.mark.parametrize(("name", "found"), [("ray/llama3.3", True), ("llama3.3:latest", False), ("ray", False)])
def test_a_candidate_belongs_to_the_backend_it_names(name, found):
    ray = BackendConfig(name="ray", url="http://ray")
    assert Config(backends=(ray,)).backend_of(name) is (ray if found else None)
