import pytest

from innkeepd.errors import DaemonError
from innkeepd.service.errors import NotInstalled, ServiceFault, Unsupported


@pytest.mark.parametrize("kind", [ServiceFault, NotInstalled, Unsupported])
def test_every_fault_of_the_service_is_one_line_of_the_daemons(kind: type[ServiceFault]):
    assert issubclass(kind, DaemonError)
    assert str(kind("what, where, what to do")) == "what, where, what to do"
