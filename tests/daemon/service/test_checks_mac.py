from pathlib import Path

import pytest
from msgspec.structs import replace

from innkeepd.config.schema import BackendConfig, Config, OllamaConfig
from innkeepd.service.checks_mac import (
    MAC,
    check_folders,
    check_interpreter,
    check_local_network,
    check_login_item,
    check_rosetta,
    lan_hosts,
)
from innkeepd.service.installation import Installation
from support.doctor import facts_of

PROGRAM = Path("/Users/you/.local/bin/innkeepd")


def test_a_healthy_mac_has_no_complaints():
    facts = facts_of(installation=Installation(PROGRAM, Path("/opt/x/bin/python")))
    assert [check(facts).level for check in MAC] == ["ok"] * len(MAC)
    assert [check(facts_of(platform="linux")).level for check in MAC] == ["ok"] * len(MAC)


def test_an_interpreter_that_vanished_is_an_error_that_says_what_hangs():
    found = check_interpreter(facts_of(installation=Installation(PROGRAM, Path("/gone/python"), False)))
    assert (found.level, found.saw) == ("error", f"{PROGRAM} starts /gone/python, which is gone")
    assert "innkeep service install" in found.mend


def test_an_interpreter_that_an_upgrade_removes_is_a_warning():
    found = check_interpreter(facts_of(installation=Installation(PROGRAM, PROGRAM, True, "it is in uv's cache")))
    assert (found.level, found.saw) == ("warning", "it is in uv's cache")


def test_a_guarded_folder_is_named_with_the_pane_that_opens_it():
    guarded = Path("/Users/you/Documents/innkeep")
    found = check_folders(facts_of(installation=Installation(PROGRAM, protected=[guarded, guarded])))
    assert found.saw == f"in a guarded folder: {guarded}"
    assert "Files & Folders" in found.mend


def test_an_installed_job_that_is_not_loaded_may_be_off_in_login_items():
    view = replace(facts_of().view, job=None)
    assert "Login Items" in check_login_item(facts_of(view=view)).mend
    assert check_login_item(facts_of(view=view, disabled=True)).mend == "innkeep service install"


def test_rosetta_is_a_warning():
    assert check_rosetta(facts_of(installation=Installation(PROGRAM, translated=True))).level == "warning"


LAN = Config(backends=(BackendConfig("studio", "http://studio.local:8080"), BackendConfig("far", "https://a.example")))


def test_an_engine_on_the_local_network_is_named_with_its_pane_only_for_a_service():
    found = check_local_network(facts_of(config=LAN))
    assert (found.level, "Local Network" in found.mend) == ("warning", True)
    assert "studio.local" in found.saw
    assert "a.example" not in found.saw
    assert check_local_network(facts_of(config=LAN, view=None)).level == "ok"


@pytest.mark.parametrize(
    ("host", "is_lan"),
    [
        ("192.168.1.20", True),
        ("10.0.0.1", True),
        ("nas", True),
        ("8.8.8.8", False),
        ("127.0.0.1", False),
        ("localhost", False),
    ],
)
def test_which_hosts_are_in_the_local_network(host: str, is_lan: bool):
    assert bool(lan_hosts(Config(ollama=OllamaConfig(url=f"http://{host}:11434")))) is is_lan
