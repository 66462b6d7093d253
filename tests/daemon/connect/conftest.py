import pytest

from innkeepd.connect.merge import Person


@pytest.fixture
def person(tmp_path):
    """Somebody with an empty home folder and nothing on PATH."""
    environ = {"HOME": str(tmp_path), "PATH": "", "INNKEEP_HOME": str(tmp_path / ".innkeep")}
    return Person(environ, tmp_path, "linux", tmp_path / ".innkeep")
