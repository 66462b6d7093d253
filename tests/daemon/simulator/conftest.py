import pytest
import trio.testing

from innkeepd.simulator import release
from innkeepd.simulator.engine import Simulator
from support.transport import MemoryTransport, fetch


@pytest.fixture
def anyio_backend():
    """A clock that jumps: hours of the simulated Mac pass in milliseconds."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
def ollama():
    """The version that a test is about; a module says its own."""
    return release.V17


@pytest.fixture
def simulator(ollama):
    return Simulator(ollama=ollama)


@pytest.fixture
def ask(simulator):
    transport = MemoryTransport(simulator)

    async def send(method, path, body=None):
        return await fetch(transport, method, path, body)

    send.transport = transport
    return send
