"""The knobs of the policy: what a configuration may say of turns, the queue and who stays in memory."""

from typing import Literal

from msgspec import Struct


class SchedulerSettings(Struct, frozen=True):
    """The knobs: W, batch W, G, H in seconds and requests; ``hold_wait`` is how long a chat waits during a hold.

    ``idle_unload`` 0: at once, None: never. ``order`` "fifo" serves strictly by arrival: to compare with, never to run.
    """

    turn: float = 90.0
    batch_turn: float = 600.0
    gate: int = 4
    session_hold: float = 6.0
    queue_limit: int = 512
    heavy_limit: int = 1
    idle_unload: float | None = 300.0
    hold_wait: float = 60.0
    order: Literal["turns", "fifo"] = "turns"
