import os
import resource
import socket
import stat
import struct

import anyio
import pytest

from innkeep import wire
from innkeepd.server.socket import listener
from innkeepd.server.socket.listener import SocketTaken, bind, identity, listen, peer_uid, unbind
from support.process import short_home


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def place():
    with short_home() as folder:
        yield folder / "home" / "innkeepd.sock"


async def _hello(session, asked):
    session.send(wire.Welcome(id=asked.id, protocol=1, daemon="test", pid=1))


VERBS = {wire.Hello: _hello}
HELLO = b'{"type":"hello","id":1,"protocol":1}\n'


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_is_the_owners_alone_and_a_folder_that_is_made_for_it_too(place):
    with bind(place) as one:
        assert (mode(place), mode(place.parent)) == (0o600, 0o700)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


@pytest.mark.parametrize("bits", [0o755, 0o1777])
def test_a_folder_that_is_there_keeps_its_mode(place, bits):
    place.parent.mkdir()
    place.parent.chmod(bits)
    with bind(place):
        assert (mode(place), mode(place.parent)) == (0o600, bits)


def test_a_folder_in_which_others_may_replace_the_socket_is_refused(place, monkeypatch):
    place.parent.mkdir()
    place.parent.chmod(0o777)
    with pytest.raises(SocketTaken, match="others may replace a socket in"):
        bind(place)
    place.parent.chmod(0o755)
    os.chown(place.parent, 12345, -1) if os.getuid() == 0 else pytest.skip("only root gives a folder away")
    with pytest.raises(SocketTaken, match="others may replace a socket in"):
        bind(place)


def test_a_living_daemons_socket_is_left_to_it(place):
    with bind(place) as one:
        with pytest.raises(SocketTaken, match="another innkeepd listens at"):
            bind(place)
        one.listen(0)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(place))
        with pytest.raises(SocketTaken, match="another innkeepd listens at"):
            bind(place)
        for client in clients:
            client.close()
        with socket.socket(socket.AF_UNIX) as client:
            assert place.is_socket()


def test_only_our_own_socket_is_removed(place):
    with bind(place):
        ours = identity(place)
        place.unlink()
        with bind(place):
            unbind(place, ours)
            assert place.is_socket()
        unbind(place, identity(place))
        assert not place.exists()
        unbind(place, ours)


def test_the_umask_is_as_it_was_afterwards(place):
    before = os.umask(0o022)
    try:
        bind(place).close()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_stale_socket_is_replaced(place):
    bind(place).close()
    assert place.is_socket()
    with bind(place), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place))


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone_and_named(place, what):
    place.parent.mkdir()
    if what == "file":
        place.write_text("mine")
    elif what == "folder":
        place.mkdir()
    else:
        place.symlink_to("elsewhere")
    with pytest.raises(SocketTaken, match=f"{place} is in the way and is not a socket"):
        bind(place)
    assert place.is_symlink() or place.exists()


def test_a_path_too_long_for_a_socket_is_told(place):
    with pytest.raises(SocketTaken, match="cannot listen at"):
        bind(place.parent / ("x" * 120))


def test_a_folder_that_cannot_be_made_is_told(place):
    place.parent.write_text("a file where the folder should be")
    with pytest.raises(SocketTaken, match="cannot listen at"):
        bind(place)


def test_the_peers_uid_is_known_here_and_read_from_xucred_on_a_mac():
    here, there = socket.socketpair()
    with here, there:
        assert peer_uid(here) == os.getuid()

    class Mac:
        def getsockopt(self, level, name, length):
            assert (level, name, length) == (0, 1, 76)
            return struct.pack("=IIh2x16I", 0, 501, 1, *range(16))

    assert peer_uid(Mac(), "darwin") == 501


def test_a_system_that_does_not_tell_the_peer_gives_none():
    class Silent:
        def getsockopt(self, *_):
            raise OSError

    assert peer_uid(Silent()) is None


async def _left(counted):
    while counted[-1]:
        await anyio.lowlevel.checkpoint()


async def _ask(place, data):
    """Everything that comes back for these bytes and a closed sending side."""
    async with await anyio.connect_unix(place) as stream:
        await stream.send(data)
        await stream.send_eof()
        told = b""
        with anyio.fail_after(10):
            async for chunk in stream:
                told += chunk
        return told


@pytest.mark.anyio
async def test_the_owner_is_welcome_and_is_counted(place):
    counted = []
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=counted.append))
        assert b'"welcome"' in await _ask(place, HELLO)
        await _left(counted)
        assert counted == [1, 0]
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("data", [HELLO, b"\0\0\0\1\x80"])
async def test_another_users_process_is_forbidden_in_its_own_dialect(place, data):
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=lambda _: None, owner=os.getuid() + 1))
        told = await _ask(place, data)
        assert b"forbidden" in told
        assert told.startswith(b"{") == data.startswith(b"{")
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_peer_of_whom_the_system_tells_nothing_is_forbidden(place, monkeypatch):
    monkeypatch.setattr(listener, "peer_uid", lambda _raw: None)
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=lambda _: None))
        assert b"forbidden" in await _ask(place, HELLO)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_another_users_process_that_only_connects_and_leaves_is_borne(place):
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=lambda _: None, owner=os.getuid() + 1))
        assert await _ask(place, b"") == b""
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_daemon_out_of_descriptors_waits_and_serves_on(place, monkeypatch):
    monkeypatch.setattr(listener, "BREATH", 0.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    counted = [0]
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=counted.append))
        assert b'"welcome"' in await _ask(place, HELLO)
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        spare = os.dup(0)
        os.close(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
        try:
            client.connect(str(place))
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.send(HELLO)
        async with await anyio.abc.UNIXSocketStream.from_socket(client) as stream:
            with anyio.fail_after(10):
                assert b'"welcome"' in await stream.receive()
        await _left(counted)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("soft", "allowed"), [(256, 128), (1024, 512), (4096, 3584), (65536, 5120), (resource.RLIM_INFINITY, 5120)]
)
def test_connections_leave_descriptors_to_everything_else(soft, allowed, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (soft, soft))
    assert listener.connections_allowed() == allowed


@pytest.mark.anyio
async def test_one_connection_too_many_is_refused_until_another_ends(place, monkeypatch):
    monkeypatch.setattr(listener, "CONNECTIONS", 1)
    counted = []
    async with anyio.create_task_group() as tasks:
        raw = bind(place)
        tasks.start_soon(lambda: listen(raw, VERBS, patience=lambda: 5.0, attend=counted.append))
        async with await anyio.connect_unix(place):
            while not counted:
                await anyio.lowlevel.checkpoint()
            assert b"queue_full" in await _ask(place, HELLO)
        await _left(counted)
        assert b'"welcome"' in await _ask(place, HELLO)
        await _left(counted)
        assert counted == [1, 0, 1, 0]
        tasks.cancel_scope.cancel()
