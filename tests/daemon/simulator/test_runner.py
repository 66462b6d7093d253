"""One runner."""

import pytest

from innkeepd.simulator.catalog import LLAMA8, MLX8
from innkeepd.simulator.launch import Launch
from innkeepd.simulator.runner import Runner, Use

pytestmark = pytest.mark.anyio


class Released(list):
    def released(self, runner):
        self.append(runner)


def runner(model, context=4096):
    return Runner(1, model, Launch(context), 300.0, slots=1, cache_ram=0, parallel=1)


async def test_a_hold_is_released_once():
    owner, one = Released(), runner(LLAMA8)
    use = Use(owner, one)
    await use.slot()
    use.release()
    use.release()
    assert owner == [one]
    assert one.slots.value == 1


async def test_mlx_is_its_weights_and_what_it_has_read():
    one = runner(MLX8)
    assert (one.size, one.limit, one.context) == (MLX8.size, 40_960, 4096)
    one.longest = 1000
    assert one.size == MLX8.size + MLX8.kv(1000)
    assert one.differing(Launch(8192, shift=False)) == []
    assert runner(LLAMA8).differing(Launch(8192, shift=False)) == ["num_ctx", "shift"]
