"""The home folder and this process's rights: what must hold before anything is opened there."""

import os
import resource
import stat
from contextlib import suppress
from pathlib import Path

from innkeepd.errors import DaemonError

MOST_DESCRIPTORS = 10_240
"""What is asked for where the hard limit is "unlimited": macOS takes no more (``OPEN_MAX`` in sys/syslimits.h)."""


def claim(folder: Path) -> None:
    """Make the home folder, or see that it is ours alone; its mode becomes 0700.

    Raises ``DaemonError`` where it belongs to another user or where others may write to it: whatever lies there (links
    in the place of our files, a socket of somebody else's) would be trusted.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise DaemonError(
                f"{folder} belongs to another user (uid {found.st_uid}); set INNKEEP_HOME to a folder of your own"
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise DaemonError(
                f"others may write to {folder}; look at what is in it, then allow it no more: chmod go-w {folder}"
            )
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        raise DaemonError(f"cannot use the home folder {folder}: {error.strerror}") from None


def raise_descriptors() -> None:
    """Allow this process as many open files as the system lets it; macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft not in (resource.RLIM_INFINITY, wanted) and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
