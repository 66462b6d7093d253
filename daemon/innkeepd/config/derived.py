"""The configuration in the types that ``policy`` takes."""

from innkeepd.config.schema import Config
from innkeepd.policy.memory.budget import MemoryPolicy
from innkeepd.policy.scheduling.settings import SchedulerSettings


def memory_policy(config: Config) -> MemoryPolicy:
    """The configuration of memory, in the types of ``policy``."""
    models = config.models
    return MemoryPolicy(
        budget=config.memory.budget,
        reserve=config.memory.reserve,
        gpu_limit=config.memory.gpu_limit,
        heavy_limit=config.residency.heavy_limit,
        heavy_parameters=config.residency.heavy_parameters,
        contexts={name: model.context for name, model in models.items() if model.context is not None},
        weights={name: model.weight for name, model in models.items() if model.weight is not None},
        parallel={name: model.parallel for name, model in models.items()},
    )


def scheduler_settings(config: Config) -> SchedulerSettings:
    """The configuration of turns, the queue and residency."""
    return SchedulerSettings(
        turn=config.schedule.turn,
        batch_turn=config.schedule.batch_turn,
        gate=config.schedule.gate,
        session_hold=config.schedule.session_hold,
        queue_limit=config.schedule.queue_limit,
        heavy_limit=config.residency.heavy_limit,
        idle_unload=config.residency.idle_unload,
        hold_wait=config.schedule.hold_wait,
    )
