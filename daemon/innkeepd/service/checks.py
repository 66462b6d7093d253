"""The doctor's judgement of innkeep itself: configuration, daemon, socket, service, ports, disk. Pure."""

from innkeepd.config.address import OLLAMA_PORT, same_place
from innkeepd.policy.memory.budget import gib
from innkeepd.policy.model import GIB
from innkeepd.service.facts import Facts, Finding, Level
from innkeepd.service.status import judge

ROOM_FOR_A_MODEL = 25 * GIB
"""Disk space that pulling a 32B takes, with something left."""

NO_ROOM = 2 * GIB


def check_config(facts: Facts) -> Finding:
    """Whether the configuration can be read."""
    if facts.config_fault:
        serves = facts.answer.how == "welcome"
        return Finding(
            "config",
            "error",
            facts.config_fault,
            "the daemon goes on with the one that it read before; after its next start it refuses every request"
            if serves
            else "the daemon refuses every request while the configuration is broken",
            "fix that line, then `innkeep config check`",
        )
    where = str(facts.config.file) if facts.config.file else "no file; everything has its default"
    return Finding("config", "ok", where)


def check_daemon(facts: Facts) -> Finding:
    """Whether somebody answers at the socket, and with what."""
    answer, path = facts.answer, facts.socket.path
    if answer.how == "welcome":
        return Finding("daemon", "ok", f"innkeepd {answer.version} answers, pid {answer.pid}")
    if answer.how == "error":
        mend = "`innkeep config check`" if answer.code == "bad_config" else "`innkeep service restart`"
        why = "the daemon runs, but refuses every request"
        return Finding("daemon", "error", f"it answers {answer.code}: {answer.message}", why, mend)
    saw = {
        "absent": f"there is no socket at {path}",
        "refused": f"nothing listens at {path}",
        "forbidden": f"{path} may not be opened by this user",
        "silent": f"something listens at {path} but does not answer",
    }[answer.how]
    mend = "`innkeep service restart`" if answer.how == "silent" else "`innkeep service install`, or `innkeepd run`"
    return Finding("daemon", "error", saw, "without the daemon, two big models can be loaded at once", mend)


def check_socket(facts: Facts) -> Finding:
    """Whether only the owner may reach the socket."""
    file = facts.socket
    if not file.exists:
        return Finding("socket", "ok", f"no file at {file.path}; the daemon makes it")
    if not file.is_socket:
        why = "the daemon can't listen where another file lies"
        return Finding("socket", "error", f"{file.path} is not a socket", why, f"mv {file.path} {file.path}.old")
    if facts.uid not in (file.owner, 0):
        why = "only its owner may talk to the daemon, and you are another user"
        return Finding("socket", "error", f"{file.path} belongs to uid {file.owner}", why, f"ls -l {file.path}")
    folder = file.path.rsplit("/", 1)[0]
    if file.mode & 0o077:
        why = "other users of this machine can reach your models"
        return Finding("socket", "warning", f"{file.path} has mode {file.mode:o}", why, f"chmod 600 {file.path}")
    if file.folder_mode & 0o022:
        why = "others may put their own socket in its place"
        return Finding("socket", "warning", f"{folder} has mode {file.folder_mode:o}", why, f"chmod 700 {folder}")
    return Finding("socket", "ok", f"{file.path}, mode {file.mode:o}")


def check_service(facts: Facts) -> Finding:
    """Whether the job is installed, current, loaded, and not there twice."""
    if facts.rival is not None:
        return Finding(
            "service",
            "warning",
            f"{facts.rival} starts an innkeepd too",
            "two daemons compete for the socket, and the second one is restarted again and again",
            "brew services stop innkeep",
        )
    if facts.view is None:
        why = "the daemon won't be there after the next login"
        return Finding("service", "warning", facts.view_fault or "it can't be seen", why, "innkeepd run")
    standing = judge(facts.view)
    if standing.state == "running" and facts.view.current:
        return Finding("service", "ok", f"{facts.view.target} runs")
    why = {
        "foreground": "it won't be there after the next login",
        "running": "an upgrade or a changed setting hasn't reached it yet",
        "not_installed": "the daemon won't be there after the next login",
        "stopped": "the daemon isn't there until the next login",
    }.get(standing.state, "the daemon is started and doesn't work")
    level: Level = "error" if standing.exit_status == 1 else "warning"
    return Finding("service", level, standing.why, why, standing.mend)


def check_port(facts: Facts) -> Finding:
    """Whether the HTTP port for existing tools is ours, and the drop-in arrangement is a whole one."""
    http, ollama = facts.config.http, facts.config.ollama.url
    where = f"{http.host}:{http.port}"
    if not http.enabled:
        return Finding("port", "ok", "the HTTP port is switched off")
    if facts.ollama.is_us or same_place(ollama, http.host, http.port):
        return Finding(
            "port",
            "error",
            f"ollama.url {ollama} leads back to innkeep",
            "every request would go round in circles",
            f"start Ollama elsewhere (docs/drop-in.md; not by `launchctl setenv`), e.g. on {OLLAMA_PORT + 2}, "
            "and put that into [ollama] url",
        )
    holder = facts.http_holder
    if holder is not None and holder.pid != facts.answer.pid:
        is_ollama = "ollama" in holder.name.lower()
        mend = (
            f"move Ollama, e.g. to {OLLAMA_PORT + 2} (docs/drop-in.md; not by `launchctl setenv`), and [ollama] url"
            if is_ollama
            else "set another [http] port, then `innkeep service restart`"
        )
        why = "tools that use that port talk to it instead of innkeep"
        return Finding("port", "error", f"{where} is held by {holder.name} (pid {holder.pid})", why, mend)
    if facts.http_beside:
        others = ", ".join(f"{one.name} (pid {one.pid}) at {address}" for address, one in facts.http_beside)
        why = "macOS lets both listen: who says `localhost`, or comes from elsewhere, may get that one instead of us"
        mend = "stop it or move it; for the Ollama app: its Settings, `Expose Ollama to the network` off"
        return Finding("port", "warning", f"beside innkeep on {where}: {others}", why, mend)
    if http.port == OLLAMA_PORT:
        return Finding("port", "ok", f"drop-in: innkeep is on {where} in Ollama's place, Ollama itself at {ollama}")
    if facts.port_11434 is not None and facts.port_11434.pid == facts.answer.pid:
        return Finding("port", "ok", f"innkeep is on {where} and on Ollama's own port")
    return Finding("port", "ok", f"innkeep is on {where}, Ollama at {ollama}")


def check_disk(facts: Facts) -> Finding:
    """Whether there is room where Ollama keeps its models."""
    if facts.disk_free is None:
        return Finding("disk", "ok", "the models are on another machine, or their folder can't be seen")
    saw = f"{gib(facts.disk_free)} free at {facts.disk_path}"
    mend = "`ollama list` shows what takes the space; delete models with `ollama rm` yourself, innkeep never does"
    if facts.disk_free < NO_ROOM:
        return Finding("disk", "error", saw, "history, logs and swap need space too", mend)
    if facts.disk_free < ROOM_FOR_A_MODEL:
        return Finding("disk", "warning", saw, "a 32B model takes 20 GB to pull", mend)
    return Finding("disk", "ok", saw)


def check_descriptors(facts: Facts) -> Finding:
    """Whether the daemon may open enough files for the requests that may wait."""
    limit, wanted = facts.descriptors, 2 * facts.config.schedule.queue_limit
    if not limit:
        return Finding("descriptors", "ok", "the daemon does not report how many files it may open")
    if limit >= wanted:
        return Finding("descriptors", "ok", f"the daemon may open {limit} files")
    saw = f"the daemon may open {limit} files"
    why = f"a proxied stream takes two, and schedule.queue_limit lets {facts.config.schedule.queue_limit} wait"
    mend = "innkeep service install (launchd: 10240), or `ulimit -n 10240` before `innkeepd run`"
    return Finding("descriptors", "warning", saw, why, mend)


HOUSE = (check_config, check_daemon, check_socket, check_service, check_port, check_disk, check_descriptors)
"""In the order in which a person should mend things."""
