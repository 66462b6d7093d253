from pathlib import Path

import pytest
from msgspec.structs import replace

from innkeepd.config.schema import Config, HttpConfig, OllamaConfig
from innkeepd.policy.model import GIB
from innkeepd.service.checks import (
    HOUSE,
    check_config,
    check_daemon,
    check_descriptors,
    check_disk,
    check_port,
    check_service,
    check_socket,
)
from innkeepd.service.facts import Program, SocketFile
from innkeepd.service.launchctl import Job
from innkeepd.service.probe import Answer
from innkeepd.service.status import View
from support.doctor import SOCKET, WELCOME, facts_of


def test_a_healthy_house_has_no_complaints():
    assert [check(facts_of()).level for check in HOUSE] == ["ok"] * len(HOUSE)


def test_a_broken_configuration_is_named_with_file_and_key():
    finding = check_config(facts_of(config_fault="/c.toml: roles.coding: expected a table"))
    assert (finding.level, finding.saw) == ("error", "/c.toml: roles.coding: expected a table")


def test_the_configuration_that_was_read_is_named():
    assert check_config(facts_of(config=Config(file=Path("/c.toml")))).saw == "/c.toml"


@pytest.mark.parametrize(
    ("answer", "saw", "mend"),
    [
        (Answer("absent"), f"there is no socket at {SOCKET}", "innkeep service install"),
        (Answer("refused"), "nothing listens", "innkeepd run"),
        (Answer("forbidden"), "may not be opened", "innkeepd run"),
        (Answer("silent"), "does not answer", "innkeep service restart"),
        (Answer("error", code="bad_config", message="line 3"), "bad_config: line 3", "innkeep config check"),
        (Answer("error", code="internal", message="oh"), "internal: oh", "innkeep service restart"),
    ],
)
def test_a_daemon_that_does_not_serve_is_an_error_with_its_cure(answer: Answer, saw: str, mend: str):
    finding = check_daemon(facts_of(answer=answer))
    assert finding.level == "error"
    assert saw in finding.saw
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("file", "level", "mend"),
    [
        (SocketFile(SOCKET, exists=False), "ok", ""),
        (SocketFile(SOCKET, True, False), "error", f"mv {SOCKET}"),
        (SocketFile(SOCKET, True, True, 0o600, 502, 0o700, 502), "error", "ls -l"),
        (SocketFile(SOCKET, True, True, 0o666, 501, 0o700, 501), "warning", f"chmod 600 {SOCKET}"),
        (SocketFile(SOCKET, True, True, 0o600, 501, 0o777, 501), "warning", "chmod 700 /Users/you/.innkeep"),
    ],
)
def test_a_socket_that_others_can_reach_is_told(file: SocketFile, level: str, mend: str):
    finding = check_socket(facts_of(socket=file))
    assert finding.level == level
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("view", "level", "mend"),
    [
        (View(SOCKET, WELCOME, False, False), "warning", "innkeep service install"),
        (View(SOCKET, WELCOME, True, False, "gui/501/x", Job(pid=7)), "warning", "innkeep service install"),
        (View(SOCKET, Answer("refused"), True, True), "warning", "innkeep service start"),
        (View(SOCKET, Answer("refused"), True, True, "x", Job(last_exit=1)), "error", "innkeep service restart"),
        (None, "warning", "innkeepd run"),
    ],
)
def test_a_service_that_is_not_as_it_should_be_is_told(view: View | None, level: str, mend: str):
    finding = check_service(facts_of(view=view, view_fault="no systemctl" if view is None else ""))
    assert finding.level == level
    assert mend in finding.mend
    assert finding.why


def test_homebrews_service_beside_ours_is_told():
    finding = check_service(facts_of(rival="gui/501/homebrew.mxcl.innkeep"))
    assert (finding.level, finding.mend) == ("warning", "brew services stop innkeep")


@pytest.mark.parametrize(
    ("changes", "level", "text"),
    [
        ({"config": Config(http=HttpConfig(enabled=False))}, "ok", "switched off"),
        ({"http_holder": Program(7, "innkeepd")}, "ok", "127.0.0.1:11435"),
        ({"http_holder": Program(9, "node")}, "error", "held by node (pid 9)"),
        ({"ollama_is_us": True}, "error", "leads back to innkeep"),
        ({"config": Config(http=HttpConfig(port=11434))}, "error", "leads back to innkeep"),
        ({"port_11434": Program(7, "innkeepd")}, "ok", "Ollama's own port"),
    ],
)
def test_the_port_for_existing_tools_is_examined(changes, level: str, text: str):
    finding = check_port(facts_of(**changes))
    assert finding.level == level
    assert text in finding.saw


def test_the_drop_in_arrangement_is_known():
    config = Config(http=HttpConfig(port=11434), ollama=OllamaConfig(url="http://127.0.0.1:11436"))
    whole = facts_of(config=config, http_holder=Program(7, "innkeepd"))
    assert check_port(whole).saw.startswith("drop-in: innkeep is on 127.0.0.1:11434 in Ollama's place")
    half = check_port(replace(whole, http_holder=Program(8, "ollama")))
    assert half.level == "error"
    assert "Ollama, e.g. to 11436" in half.mend


@pytest.mark.parametrize(("free", "level"), [(200 * GIB, "ok"), (20 * GIB, "warning"), (GIB, "error"), (None, "ok")])
def test_the_disk_is_judged_by_what_a_32b_takes(free: int | None, level: str):
    assert check_disk(facts_of(disk_free=free, disk_path=Path("/m"))).level == level


def test_a_wildcard_listener_beside_ours_is_a_warning():
    finding = check_port(facts_of(http_holder=Program(7, "innkeepd"), http_beside=[("::", Program(5, "ollama"))]))
    assert (finding.level, "ollama (pid 5) at ::" in finding.saw) == ("warning", True)


@pytest.mark.parametrize(("limit", "level"), [(0, "ok"), (256, "warning"), (10_240, "ok")])
def test_a_daemon_that_may_open_too_few_files_is_a_warning(limit: int, level: str):
    """launchd's own limit is 256: at 120 streams it is used up."""
    finding = check_descriptors(facts_of(descriptors=limit))
    assert finding.level == level
    assert str(limit or "not report") in finding.saw
