"""The package's own face."""

import subprocess
import sys

import pytest

import innkeep


@pytest.mark.parametrize("name", innkeep.__all__)
def test_everything_in_all_is_there(name):
    assert getattr(innkeep, name).__name__.rpartition(".")[2] == name
    assert name in dir(innkeep)


def test_nothing_else_is():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = innkeep.Nothing


def test_importing_it_imports_nothing_else():
    code = (
        "import sys; before = {*sys.modules}; import innkeep; "
        "print([one for one in ('anyio', 'msgspec', 'socket') if one in {*sys.modules} - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
