import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from innkeepd.config.schema import Config
from innkeepd.service.plist import Agent, Owner, describe, exit_timeout, render

PACKAGED = Path(__file__).parents[3] / "packaging" / "launchd" / "dev.innkeep.innkeepd.plist"
YOU = Agent(
    "/opt/homebrew/bin/innkeepd",
    "/Users/you/.innkeep/innkeepd.sock",
    "/Users/you/Library/Logs/innkeep",
    http_port=11435,
)


def test_the_packaged_plist_is_the_one_that_install_writes():
    assert PACKAGED.read_bytes() == render(YOU)


def test_the_plist_says_what_launchd_has_to_know():
    assert describe(YOU) == {
        "Label": "dev.innkeep.innkeepd",
        "ProgramArguments": ["/opt/homebrew/bin/innkeepd", "run"],
        "Sockets": {
            "Listeners": {
                "SockPathName": "/Users/you/.innkeep/innkeepd.sock",
                "SockPathMode": 384,
                "SockType": "stream",
            },
            "Http": {
                "SockNodeName": "127.0.0.1",
                "SockServiceName": "11435",
                "SockFamily": "IPv4",
                "SockType": "stream",
            },
        },
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 30,
        "ProcessType": "Interactive",
        "EnvironmentVariables": {
            "PATH": "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "en_US.UTF-8",
            "OLLAMA_HOST": "",
        },
        "SoftResourceLimits": {"NumberOfFiles": 10240},
        "StandardErrorPath": "/Users/you/Library/Logs/innkeep/crash.log",
    }


def test_what_would_kill_a_python_daemon_is_never_set():
    assert not {"EnableTransactions", "EnablePressuredExit", "StandardOutPath"} & describe(YOU).keys()


def test_a_house_of_its_own_and_the_session_are_carried_over():
    agent = Agent("/b/innkeepd", "/h/s", "/l", {"INNKEEP_HOME": "/h"}, session="Background")
    told = plistlib.loads(render(agent))
    assert told["EnvironmentVariables"]["INNKEEP_HOME"] == "/h"
    assert told["LimitLoadToSessionType"] == "Background"


KEYS: dict[str, type | tuple[type, ...]] = {
    "Label": str,
    "ProgramArguments": list,
    "Sockets": dict,
    "RunAtLoad": bool,
    "KeepAlive": (bool, dict),
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "ProcessType": str,
    "EnvironmentVariables": dict,
    "SoftResourceLimits": dict,
    "HardResourceLimits": dict,
    "StandardErrorPath": str,
    "LimitLoadToSessionType": (str, list),
    "UserName": str,
}
"""launchd.plist(5), as far as we use it: key and type. launchd ignores what it does not know, without a word."""

WITHIN: dict[str, dict[str, type | tuple[type, ...]]] = {
    "KeepAlive": {"SuccessfulExit": bool},
    "SoftResourceLimits": {"NumberOfFiles": int},
    "SOCKET": {
        "SockType": str,
        "SockPathName": str,
        "SockPathMode": int,
        "SockPathOwner": int,
        "SockNodeName": str,
        "SockServiceName": (str, int),
        "SockFamily": str,
    },
}
VALUES = {
    "ProcessType": {"Background", "Standard", "Adaptive", "Interactive"},
    "LimitLoadToSessionType": {"Aqua", "Background", "LoginWindow", "StandardIO", "System"},
    "SockType": {"stream", "dgram", "seqpacket"},
    "SockFamily": {"IPv4", "IPv6", "IPv4v6", "Unix"},
}


def table_of(told: dict[str, Any], keys: dict[str, Any]) -> None:
    for key, value in told.items():
        assert key in keys, f"launchd knows no {key}"
        assert isinstance(value, keys[key]), key
        assert not isinstance(value, bool) or keys[key] in (bool, (bool, dict)), key
        assert key not in VALUES or value in VALUES[key]


OTHERS = (
    Agent("/b", "/s", "/l", {"INNKEEP_HOME": "/h"}, session="Background"),
    Agent("/b", "/s", "/l", owner=Owner("you", 501, "/Users/you")),
)


@pytest.mark.parametrize("agent", [YOU, *OTHERS])
def test_every_key_is_one_of_launchds_with_a_value_of_its_type(agent: Agent):
    told = describe(agent)
    table_of(told, KEYS)
    for key in ("KeepAlive", "SoftResourceLimits"):
        table_of(told[key], WITHIN[key])
    for one in told["Sockets"].values():
        table_of(one, WITHIN["SOCKET"])
    assert all(isinstance(value, str) for value in told["EnvironmentVariables"].values())
    assert set(told["SoftResourceLimits"]) <= {"NumberOfFiles"}


@pytest.mark.skipif(shutil.which("plistutil") is None, reason="no plistutil here (Debian's libplist-utils)")
def test_another_implementation_of_plists_reads_what_we_wrote(tmp_path: Path):
    """``plistutil`` parses strictly and writes what it read as a binary plist, which Python reads back."""
    (tmp_path / "a.plist").write_bytes(render(YOU))
    subprocess.run(["plistutil", "-i", "a.plist", "-o", "b.plist", "-f", "bin"], cwd=tmp_path, check=True)
    assert plistlib.loads((tmp_path / "b.plist").read_bytes()) == describe(YOU)


def test_relative_paths_are_refused():
    with pytest.raises(ValueError, match="'bin/innkeepd' isn't one"):
        render(Agent("bin/innkeepd", "/s", "/l"))


@pytest.mark.parametrize("drain", [0.0, 0.2, 20.0, 600.0])
def test_launchd_always_waits_longer_than_the_drain(drain: float):
    assert exit_timeout(drain) > drain
    assert exit_timeout(Config().timeouts.drain) == 30
