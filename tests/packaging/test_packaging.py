"""What can be said of the packaging without a Mac, brew or GitHub."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from innkeepd.service.launchctl import STATUSES
from innkeepd.service.plist import LABEL

ROOT = Path(__file__).parents[2]
FORMULA = ROOT / "packaging" / "homebrew" / "innkeep.rb"


def test_the_workflow_runs_on_a_mac_and_on_linux():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "macos-15" in text
    assert "ubuntu-" in text
    assert {"make run", "make test"} <= set(re.findall(r"run: (make \w+)$", text, re.MULTILINE))


def test_the_page_on_launchd_knows_every_status_and_says_what_was_never_tried():
    text = (ROOT / "packaging" / "launchd" / "README.md").read_text()
    table = text.split("| `launchctl` says |")[1]
    assert all(re.search(rf"\b{status}\b", table) for status in STATUSES if status not in (0, 17))
    assert "none of this has ever been run on a Mac" in text
    assert f"{LABEL}.plist" in text


def test_the_formula_runs_the_daemon_as_the_plist_does_and_says_that_it_was_never_tried():
    text = FORMULA.read_text()
    assert 'run [opt_bin/"innkeepd", "run"]' in text
    assert "keep_alive successful_exit: false" in text
    assert "never been tried with brew" in text


@pytest.mark.skipif(shutil.which("ruby") is None, reason="needs ruby")
def test_the_formula_is_ruby():
    assert subprocess.run(["ruby", "-c", FORMULA], capture_output=True, check=False).returncode == 0
