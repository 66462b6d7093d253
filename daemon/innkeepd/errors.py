"""What can go wrong inside the daemon before or beside a request.

    DaemonError                one line for a person, never a traceback
    └── ConfigError            the configuration is broken: what, where (file and key, or line); wire code bad_config

Faults of an engine are ``backends.backend.BackendFault``; errors that clients receive are in ``innkeep.errors``.
"""

__all__ = ["EX_CONFIG", "EX_SOFTWARE", "ConfigError", "DaemonError"]

EX_SOFTWARE = 70
"""Exit status where the owner of the memory met a fault of its own (``sysexits.h``); launchd and systemd restart it."""

EX_CONFIG = 78
"""Exit status for a ``ConfigError`` in the foreground (``sysexits.h``)."""


class DaemonError(Exception):
    """Root of the tree; ``str()`` is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigError(DaemonError):
    """The configuration can't be used."""
