import asyncio
import socket
import ssl
import subprocess
from errno import ECONNREFUSED, EHOSTUNREACH

import httpx2
import pytest

from innkeepd.backends import http
from innkeepd.backends.backend import BackendFault
from innkeepd.backends.http import HttpClient, Unreachable, _said, words
from innkeepd.backends.loopback import LoopbackTransport
from innkeepd.machine.sleep import Instant
from support.remote import RemoteEngine

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def client(handler):
    return HttpClient("http://far.test:8000/base/", connect_timeout=1, transport=httpx2.MockTransport(handler))


async def fetch(http, *request):
    async with http.request(*request) as answer:
        return answer.status, answer.headers, await answer.read()


# --- what is sent ---


async def test_a_request_has_the_path_behind_the_address_and_plain_headers():
    sent = []

    def handler(request):
        sent.append(request)
        return httpx2.Response(200, headers={"X-Thing": "1", "set-cookie": "a=b"}, stream=httpx2.ByteStream(b"hi"))

    http = client(handler)
    for _ in range(2):
        status, headers, body = await fetch(http, "POST", "/api/x%20y?z=1", b"{}", {"content-type": "application/json"})
    assert (status, headers["x-thing"], body) == (200, "1", b"hi")
    assert str(sent[1].url) == "http://far.test:8000/base/api/x%20y?z=1"
    assert dict(sent[1].headers) == {
        "host": "far.test:8000",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": "2",
    }
    assert sent[1].content == b"{}"


async def test_redirects_are_answers_and_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    http = client(lambda _: httpx2.Response(302, headers={"location": "/other"}, stream=httpx2.ByteStream(b"there")))
    assert (await fetch(http, "GET", "/"))[::2] == (302, b"there")


@pytest.mark.parametrize("token", ["", "s3cret"])
async def test_our_token_is_shown_and_never_the_clients_own(token):
    engine = RemoteEngine(token=token)
    theirs = {"Authorization": "Bearer theirs", "X-Api-Key": "theirs", "Cookie": "id=1", "x-other": "2"}
    await fetch(engine, "GET", "/v1/models", None, theirs)
    ours = {"authorization": "Bearer s3cret"} if token else {}
    assert engine.asked[0][3] == {"x-other": "2"} | ours


def test_the_token_is_in_no_repr():
    http = HttpClient("http://a:1", connect_timeout=1, token="s3cret")
    assert repr(http) == "<HttpClient http://a:1 with a token>"


async def test_the_urls_that_are_kept_are_bounded():
    http = client(lambda _: httpx2.Response(200, stream=httpx2.ByteStream(b"")))
    for number in range(250):
        await fetch(http, "GET", f"/{number}")
    assert len(http._urls) <= 100


# --- which transport ---


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://localhost:11434", True),
        ("http://127.8.8.8/path", True),
        ("http://[::1]:11434", False),
        ("https://127.0.0.1:11434", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://192.168.1.5:8000", False),
    ],
)
async def test_our_own_transport_serves_plain_http_to_this_machine_and_nothing_else(url, is_ours):
    http = HttpClient(url, connect_timeout=1)
    await http.open()
    assert isinstance(http._transport, LoopbackTransport) == is_ours
    await http.aclose()


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio_httpxs_own_transport_serves_this_machine_too(anyio_backend):
    http = HttpClient("http://127.0.0.1:1", connect_timeout=1)
    with pytest.raises(Unreachable, match="connection refused"):
        await fetch(http, "GET", "/")
    assert isinstance(http._transport, httpx2.AsyncHTTPTransport)
    await http.aclose()


async def test_connections_to_another_machine_are_not_believed_after_a_sleep(monkeypatch):
    slept = 0.0
    instant = http.this_instant
    monkeypatch.setattr(http, "this_instant", lambda: Instant(instant().wall + slept, instant().mono))
    far = HttpClient("http://far.test", connect_timeout=1)
    first = await far._ready()
    assert await far._ready() is first
    trust = far._trust
    slept = 8 * 3600.0
    assert await far._ready() is not first
    assert first.is_closed
    assert far._trust is trust is not None
    await far.aclose()


async def test_two_first_requests_share_one_client():
    far = HttpClient("http://far.test", connect_timeout=1)
    first, second = await asyncio.gather(far._ready(), far._ready())
    assert first is second
    await far.aclose()


# --- what goes wrong ---


def failing(error):
    def handler(_request):
        raise error

    return client(handler)


def raised(cause, kind=httpx2.ConnectError):
    """An error of httpx as it comes: caused by another one."""
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "reported"),
    [
        (httpx2.ConnectTimeout(""), "no connection in time"),
        (
            raised(ConnectionRefusedError(ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")),
            "connection refused",
        ),
        (
            raised(OSError(f"Multiple exceptions: [Errno {ECONNREFUSED}] Connect call failed ('::1', 1), ...")),
            "connection refused",
        ),
        (
            raised(ExceptionGroup("", [ConnectionRefusedError(ECONNREFUSED, "x"), OSError("y")])),
            "connection refused",
        ),
        (raised(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (
            raised(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            "[SSL: WRONG_VERSION_NUMBER] wrong version number",
        ),
        (httpx2.ConnectError(""), "ConnectError"),
        (UnicodeError("label too long"), "label too long"),
        (httpx2.ReadError(""), "the server disconnected"),
        (httpx2.WriteError(""), "the server disconnected"),
        (httpx2.RemoteProtocolError("Server disconnected without sending a response."), "the server disconnected"),
        (httpx2.RemoteProtocolError("illegal status line"), "what answers there does not speak HTTP"),
    ],
)
async def test_a_request_without_an_answer_says_why_in_a_few_words(error, reported):
    with pytest.raises(Unreachable) as fault:
        await fetch(failing(error), "GET", "/")
    assert (fault.value.code, str(fault.value)) == ("backend_unreachable", f"http://far.test:8000/base: {reported}")


async def test_a_body_that_breaks_off_is_a_fault_and_no_missing_answer():
    engine = RemoteEngine()
    engine.chunks = [b"a", httpx2.ReadError("reset")]
    async with engine.request("POST", "/v1/chat/completions", b"{}") as answer:
        chunks = answer.chunks()
        assert await anext(chunks) == b"a"
        with pytest.raises(BackendFault, match="the connection broke in mid-answer") as fault:
            await anext(chunks)
    assert not isinstance(fault.value, Unreachable)
    assert engine.open_answers == 0


async def test_what_cannot_be_sent_is_the_requests_fault():
    with pytest.raises(BackendFault, match="cannot be sent to an engine: no") as fault:
        await fetch(failing(httpx2.LocalProtocolError("no")), "GET", "/")
    assert fault.value.code == "bad_request"


@pytest.mark.parametrize("place", ["before the head", "in the body"])
async def test_a_fault_of_our_own_stays_what_it_is(place):
    engine = RemoteEngine()
    engine.chunks = [KeyError("ours")]
    http = engine if place == "in the body" else failing(KeyError("ours"))
    with pytest.raises(KeyError):
        await fetch(http, "POST", "/v1/chat/completions", b"{}")
    assert words(KeyError()) is None


async def test_an_answer_over_the_cap_is_the_requests_fault_and_says_what_to_do():
    engine = RemoteEngine()
    engine.chunks = [b"x" * 2**20] * 17
    with pytest.raises(BackendFault, match=r"over 16 MiB.*send fewer texts") as fault:
        await fetch(engine, "POST", "/v1/embeddings", b"{}")
    assert fault.value.code == "bad_request"


@pytest.fixture
def certificate(tmp_path):
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return tmp_path / "cert", tmp_path / "key"


async def test_https_speaks_only_to_whom_its_certificate_vouches_for(certificate, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stranger = HttpClient(url, connect_timeout=5)
    with pytest.raises(Unreachable, match="certificate is not to be trusted: self"):
        await fetch(stranger, "GET", "/")
    await stranger.aclose()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    friend = HttpClient(url, connect_timeout=5)
    assert (await fetch(friend, "GET", "/"))[2] == b"hi"
    await friend.aclose()
    server.close()


def test_no_route_to_a_host_names_the_switch_of_macos_that_mostly_is_the_cause():
    assert "Privacy & Security > Local Network" in _said(EHOSTUNREACH, "darwin")
    assert _said(EHOSTUNREACH, "linux") == "no route to host"
    assert _said(ECONNREFUSED, "darwin") == "connection refused"
