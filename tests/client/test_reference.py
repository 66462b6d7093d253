"""The page of the protocol is what its types say."""

import re
from pathlib import Path
from typing import get_args

import pytest

from innkeep import errors, wire
from innkeep.reference import page

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_page_is_made_from_the_structs():
    assert PAGE.read_text("utf-8") == page(), "run: python -m innkeep.reference > docs/protocol.md"


def test_every_message_every_part_and_every_code_is_there():
    text = page()
    for union, kind in ((wire.Request, "request"), (wire.Reply, "reply")):
        for message in get_args(union):
            assert f"### {kind} `{message.__struct_config__.tag}`\n" in text
    for part in ("Message", "Failed", "Resident", "ModelState", "Estimate"):
        assert f"### {part}\n" in text
    for code in errors.CODES:
        assert f"| `{code}` |" in text
    assert "connection_failed" not in text


def test_every_link_leads_to_a_heading():
    text = page()
    headings = {
        line.lstrip("# ").replace("`", "").replace(" ", "-").lower()
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= headings


@pytest.mark.parametrize(
    "row",
    [
        "| [`watch`](#request-watch) | [`status`](#reply-status)*, [`event`](#reply-event)*, until it is cancelled |",
        "| [`load`](#request-load) | [`loading`](#reply-loading)*, [`loaded`](#reply-loaded) **end** |",
        "| `input` | string or list of string | required |",
        "| `data` | map | `{}` |",
        "| `footprints` | map of [Estimate](#estimate) | `{}` |",
        "| `usage` | [Usage](#usage) | required |",
    ],
)
def test_rows_read_like_this(row):
    assert f"\n{row}\n" in page()
