import pytest

from innkeepd.backends.auth import BearerTransport
from support.remote import RemoteEngine

pytestmark = pytest.mark.anyio


async def headers_sent(token, headers):
    engine = RemoteEngine()
    async with BearerTransport(engine, token).request("GET", "/v1/models", None, headers):
        pass
    return engine.asked[0][3]


async def test_our_token_is_shown_and_never_the_clients():
    sent = await headers_sent("s3cret", {"Authorization": "Bearer theirs", "X-Api-Key": "theirs", "accept": "*/*"})
    assert sent == {"accept": "*/*", "authorization": "Bearer s3cret"}


async def test_without_a_token_the_clients_own_still_stays_here():
    assert await headers_sent("", {"authorization": "Bearer theirs", "cookie": "id=1"}) == {}


async def test_the_token_is_in_no_repr():
    engine = RemoteEngine()
    transport = BearerTransport(engine, "s3cret")
    assert repr(transport) == f"<BearerTransport {engine.url} with a token>"
    assert repr(BearerTransport(engine)) == f"<BearerTransport {engine.url} without a token>"


async def test_closing_reaches_the_transport_underneath():
    engine = RemoteEngine()
    await BearerTransport(engine, "s3cret").aclose()
    assert engine.closed
