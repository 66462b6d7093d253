import json
import sys

import pytest

from innkeepd.machine import notify
from innkeepd.machine.notify import desktop_command, run_command

pytestmark = pytest.mark.anyio
SHOW = "import os, sys; open(sys.argv[1], 'w').write(os.environ['INNKEEP_TEXT'] + '|' + sys.stdin.read())"


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def run(command, data=b"{}"):
    reported = []
    await run_command(command, data, {"INNKEEP_TEXT": "지금"}, report=reported.append)
    return reported


async def test_a_command_gets_the_notice_on_its_input_and_in_its_environment(tmp_path):
    told = tmp_path / "told"
    assert await run([sys.executable, "-c", SHOW, str(told)], json.dumps({"kind": "x"}).encode()) == []
    assert told.read_text() == '지금|{"kind": "x"}'


async def test_no_shell_reads_the_words(tmp_path):
    spoilt = tmp_path / "spoilt"
    await run([sys.executable, "-c", "", f"; touch {spoilt}", f"$(touch {spoilt})"])
    assert not spoilt.exists()


async def test_what_fails_is_reported_in_a_sentence(monkeypatch):
    assert await run(["/nowhere/alert"]) == ["/nowhere/alert can't be run: No such file or directory"]
    assert await run([sys.executable, "-c", "raise SystemExit(3)"]) == [f"{sys.executable} ended with status 3"]
    monkeypatch.setattr(notify, "WITHIN", 0.01)
    (why,) = await run([sys.executable, "-c", "import signal; signal.pause()"])
    assert "was ended" in why


def test_only_macos_has_a_notification_and_the_text_is_never_a_part_of_the_script():
    text = '" & (do shell script "id") & "'
    command = desktop_command(text, "darwin")
    assert command[0] == "/usr/bin/osascript"
    assert command[-1] == text
    assert text not in command[2]
    assert desktop_command(text, "linux") is None
