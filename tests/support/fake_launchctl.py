#!/usr/bin/env python3
"""A stateful stand-in for launchctl, put on PATH as a real executable; it behaves as the recordings say.

Its whole world is the JSON file that ``$FAKE_LAUNCHCTL_STATE`` names. Every call is one tick of its clock, so that
what is asynchronous on a Mac (a bootout that answers 36 and is over some calls later) is asynchronous here, without
any sleeping.

The world: ``domains`` that exist (of another one ``print`` and ``bootstrap`` say 125, or ``bootstrap`` 5 where it is
in ``refusing``); ``session``: what ``managername`` says; ``disabled`` targets; ``jobs`` by target; ``env`` of the login
session; ``script``: exit statuses that the next calls of a verb answer with, whatever they ask; ``linger``: ticks that
a bootout takes; ``already``: what bootstrap says of a loaded job (5, 17 or 37); ``fate``: how the program ends right
after its start (``null`` runs, ``{"exit": 1}``, ``{"signal": "Killed: 9"}``); ``calls``: what was asked.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

TEXTS = {
    3: "No such process",
    5: "Input/output error",
    17: "File exists",
    36: "Operation now in progress",
    37: "Operation already in progress",
    113: "Could not find specified service",
    119: "Service is disabled",
    125: "Domain does not support specified action",
}
VERBS = {"bootstrap": "Bootstrap", "bootout": "Boot-out", "kickstart": "Kickstart", "enable": "Enable", "kill": "Kill"}


class Refusal(Exception):
    """An exit status other than 0."""


class World:
    """What launchd holds, between two calls in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.at: dict[str, Any] = {
            "time": 0,
            "domains": ["gui/501", "user/501"],
            "refusing": [],
            "session": None,
            "disabled": [],
            "jobs": {},
            "env": {},
            "script": {},
            "linger": 0,
            "already": 5,
            "fate": None,
            "next_pid": 4000,
            "calls": [],
        } | (json.loads(path.read_text()) if path.exists() else {})

    def save(self) -> None:
        self.path.write_text(json.dumps(self.at, indent=1))

    def tick(self, call: list[str]) -> None:
        self.at["time"] += 1
        self.at["calls"].append(call)
        for target, job in list(self.at["jobs"].items()):
            if job["leaves_at"] is not None and self.at["time"] >= job["leaves_at"]:
                del self.at["jobs"][target]

    # ---- verbs -----------------------------------------------------------------------------------------------------

    def bootstrap(self, domain: str, plist: str) -> None:
        if domain in self.at["refusing"]:
            raise Refusal(5)
        if domain not in self.at["domains"]:
            raise Refusal(125)
        import plistlib  # imported where used: this program starts a thousand times in a test run

        try:
            reported = plistlib.loads(Path(plist).read_bytes())
            label = reported["Label"]
        except Exception:  # noqa: BLE001 - plistlib raises whatever its parser raises
            raise Refusal(5) from None
        target = f"{domain}/{label}"
        if target in self.at["disabled"]:
            raise Refusal(119)
        if (held := self.at["jobs"].get(target)) is not None:
            raise Refusal(37 if held["leaves_at"] is not None else self.at["already"])
        if (session := reported.get("LimitLoadToSessionType", "Aqua")) != (
            "Aqua" if domain[0] == "g" else "Background"
        ):
            raise Refusal(5 if session else 125)
        if not Path(reported.get("StandardErrorPath", "/dev/null")).parent.is_dir():
            raise Refusal(5)
        job = {
            "label": label,
            "path": plist,
            "plist": {
                key: reported.get(key) for key in ("ProgramArguments", "ExitTimeOut", "ThrottleInterval", "KeepAlive")
            },
            "sockets": {name: _listen(one) for name, one in reported.get("Sockets", {}).items()},
            "pid": None,
            "runs": 0,
            "last_exit": None,
            "last_signal": None,
            "throttled": False,
            "leaves_at": None,
        }
        self.at["jobs"][target] = job
        if reported.get("RunAtLoad"):
            self.spawn(job)

    def bootout(self, target: str) -> None:
        job = self.job(target, 3)
        if job["leaves_at"] is not None:
            raise Refusal(36)
        if not self.at["linger"]:
            del self.at["jobs"][target]
            return
        job["leaves_at"] = self.at["time"] + self.at["linger"]
        raise Refusal(36)

    def kickstart(self, *arguments: str) -> None:
        job = self.job(arguments[-1], 113)
        if "-k" in arguments:
            job["pid"] = None
        if job["pid"] is None:
            self.spawn(job)

    def kill(self, name: str, target: str) -> None:
        job = self.job(target, 113)
        if job["pid"] is None:
            raise Refusal(3)
        getattr(signal, name)
        job.update(pid=None, last_exit=0, last_signal=None)

    def enable(self, target: str) -> None:
        self.at["disabled"] = [one for one in self.at["disabled"] if one != target]

    def disable(self, target: str) -> None:
        self.at["disabled"].append(target)

    def getenv(self, name: str) -> None:
        print(self.at["env"].get(name, ""))

    def managername(self) -> None:
        print(self.at["session"] or ("Aqua" if "gui/501" in self.at["domains"] else "Background"))

    def print_disabled(self, domain: str) -> None:
        print("\tdisabled services = {")
        for target in self.at["disabled"]:
            print(f'\t\t"{target.removeprefix(domain + "/")}" => disabled')
        print("\t}")

    def print(self, target: str) -> None:
        if target.count("/") == 1:
            if target not in self.at["domains"]:
                raise Refusal(125)
            print(f"{target} = {{\n\ttype = login\n}}")
            return
        job = self.at["jobs"].get(target)
        if job is None:
            _domain, uid, label = (*target.split("/", 2), "")[:3]
            print(f'Bad request.\nCould not find service "{label}" in domain for user gui: {uid}', file=sys.stderr)
            raise Refusal(113)
        print(_told(target, job))

    # ---- inside ----------------------------------------------------------------------------------------------------

    def job(self, target: str, absent: int) -> dict[str, Any]:
        if target not in self.at["jobs"]:
            raise Refusal(absent)
        return self.at["jobs"][target]

    def spawn(self, job: dict[str, Any]) -> None:
        job["runs"] += 1
        fate = self.at["fate"]
        if fate is None:
            self.at["next_pid"] += 1
            job.update(pid=self.at["next_pid"], throttled=False)
        else:
            job.update(
                pid=None, last_exit=fate.get("exit"), last_signal=fate.get("signal"), throttled=fate.get("exit") != 0
            )


def _listen(reported: dict[str, Any]) -> dict[str, Any]:
    """Bind as launchd does; over a file that is still there it fails and only logs, as newer systems do."""
    import socket

    if "SockPathName" not in reported:
        return {"path": f"{reported['SockNodeName']}:{reported['SockServiceName']}", "broken": False}
    path = Path(reported["SockPathName"])
    if path.exists() or not path.parent.is_dir():
        return {"path": str(path), "broken": True}
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))
    path.chmod(reported["SockPathMode"])
    return {"path": str(path), "broken": False}


def _told(target: str, job: dict[str, Any]) -> str:
    """The shape of the recordings, nested ``state = active`` and all."""
    state = "running" if job["pid"] else "spawn scheduled" if job["throttled"] else "not running"
    program = job["plist"]["ProgramArguments"][0]
    lines = [
        f"{target} = {{",
        f"\tactive count = {1 if job['pid'] else 0}",
        f"\tpath = {job['path']}",
        "\ttype = LaunchAgent",
        f"\tstate = {state}",
        "",
        f"\tprogram = {program}",
        "\targuments = {",
        *(f"\t\t{word}" for word in job["plist"]["ProgramArguments"]),
        "\t}",
        "",
        "\tdomain = gui/501 [100020]",
        f"\tminimum runtime = {job['plist']['ThrottleInterval'] or 10}",
        f"\texit timeout = {job['plist']['ExitTimeOut'] or 5}",
        f"\truns = {job['runs']}",
    ]
    if job["pid"]:
        lines.append(f"\tpid = {job['pid']}")
    if job["last_signal"]:
        lines.append(f"\tlast terminating signal = {job['last_signal']}")
    else:
        lines.append(f"\tlast exit code = {'(never exited)' if job['last_exit'] is None else job['last_exit']}")
    lines += ["", "\tresource coalition = {", "\t\tID = 1262", "\t\tstate = active", "\t\tactive count = 1", "\t}", ""]
    lines += [f"\tjob state = {'running' if job['pid'] else 'exited'}", "}"]
    return "\n".join(lines)


def main() -> int:
    world = World(Path(os.environ["FAKE_LAUNCHCTL_STATE"]))
    verb, *arguments = sys.argv[1:]
    world.tick([verb, *arguments])
    try:
        if scripted := world.at["script"].get(verb):
            status = scripted.pop(0)
            if status:
                raise Refusal(status)
        getattr(world, verb.replace("-", "_"))(*arguments)
    except Refusal as refusal:
        status = refusal.args[0]
        if verb != "print":
            print(f"{VERBS[verb]} failed: {status}: {TEXTS[status]}", file=sys.stderr)
        return status
    finally:
        world.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
