from innkeepd.config.derived import memory_policy, scheduler_settings
from innkeepd.config.schema import Config, ModelConfig
from innkeepd.policy.memory.budget import MemoryPolicy
from innkeepd.policy.scheduling.settings import SchedulerSettings
from support.daemon import config


def test_the_defaults_of_the_configuration_are_those_of_policy():
    assert scheduler_settings(Config()) == SchedulerSettings()
    assert memory_policy(Config()) == MemoryPolicy()


def test_what_the_configuration_says_reaches_policy():
    said = config(
        schedule={"turn": 5.0, "gate": 2},
        residency={"heavy_limit": 2, "idle_unload": None},
        models={"m:1b": ModelConfig(context=8192, parallel=3)},
    )
    settings, policy = scheduler_settings(said), memory_policy(said)
    assert (settings.turn, settings.gate, settings.heavy_limit, settings.idle_unload) == (5.0, 2, 2, None)
    assert (policy.heavy_limit, policy.contexts, policy.parallel) == (2, {"m:1b": 8192}, {"m:1b": 3})
