import plistlib
from pathlib import Path

import pytest

from innkeepd.config.schema import Config
from innkeepd.service.plist import Agent, describe, exit_timeout, render

PACKAGED = Path(__file__).parents[3] / "packaging" / "launchd" / "dev.innkeep.innkeepd.plist"
YOU = Agent("/opt/homebrew/bin/innkeepd", "/Users/you/.innkeep/innkeepd.sock", "/Users/you/Library/Logs/innkeep")


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
            }
        },
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 30,
        "ProcessType": "Interactive",
        "EnvironmentVariables": {
            "PATH": "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "en_US.UTF-8",
        },
        "StandardErrorPath": "/Users/you/Library/Logs/innkeep/crash.log",
    }


def test_what_would_kill_a_python_daemon_is_never_set():
    assert not {"EnableTransactions", "EnablePressuredExit", "StandardOutPath"} & describe(YOU).keys()


def test_a_house_of_its_own_and_the_session_are_carried_over():
    agent = Agent("/b/innkeepd", "/h/s", "/l", {"INNKEEP_HOME": "/h"}, session="Background")
    told = plistlib.loads(render(agent))
    assert told["EnvironmentVariables"]["INNKEEP_HOME"] == "/h"
    assert told["LimitLoadToSessionType"] == "Background"


def test_relative_paths_are_refused():
    with pytest.raises(ValueError, match="'bin/innkeepd' isn't one"):
        render(Agent("bin/innkeepd", "/s", "/l"))


@pytest.mark.parametrize("drain", [0.0, 0.2, 20.0, 600.0])
def test_launchd_always_waits_longer_than_the_drain(drain: float):
    assert exit_timeout(drain) > drain
    assert exit_timeout(Config().timeouts.drain) == 30
