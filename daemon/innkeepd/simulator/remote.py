"""Models that another host runs: requests for them are forwarded, loads and unloads too."""

import anyio

from innkeepd.simulator.answer import LINES
from innkeepd.simulator.asked import Asked
from innkeepd.simulator.catalog import Pulled
from innkeepd.simulator.faults import Refusal
from innkeepd.simulator.journal import Seen
from innkeepd.simulator.launch import Launch
from innkeepd.simulator.runner import Runner, Use
from innkeepd.simulator.state import State


class _Nobody:
    """The other host minds its own runners."""

    def released(self, runner: Runner) -> None:
        """No-op: this machine holds nothing."""
        runner.busy -= 1


def send(state: State, asked: Asked, model: Pulled) -> Use:
    """Pass a request on; what answers there is no runner of this machine. Raises ``Refusal`` where it is offline."""
    path = "/api/chat" if asked.is_chat else "/api/generate"
    state.journal.sent_away.append(
        Seen(anyio.current_time(), "POST", f"{model.remote_host}{path}", {"model": asked.model})
    )
    if state.offline:
        raise Refusal(500, state.unreachable_host(model.remote_host, path), LINES)
    runner = Runner(0, model, Launch(model.max_context), 0.0, slots=1, cache_ram=0, parallel=1)
    return Use(_Nobody(), runner)
