"""Sockets that somebody opened for us: launchd's, and systemd's.

With them a client that connects while the daemon restarts waits for the new one instead of being refused, and the
daemon may start at the first connection. Whoever opened a socket owns its file: **an inherited socket's file is never
unlinked**, not at the start and not at the end.

* launchd: ``launch_activate_socket(3)``, once a process: ENOENT: no such key in the plist; ESRCH: launchd didn't start
  us; EALREADY: asked before. It was never tried on a Mac by us: the tests run a library of their own.
* systemd: ``sd_listen_fds(3)``: ``LISTEN_PID`` is us, ``LISTEN_FDS`` sockets from descriptor 3 on.
"""

import ctypes
import os
import socket
import stat
from collections.abc import Callable, Iterable, MutableMapping
from errno import EALREADY, ENOENT, ESRCH
from typing import Any

LAUNCHD_NAMES = ("Listeners", "Http")
"""The keys under ``Sockets`` in the plist (``service/plist.py``): the control socket, and the HTTP port."""

LAUNCHD_LABELS = ("dev.innkeep.innkeepd", "homebrew.mxcl.innkeep")
SYSTEMD_FIRST = 3
BACKLOG = 128
LIBSYSTEM = "/usr/lib/libSystem.B.dylib"


class ActivationFailed(Exception):
    """launchd has sockets for us and didn't hand them over."""


def inherited(
    environ: MutableMapping[str, str] = os.environ,
    *,
    platform: str,
    library: Callable[[], Any] | None = None,
    names: Iterable[str] = LAUNCHD_NAMES,
) -> list[socket.socket]:
    """The listening stream sockets that launchd or systemd opened for this process, non-blocking; [] for none.

    Unix sockets are for the control protocol, others for HTTP. Call it once, early.

    Raises ``ActivationFailed`` where launchd answers what its manual doesn't say.
    """
    descriptors = systemd_descriptors(environ)
    if not descriptors and platform == "darwin":
        descriptors = [one for name in names for one in launchd_descriptors(name, library or _libsystem)]
    return [_ready(descriptor) for descriptor in descriptors if _is_listening(descriptor)]


def is_reachable(listener: socket.socket) -> bool:
    """Whether a client that connects to this Unix socket's name ends up at it, or at least at somebody.

    Not where the file was deleted: launchd keeps listening on the nameless rest, and hands that to each new daemon. Nor
    where launchd could not bind (nix-installer#1517) and passes a socket that never had a name; ``SO_ACCEPTCONN``,
    which tells that elsewhere, is not in XNU's ``sogetopt``.
    """
    try:
        name = listener.getsockname()
        if listener.family != socket.AF_UNIX:
            return True
        listener.listen(BACKLOG)
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(name)
        except BlockingIOError:  # a full queue is somebody's queue
            return True
        except OSError:
            return False
        return True


def is_supervised(environ: MutableMapping[str, str]) -> bool:
    """Whether launchd or systemd started us and holds our socket, so that to exit means to be started again.

    Ask before ``inherited``. launchd sets XPC_SERVICE_NAME to the job's label (in a terminal it is ``0`` or the
    terminal's own); systemd's next connection would start us again even after an exit that it doesn't answer.
    """
    return environ.get("XPC_SERVICE_NAME", "") in LAUNCHD_LABELS or environ.get("LISTEN_PID") == str(os.getpid())


def systemd_descriptors(environ: MutableMapping[str, str]) -> list[int]:
    """The descriptors that systemd passed to this process.

    Its variables are taken out of ``environ``, so that our children don't believe them too.
    """
    pid, count = environ.get("LISTEN_PID", ""), environ.get("LISTEN_FDS", "")
    if not (pid.isdecimal() and count.isdecimal() and int(pid) == os.getpid()):
        return []
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(variable, None)
    return list(range(SYSTEMD_FIRST, SYSTEMD_FIRST + int(count)))


def launchd_descriptors(name: str, library: Callable[[], Any]) -> list[int]:
    """The descriptors that launchd has under ``name``; [] where launchd has none for us, or handed them over before."""
    try:
        system = library()
        activate = system.launch_activate_socket
    except (OSError, AttributeError):
        return []
    activate.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.POINTER(ctypes.c_int)), ctypes.POINTER(ctypes.c_size_t)]
    activate.restype = ctypes.c_int
    system.free.argtypes = [ctypes.c_void_p]
    system.free.restype = None
    numbers = ctypes.POINTER(ctypes.c_int)()
    count = ctypes.c_size_t(0)
    error = activate(name.encode(), ctypes.byref(numbers), ctypes.byref(count))
    if error in (ENOENT, ESRCH, EALREADY):
        return []
    if error:
        raise ActivationFailed(f"launch_activate_socket({name!r}) failed: {os.strerror(error)}")
    try:
        return [numbers[index] for index in range(count.value)]
    finally:
        system.free(ctypes.cast(numbers, ctypes.c_void_p))


def _libsystem() -> Any:
    return ctypes.CDLL(LIBSYSTEM, use_errno=True)


def _is_listening(descriptor: int) -> bool:
    """Whether it is a stream socket in a state to accept; something else that was passed is left alone."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as look:
            return look.type == socket.SOCK_STREAM and _accepts(look)
    except OSError:
        return False


def _accepts(look: socket.socket) -> bool:
    """SO_ACCEPTCONN where the kernel tells it; one that doesn't is believed to have passed what it should."""
    try:
        return bool(look.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except (OSError, AttributeError):
        return True


def _ready(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    ready = socket.socket(fileno=descriptor)
    if ready.family != socket.AF_UNIX and ready.proto != socket.IPPROTO_TCP:
        # macOS does not tell the protocol of a socket, and asyncio sets TCP_NODELAY on those of TCP only.
        ready = socket.socket(ready.family, ready.type, socket.IPPROTO_TCP, fileno=ready.detach())
    ready.setblocking(False)
    return ready
