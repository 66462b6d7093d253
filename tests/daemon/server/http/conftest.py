import pytest

from support.house import mock_clock


@pytest.fixture
def anyio_backend():
    return mock_clock()
