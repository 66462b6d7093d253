import pytest

from support.daemon import mock_clock


@pytest.fixture
def anyio_backend():
    return mock_clock()
