"""The doctor's judgement of what macOS does to a background program: interpreter, folders, Login Items. Pure."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from innkeepd.config.address import is_loopback
from innkeepd.config.schema import Config
from innkeepd.service.facts import Facts, Finding
from innkeepd.service.installation import Installation

REINSTALL = (
    "install innkeep anew (`pipx reinstall innkeep`, `uv tool install --force 'innkeep[daemon]'`, or for a virtual "
    "environment `python3 -m venv --upgrade FOLDER`), then `innkeep service install`"
)
STABLE_WAY = "`pipx install` or `uv tool install`, from a Python of python.org or uv; then `innkeep service install`"


def check_interpreter(facts: Facts) -> Finding:
    """Whether what the service starts is still there, and stays there."""
    found = facts.installation
    return Finding("interpreter", "ok", "not looked at") if found is None else interpreter(found)


def interpreter(found: Installation) -> Finding:
    """The same, of an installation alone."""
    if not found.interpreter_works:
        saw = f"{found.program} starts {found.interpreter}, which is gone"
        why = "launchd holds the socket and fails to start the daemon every 10 s: every client hangs"
        return Finding("interpreter", "error", saw, why, REINSTALL)
    if found.fragile:
        why = "after that the service fails to start, and every client hangs"
        return Finding("interpreter", "warning", found.fragile, why, STABLE_WAY)
    return Finding("interpreter", "ok", str(found.interpreter or found.program))


def check_folders(facts: Facts) -> Finding:
    """Whether macOS guards a folder that the service needs."""
    found = facts.installation
    return Finding("folders", "ok", "not looked at") if found is None else folders(found)


def folders(found: Installation) -> Finding:
    """The same, of an installation alone."""
    if not found.protected:
        return Finding("folders", "ok", "none of the service's files is in a folder that macOS guards")
    names = ", ".join(str(path) for path in dict.fromkeys(found.protected))
    why = "a background program is denied such folders, or waits for a question that nobody sees (read, never tried)"
    mend = (
        "move it out of Desktop, Documents, Downloads, iCloud and /Volumes, or allow it: "
        "System Settings > Privacy & Security > Files & Folders, or Full Disk Access"
    )
    return Finding("folders", "warning", f"in a guarded folder: {names}", why, mend)


def check_login_item(facts: Facts) -> Finding:
    """Whether the installed job is loaded; the switch in Login Items keeps it out, and ``enable`` doesn't undo that."""
    view = facts.view
    if facts.platform != "darwin" or view is None or not view.installed or view.job is not None:
        return Finding("login_item", "ok", "nothing keeps the service from starting at login")
    why = "the daemon isn't there, and won't be after the next login"
    if facts.disabled:
        saw = "the service was switched off with `launchctl disable`"
        return Finding("login_item", "warning", saw, why, "innkeep service install")
    saw = "installed, but not loaded: stopped, or switched off in System Settings"
    mend = (
        "innkeep service start; where it is gone again after a login: System Settings > General > "
        "Login Items & Extensions, allow innkeepd (an item of an unidentified developer)"
    )
    return Finding("login_item", "warning", saw, why, mend)


def check_rosetta(facts: Facts) -> Finding:
    """Whether an Intel Python runs innkeep on Apple silicon."""
    if facts.installation is None or not facts.installation.translated:
        return Finding("rosetta", "ok", "not translated")
    why = "everything takes longer, and an Intel Ollama from the same Homebrew would have no Metal"
    mend = "install a Python for arm64 (Homebrew in /opt/homebrew, python.org, or uv), then innkeep with it"
    return Finding("rosetta", "warning", "an Intel Python runs under Rosetta on Apple silicon", why, mend)


def check_local_network(facts: Facts) -> Finding:
    """Whether engines on the local network are behind the wall of macOS 15 for background programs."""
    hosts = lan_hosts(facts.config)
    if facts.platform != "darwin" or not hosts:
        return Finding("local_network", "ok", "no engine is on the local network")
    view = facts.view
    if view is None or view.job is None:
        return Finding("local_network", "ok", f"{', '.join(hosts)}: reached from a terminal as anything else")
    why = "macOS 15 and later deny it to what launchd starts: the daemon says `no route to host` (read, never tried)"
    mend = (
        "if it says so in `innkeep service logs`: System Settings > Privacy & Security > Local Network, allow Python "
        "where it is listed; else `innkeepd run` in a terminal, which may"
    )
    return Finding("local_network", "warning", f"the service asks the local network: {', '.join(hosts)}", why, mend)


def lan_hosts(config: Config) -> list[str]:
    """Hosts of engines in this network: private or link-local addresses, and names in ``.local`` or without a dot."""
    urls = (config.ollama.url, *(backend.url for backend in config.backends))
    return list(dict.fromkeys(host for url in urls if (host := urlsplit(url).hostname or "") and is_lan(host)))


def is_lan(host: str) -> bool:
    """Whether this host is in the local network, as far as its name tells."""
    if is_loopback(host):
        return False
    try:
        return ip_address(host).is_private
    except ValueError:
        return host.endswith(".local") or "." not in host


MAC = (check_interpreter, check_folders, check_login_item, check_rosetta, check_local_network)
"""In the order in which a person should mend things."""
