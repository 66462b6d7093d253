"""What can go wrong with the service.

ServiceFault               one clear line: what, where, what to do
├── NotInstalled           there is no plist (or unit)
└── Unsupported            this machine has no launchctl / systemctl
"""

from innkeepd.errors import DaemonError


class ServiceFault(DaemonError):
    """The service could not be brought to where it should be; ``str()`` tells what, where and what to do."""


class NotInstalled(ServiceFault):
    """There is nothing to start."""


class Unsupported(ServiceFault):
    """This machine has no service manager that we know, or none that answers."""
