import pytest

from innkeepd.inbound.http.disk import Disk
from innkeepd.inbound.http.errors import HttpFault


def test_pulling_is_always_allowed_and_deleting_never_by_itself():
    disk = Disk(None, allowed=())
    disk.refuse_unless_allowed("/api/pull")
    with pytest.raises(HttpFault, match='allow_admin = \\["delete"\\]') as told:
        disk.refuse_unless_allowed("/api/delete")
    assert told.value.status == 403


def test_blobs_go_with_create():
    Disk(None, allowed=("create",)).refuse_unless_allowed("/api/blobs/sha256:00")
    with pytest.raises(HttpFault):
        Disk(None, allowed=("copy",)).refuse_unless_allowed("/api/blobs/sha256:00")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/api/pull", True),
        ("HEAD", "/api/blobs/x", True),
        ("GET", "/api/pull", False),
        ("POST", "/api/x", False),
    ],
)
def test_it_knows_its_paths(method, path, expected):
    assert Disk(None, allowed=()).serves(method, path) is expected
