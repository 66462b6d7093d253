import pytest

from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.response import Response

pytestmark = pytest.mark.anyio


async def test_every_head_names_its_request_and_has_the_extra_headers():
    sent = []

    async def send(message):
        sent.append(message)

    reply = Response(send, extra=[(b"vary", b"origin")], is_full=lambda: False)
    assert not reply.begun
    await reply.fault("native", HttpFault(404, "model 'x' not found"))
    headers = dict(sent[0]["headers"])
    assert reply.begun
    assert headers[b"x-innkeep-request"] == reply.identity.encode()
    assert headers[b"vary"] == b"origin"
    assert headers[b"content-length"] == str(len(sent[1]["body"])).encode()
    assert reply.identity in repr(reply)
