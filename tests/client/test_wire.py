"""What every message keeps to."""

from typing import get_args

import msgspec
import pytest

from innkeep import wire
from support.messages import REPLIES, REQUESTS

MESSAGES = (*get_args(wire.Request), *get_args(wire.Reply))


@pytest.mark.parametrize("message", [*REQUESTS, *REPLIES], ids=lambda one: type(one).__name__)
def test_messages_are_frozen_maps_with_a_tag_and_a_docstring(message):
    config = message.__struct_config__
    assert (config.frozen, config.array_like, config.tag_field) == (True, False, "type")
    assert (type(message).__doc__ or "").strip()
    with pytest.raises(AttributeError):
        message.id = 5


def test_no_two_requests_and_no_two_replies_share_a_name():
    for union in (wire.Request, wire.Reply):
        names = [kind.__struct_config__.tag for kind in get_args(union)]
        assert len(names) == len(set(names))


def test_only_a_watch_goes_on_after_its_snapshot():
    status = next(one for one in REPLIES if isinstance(one, wire.Status))
    event = next(one for one in REPLIES if isinstance(one, wire.Event))
    assert wire.is_end(wire.StatusAsk(id=1), status)
    assert not wire.is_end(wire.Watch(id=1), status)
    assert not wire.is_end(wire.Watch(id=1), event)
    assert wire.is_end(wire.Watch(id=1), wire.Error(id=1, code="cancelled", message=""))


def test_the_cap_keeps_a_frames_first_byte_zero():
    assert wire.MAX_FRAME.to_bytes(4, "big")[0] == 0
    assert (wire.MAX_FRAME + 1).to_bytes(4, "big")[0] == 1


def test_what_has_its_default_is_not_sent():
    assert msgspec.to_builtins(wire.Resume(id=1)) == {"type": "resume", "id": 1}
