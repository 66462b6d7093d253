"""What the pages name is there: files of the tree, tests that show a claim, limits as the program has them."""

import re
from pathlib import Path

import pytest

from innkeep import wire
from innkeepd.server.http import connection
from innkeepd.server.socket import admin_verbs, bulk, listener, session

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").rglob("*.md")])
SECURITY = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:tests|daemon|client|scripts|packaging|tools|docs|examples)/[A-Za-z0-9_./-]+?)(?:::(\w+))?`")
LIMITS = {
    "HTTP: connections": connection.CONNECTIONS,
    "HTTP: memory of": connection.CONNECTIONS,
    "HTTP: a head, from": int(connection.HEAD_WITHIN),
    "HTTP: a head |": connection.HEAD // 1024,
    "HTTP: the rest of a body": connection.REST // 2**20,
    "HTTP: requests behind": connection.PIPELINED,
    "both: values of one message": bulk.MOST,
    "socket: a message": round(wire.MAX_FRAME / 2**20),
    "socket: connections": listener.CONNECTIONS,
    "socket: watches": admin_verbs.WATCHERS,
    "socket: open requests": session.MOST_OPEN,
    "socket: events that a watcher": admin_verbs.MOST_UNSENT // 2**20,
    "socket: decision records": admin_verbs.MOST_RECORDS,
}
"""The first words of a row of the limits in docs/security.md, and the number in it."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_and_test_that_a_page_names_exists(page):
    missing = []
    for path, test in NAMED.findall(page.read_text(encoding="utf-8")):
        there = (ROOT / path).exists()
        if not there or (test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8")):
            missing.append(f"{path}{'::' if test else ''}{test}")
    assert missing == []


@pytest.mark.parametrize("row", LIMITS)
def test_the_limits_of_the_security_page_are_the_programs(row):
    lines = [line for line in SECURITY.splitlines() if line.startswith(f"| {row}")]
    assert len(lines) == 1
    assert re.search(rf"\b{LIMITS[row]:,}\b", lines[0]), f"{lines[0]} does not name {LIMITS[row]:,}"
