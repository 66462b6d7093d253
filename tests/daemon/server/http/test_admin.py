from contextlib import asynccontextmanager

import pytest

from innkeepd.backends.backend import BackendFault
from innkeepd.server.http.admin import AdminProxy
from innkeepd.server.http.errors import HttpFault
from innkeepd.server.http.response import Response

BLOB = "/api/blobs/sha256:" + "0" * 64


def test_pulling_is_always_allowed_and_deleting_never_by_itself():
    disk = AdminProxy(None, allowed=())
    disk.refuse_unless_allowed("/api/pull")
    with pytest.raises(HttpFault, match='allow_admin = \\["delete"\\]') as told:
        disk.refuse_unless_allowed("/api/delete")
    assert told.value.status == 403


def test_blobs_go_with_create():
    AdminProxy(None, allowed=("create",)).refuse_unless_allowed(BLOB)
    with pytest.raises(HttpFault):
        AdminProxy(None, allowed=("copy",)).refuse_unless_allowed(BLOB)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/api/pull", True),
        ("HEAD", BLOB, True),
        ("POST", BLOB.replace(":", "-"), True),
        ("POST", "/api/blobs/x", False),
        ("POST", "/api/blobs/../delete", False),
        ("POST", f"{BLOB}/../../delete", False),
        ("POST", f"{BLOB}\r\nX: y", False),
        ("POST", f"{BLOB}\n", False),
        ("POST", BLOB.upper(), False),
        ("GET", "/api/pull", False),
        ("POST", "/api/x", False),
    ],
)
def test_it_knows_its_paths(method, path, expected):
    assert AdminProxy(None, allowed=()).serves(method, path) is expected


class _Engine:
    """An engine that answers with ``parts`` and then breaks off."""

    def __init__(self, parts, status=200, **headers):
        self.parts, self.status, self.headers = parts, status, {k.replace("_", "-"): v for k, v in headers.items()}
        self.backend = self.pulled = self

    @asynccontextmanager
    async def forward(self, *_):
        yield self

    async def chunks(self):
        for part in self.parts:
            yield part
        raise BackendFault("backend_unreachable", "gone")

    def look_anew(self):
        pass


async def _passed(engine):
    """What a client gets of a pull: the messages that it is sent."""
    heard = []

    async def send(message):
        heard.append(message)

    await AdminProxy(engine, allowed=()).pass_through(
        "POST", "/api/pull", b"{}", Response(send, extra=[], is_full=bool)
    )
    return heard


@pytest.mark.anyio
@pytest.mark.parametrize("part", [b'{"status":"pulling"}\n', b'{"status":"pulling"}'])
async def test_a_pull_that_breaks_off_ends_with_an_error_record(part):
    heard = await _passed(_Engine([part]))
    lines = b"".join(each.get("body", b"") for each in heard).splitlines()
    assert lines[0] == b'{"status":"pulling"}'
    assert lines[1].startswith(b'{"error":"gone"')
    assert len(lines) == 2
    assert heard[-1]["more_body"] is False


@pytest.mark.anyio
async def test_an_answer_of_a_told_length_that_breaks_off_is_left_unfinished():
    heard = await _passed(_Engine([b"{"], content_length="99"))
    assert heard[-1]["more_body"] is True


@pytest.mark.anyio
async def test_a_redirect_is_an_error_and_no_success():
    with pytest.raises(HttpFault, match="redirects") as told:
        await _passed(_Engine([], status=307))
    assert told.value.status == 502
