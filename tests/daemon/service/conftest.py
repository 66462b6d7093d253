import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.service import FakeMac


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose sockets stay under 103 bytes, wherever pytest puts its own."""
    folder = Path(tempfile.mkdtemp(prefix="ik"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def mac(short_path: Path) -> FakeMac:
    return FakeMac(short_path)


@pytest.fixture
def linux(short_path: Path) -> FakeMac:
    return FakeMac(short_path, platform="linux")
