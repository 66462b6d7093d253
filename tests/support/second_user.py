"""A second user of this machine: commands that run as ``nobody``, for tests that run as root."""

import os
import shutil

NOBODY = 65534
WHY_NOT = "needs root and setpriv (util-linux) to be a second user"


def can_be_another_user() -> bool:
    """Whether commands can be run as ``nobody``."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


def as_nobody(*command: str) -> list[str]:
    """The command as ``nobody``, who may read every file (the interpreter may lie in root's home) and write none."""
    rights = "+dac_read_search"
    return [
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
        "--inh-caps", rights, "--ambient-caps", rights, "--", *command,
    ]  # fmt: skip
