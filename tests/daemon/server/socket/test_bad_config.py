import signal

import anyio
import pytest

from innkeepd.errors import ConfigError
from innkeepd.server.socket import bad_config
from innkeepd.server.socket.bad_config import serve_bad_config
from innkeepd.server.socket.listener import bind
from support.process import short_home

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def home():
    with short_home() as folder:
        yield folder


class Signals:
    def __init__(self):
        self.send, self._receive = anyio.create_memory_object_stream(5)

    def __aiter__(self):
        return self

    async def __anext__(self):
        return await self._receive.receive()

    def close(self):
        self.send.close()
        self._receive.close()


class Config:
    """Wrong until mended."""

    mended = False

    def load(self):
        if not self.mended:
            raise ConfigError("config.toml: roles.coding.primry: unknown key")
        return "the configuration"


async def ask(home, data):
    async with await anyio.connect_unix(home / "s") as stream:
        await stream.send(data)
        return await stream.receive()


async def run(home, steps):
    """Serve while ``steps`` are taken; what the room gave in the end."""
    config, signals, found = Config(), Signals(), []
    with bind(home / "s") as listener, anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def serve():
                found.append(await serve_bad_config([listener], config.load, home / "config.toml", signals))

            tasks.start_soon(serve)
            await steps(config, signals)
    signals.close()
    return found[0]


async def test_everything_is_answered_with_file_and_key_in_both_dialects_until_a_signal_ends_it(home):
    async def steps(_config, signals):
        told = await ask(home, b'{"type":"status","id":3}\n')
        assert b'"id":3,"code":"bad_config"' in told
        assert b"roles.coding.primry" in told
        assert str(home / "config.toml").encode() in told
        assert b'"id":4' in await ask(home, b'{"type":"nonsense","id":4}\n')
        assert b"bad_config" in await ask(home, b"\0\0\0\x01\x90")
        await signals.send.send(signal.SIGTERM)

    assert await run(home, steps) is None


async def test_a_file_that_is_still_wrong_is_not_taken_and_a_mended_one_is(home):
    async def steps(config, signals):
        await signals.send.send(signal.SIGHUP)
        assert b"bad_config" in await ask(home, b'{"type":"status","id":3}\n')
        config.mended = True
        await signals.send.send(signal.SIGHUP)

    assert await run(home, steps) == "the configuration"


async def test_a_mended_file_is_found_without_a_signal(home, monkeypatch):
    monkeypatch.setattr(bad_config, "LOOK_EVERY", 0.01)

    async def steps(config, _signals):
        config.mended = True

    assert await run(home, steps) == "the configuration"


async def test_a_peer_that_speaks_neither_dialect_is_closed(home):
    async def steps(_config, signals):
        async with await anyio.connect_unix(home / "s") as stream:
            await stream.send(b"GET /")
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()
        await signals.send.send(signal.SIGINT)

    assert await run(home, steps) is None
