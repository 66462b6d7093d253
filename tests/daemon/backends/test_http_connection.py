import asyncio

import pytest

from innkeepd.backends.http import Unreachable
from innkeepd.backends.http_connection import READ_AHEAD, Connection

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Wire:
    """What a connection does to its socket."""

    def __init__(self):
        self.sent = b""
        self.paused = False
        self.aborted = False

    def is_closing(self):
        return self.aborted

    def write(self, data):
        self.sent += data

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def abort(self):
        self.aborted = True


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
def connection(wire):
    connection = Connection()
    connection.connection_made(wire)
    return connection


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_response_is_read_however_it_is_cut(connection, wire):
    connection.send(b"GET /")
    for byte in HEAD + b"3\r\none\r\n0\r\n\r\n":
        connection.data_received(bytes([byte]))
    await connection.head()
    assert (wire.sent, connection.status, connection.headers["content-type"]) == (b"GET /", 200, "text/plain")
    assert not connection.is_reusable
    assert (await connection.piece(), await connection.piece()) == (b"one", b"")
    assert connection.is_reusable
    assert repr(connection) == "<Connection free, 0 bytes kept>"


async def test_a_reader_is_woken_by_what_comes(connection):
    connection.send(b"GET /")
    reading = asyncio.ensure_future(connection.head())
    await asyncio.sleep(0)
    connection.data_received(HEAD)
    connection.data_received(b"3\r\none\r\n")
    await reading
    assert repr(connection) == "<Connection answering, 3 bytes kept>"


async def test_a_slow_reader_stops_the_socket_and_starts_it_again(connection, wire):
    connection.send(b"GET /")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * (READ_AHEAD + 1))
    assert wire.paused
    assert len(await connection.piece()) == READ_AHEAD + 1
    assert not wire.paused


async def test_words_that_nobody_asked_for_end_a_connection(connection, wire):
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert wire.aborted
    assert not connection.is_reusable


async def test_a_broken_connection_gives_what_came_before_it_broke(connection):
    connection.send(b"GET /")
    connection.data_received(HEAD + b"3\r\none\r\n")
    connection.connection_lost(None)
    await connection.head()
    assert await connection.piece() == b"one"
    with pytest.raises(Unreachable, match="broke in mid-answer"):
        await connection.piece()
    assert repr(connection) == "<Connection lost, 0 bytes kept>"


async def test_an_upgrade_that_nobody_asked_for_is_no_answer(connection, wire):
    connection.send(b"GET /")
    connection.data_received(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    with pytest.raises(Unreachable, match="does not speak HTTP"):
        await connection.head()
    assert wire.aborted


async def test_a_response_with_text_left_to_read_is_not_waited_for(connection, wire):
    connection.send(b"GET /")
    connection.data_received(HEAD + b"3\r\none\r\n")
    connection.leave(pytest.fail)
    assert wire.aborted


async def test_a_whole_response_frees_its_connection_at_once(connection):
    freed = []
    connection.send(b"GET /")
    connection.data_received(HEAD + b"0\r\n\r\n")
    connection.leave(freed.append)
    assert freed == [connection]
    connection.close()
    connection.connection_lost(None)
    connection.close()
    assert connection.is_lost
