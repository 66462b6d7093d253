"""``python -m support.simulated PORT SPEED``: the simulator in a process of its own, until it is killed.

Its models have the names and the parameters of the real ones and a fiftieth of their bytes, so that a daemon which
reads the memory of the machine that runs the tests has room for them; ``BUDGET`` is the 27 GiB of that scale.
"""

import sys

import anyio
from msgspec.structs import replace

from innkeepd.simulator.catalog import SHELF
from innkeepd.simulator.engine import Simulator
from innkeepd.simulator.server import serve

MODELS = [replace(model, size=model.size // 50, layers=model.layers // 8) for model in SHELF]
BUDGET = "1GiB"


async def main(port: int, speed: float) -> None:
    """Serve for ever."""
    async with serve(Simulator(speed=speed, models=MODELS), port=port):
        await anyio.Event().wait()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), float(sys.argv[2]))
