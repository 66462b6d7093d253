"""The configuration in the types that ``policy`` takes."""

from msgspec import convert, structs

from innkeepd.config.schema import Config
from innkeepd.policy.conditions import DAYS, Rule, read_hours
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


def rules_of_use(config: Config) -> tuple[Rule, ...]:
    """The ``[[when]]`` tables in the words of ``policy``."""
    return tuple(
        convert(
            structs.asdict(said)
            | {
                "hours": read_hours(said.hours) if said.hours else None,
                "days": [DAYS.index(day) for day in said.days],
                "thermal": said.thermal or None,
            },
            Rule,
        )
        for said in config.when
    )
