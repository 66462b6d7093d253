"""``innkeepd service VERB`` (and ``innkeep service VERB``, which hands over to it).

Exit status: 0 done, 1 a fault (one line on stderr says what, where, what to do), 2 wrong usage; ``status``: 0 it
answers, 1 it is there and does not work, 3 it does not run.
"""

import argparse
import json
import os
import plistlib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from innkeep.language import _, later, translated
from innkeepd.arguments import Parser
from innkeepd.config.load import load
from innkeepd.config.schema import Config, HttpConfig
from innkeepd.errors import ConfigError, DaemonError
from innkeepd.service.checks_mac import folders, interpreter
from innkeepd.service.clock import Clock, SystemClock
from innkeepd.service.errors import ServiceFault
from innkeepd.service.first_steps import OFFER, lacks_models
from innkeepd.service.install import LaunchAgent
from innkeepd.service.installation import examine
from innkeepd.service.launchctl import Runner, run_command
from innkeepd.service.logs import follow, last_lines, readable
from innkeepd.service.paths import Paths, locate
from innkeepd.service.plist import HTTP_HOST
from innkeepd.service.probe import Answer, probe
from innkeepd.service.status import Service, judge, look, render
from innkeepd.service.system import LaunchDaemon, person
from innkeepd.service.systemd import UserUnit

EPILOG = later("""\
examples:
  innkeep service install          start innkeepd now and at every login
  innkeep service status           does it run, and if not, why
  innkeep service logs -f          follow its log
  innkeep service print            what install would write, to do it by hand
  innkeep service uninstall        remove it; only your configuration stays
""")


def say(text: str) -> None:
    """Print a line of ours in the user's language; JSON and lines of others stay as they are."""
    sys.stdout.write(f"{translated(text)}\n")


class World(Struct, frozen=True):
    """What the commands touch: environment, the service manager's command, time, terminal, the daemon's socket."""

    environ: Mapping[str, str]
    uid: int
    platform: str
    run: Runner = run_command
    clock: Clock = SystemClock()
    say: Callable[[str], None] = say
    ask: Callable[..., Answer] = probe
    lacks: Callable[[Config], bool] = lacks_models


def main(argv: Sequence[str] | None = None, world: World | None = None) -> int:
    """Run one verb; the exit status."""
    wanted = parser().parse_args(argv)
    world = world or World(os.environ, os.getuid(), sys.platform)
    try:
        return _obey(wanted, world)
    except DaemonError as fault:
        sys.stderr.write(_("innkeepd: {fault}\n", fault=translated(str(fault))))
        return 1
    except OSError as error:
        where = error.filename or _("a file of the service")
        sys.stderr.write(
            _(
                "innkeepd: {where} can't be written ({strerror}): see `ls -ld {where}`\n",
                where=where,
                strerror=error.strerror,
            )
        )
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> Parser:
    """The verbs and their options."""
    root = Parser(
        prog="innkeep service",
        description=_(
            "Run innkeepd as a service of your login: a LaunchAgent on macOS, a user unit of systemd on Linux."
        ),
        epilog=_(EPILOG),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = root.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("install", help=_("install or repair it, and start it; may be repeated"))
    uninstall = verbs.add_parser("uninstall", help=_("stop and remove it; your configuration stays"))
    uninstall.add_argument("--keep-state", action="store_true", help=_("keep history, pins, token and logs as well"))
    verbs.add_parser("start", help=_("start what is installed"))
    verbs.add_parser("stop", help=_("stop until the next login"))
    verbs.add_parser("restart", help=_("restart after running answers; clients wait instead of being refused"))
    status = verbs.add_parser("status", help=_("whether it runs, and if not, why"))
    status.add_argument("--json", action="store_true", help=_("for programs"))
    logs = verbs.add_parser("logs", help=_("show its log"))
    logs.add_argument("-f", "--follow", action="store_true", help=_("follow: print lines as they come"))
    logs.add_argument("-n", "--lines", type=int, default=50, metavar="N", help=_("the last N lines (50)"))
    logs.add_argument("--json", action="store_true", help=_("lines as they are in the file"))
    shown = verbs.add_parser("print", help=_("show what install would write"))
    shown.add_argument("--json", action="store_true", help=_("for programs"))
    for verb in verbs.choices.values():
        if not verb.prog.endswith("logs"):
            verb.add_argument("--system", action="store_true", help="for a Mac that nobody logs in to (sudo)")
    return root


def build(world: World, config: Config | None, *, system: bool = False) -> Service:
    """The service of this platform, or ``system``: the Mac's own. Raises ``ServiceFault`` where it can't be."""
    config = config or Config()
    drain = config.timeouts.drain
    launched: Callable[..., LaunchAgent]
    if system:
        launched = _for_the_system(world)
    else:
        paths = locate(world.environ, uid=world.uid, platform=world.platform)
        if paths.platform != "darwin":
            return UserUnit(paths, drain=drain, run=world.run, clock=world.clock, say=world.say, ask=world.ask)
        launched = partial(LaunchAgent, paths)
    return launched(
        drain=drain,
        http_port=held_port(config.http),
        run=world.run,
        clock=world.clock,
        say=world.say,
        ask=world.ask,
    )


def _for_the_system(world: World) -> Callable[..., LaunchDaemon]:
    """The LaunchDaemon for whoever called sudo."""
    if world.platform != "darwin":
        raise ServiceFault("--system is for a Mac; here `loginctl enable-linger` starts your services without a login")
    owner = person(world.environ, world.uid)
    environ = {**world.environ, "HOME": str(owner.home)}
    return partial(LaunchDaemon, locate(environ, uid=owner.uid, platform=world.platform), owner)


def held_port(http: HttpConfig) -> int | None:
    """The HTTP port that launchd can open for us; None for other hosts, any free port, and a port switched off."""
    return http.port if http.enabled and http.port and http.host in (HTTP_HOST, "localhost") else None


def _obey(wanted: argparse.Namespace, world: World) -> int:
    system = getattr(wanted, "system", False)
    config, complaint = _config(world if not system else _of_owner(world))
    service = build(world, config, system=system)
    match wanted.verb:
        case "uninstall":
            service.uninstall(keep_state=wanted.keep_state)
        case "stop":
            service.stop()
        case "print":
            _print(service, world, as_json=wanted.json)
        case "logs":
            _logs(log_file(service.paths, config), service.paths.crash_log, wanted, world)
        case "status":
            return _status(service, world, as_json=wanted.json)
        case verb:
            if complaint:
                world.say(f"warning: the configuration is broken, and the daemon will say so: {complaint}")
            if verb == "install" and world.environ.get("OLLAMA_HOST"):
                world.say(
                    "note: OLLAMA_HOST of this shell is not taken over; [ollama] url in config.toml is what counts"
                )
            if verb == "install":
                _look_before(service, config, world)
                if config is not None and world.lacks(config):
                    world.say(OFFER)
            return _told(getattr(service, verb)(), world)
    return 0


def used(paths: Paths, config: Config | None) -> list[Path]:
    """The files and folders that the service needs beside its program."""
    return [paths.home, paths.socket, log_file(paths, config), *([config.file] if config and config.file else [])]


def _look_before(service: Service, config: Config | None, world: World) -> None:
    """What macOS will hold against the service, said before anything is written. Raises for what cannot work."""
    if service.paths.platform != "darwin":
        return
    found = examine(service.paths.program, used(service.paths, config), service.paths.user_home, world.run)
    for finding in (interpreter(found), folders(found)):
        if finding.level == "error":
            raise ServiceFault(f"{finding.saw}: {finding.mend}")
        if finding.level == "warning":
            world.say(_("warning: {saw}; {why}. {mend}", saw=finding.saw, why=finding.why, mend=finding.mend))


def log_file(paths: Paths, config: Config | None) -> Path:
    """Where the daemon's log is."""
    return Path(config.log.path).expanduser() if config and config.log.path else paths.daemon_log


def _of_owner(world: World) -> World:
    """The same for whoever called sudo: it is their configuration that counts."""
    if world.platform != "darwin":
        return world
    return msgspec.structs.replace(world, environ={**world.environ, "HOME": str(person(world.environ, world.uid).home)})


def _config(world: World) -> tuple[Config | None, str]:
    """The configuration, or None and what is wrong with it: the service must be manageable all the same."""
    try:
        return load(None, world.environ), ""
    except ConfigError as error:
        return None, str(error)


def _told(answer: Answer, world: World) -> int:
    """Say how a start ended."""
    if answer.how == "welcome":
        world.say(_("running: innkeepd {version}, pid {pid}", version=answer.version, pid=answer.pid))
        return 0
    if answer.how == "error":
        world.say(
            _("started, but it refuses every request: {code}: {message}", code=answer.code, message=answer.message)
        )
    else:
        world.say(_("started, but it doesn't answer yet; see `innkeep service status`"))
    return 1


def _status(service: Service, world: World, *, as_json: bool) -> int:
    view = look(service, world.ask)
    standing = judge(view)
    if as_json:
        answer = {"state": standing.state, "why": standing.why, "mend": standing.mend} | msgspec.to_builtins(view)
        world.say(json.dumps(answer, ensure_ascii=False))
    else:
        world.say(render(view, standing))
    return standing.exit_status


def _print(service: Service, world: World, *, as_json: bool) -> None:
    files = service.definition()
    if service.paths.platform == "darwin":
        (content,) = files.values()
        world.say(json.dumps(plistlib.loads(content), default=str) if as_json else content.decode().rstrip("\n"))
    elif as_json:
        world.say(json.dumps({str(path): content.decode() for path, content in files.items()}))
    else:
        world.say("\n".join(f"# {path}\n{content.decode()}" for path, content in files.items()).rstrip("\n"))


def _logs(path: Path, crash_log: Path, wanted: argparse.Namespace, world: World) -> None:
    shape: Callable[[str], str] = str if wanted.json else readable
    if not path.is_file() and (words := last_lines(crash_log, wanted.lines)):
        world.say(_("it ended before its first log line ({crash_log}):", crash_log=crash_log))
        for line in words:
            world.say(f"  {line}")
    elif not path.is_file() and not wanted.follow:
        raise ServiceFault(
            _("there is no log at {path}: the daemon hasn't run as a service yet (`innkeep service start`)", path=path)
        )
    for line in last_lines(path, wanted.lines):
        world.say(shape(line))
    if wanted.follow:
        for line in follow(path, world.clock):
            world.say(shape(line))
