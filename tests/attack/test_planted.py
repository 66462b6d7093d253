"""The planted bugs of ``make attack-check`` still have their places."""

import importlib.util
import shutil
from pathlib import Path

_CHECK = Path(__file__).parent / "planted" / "check.py"


def test_every_planted_bug_has_exactly_one_place_in_the_sources(tmp_path):
    spec = importlib.util.spec_from_file_location("planted_check", _CHECK)
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    for folder in check.SOURCES:
        shutil.copytree(check.ROOT / folder, tmp_path / folder)
    assert len(check.BUGS) >= 5
    for bug in check.BUGS:
        planted = check.plant(bug, tmp_path)
        compile(planted.read_text(), planted, "exec")
