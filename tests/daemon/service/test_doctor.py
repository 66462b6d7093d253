import json
import stat
from pathlib import Path

import pytest

from innkeepd.config.schema import Config, RoleConfig
from innkeepd.service.doctor import CHECKS, examine, main, render
from innkeepd.service.errors import ServiceFault
from innkeepd.service.facts import Facts
from innkeepd.service.probe import Answer
from support.doctor import facts_of
from support.service import FakeMac

WELL = facts_of(config=Config(roles={"general": RoleConfig(primary="llama3.1:8b")}))


@pytest.mark.parametrize(("facts", "status"), [(WELL, 0), (facts_of(), 1), (facts_of(answer=Answer("refused")), 2)])
def test_the_exit_status_is_the_gravest_finding(mac: FakeMac, facts: Facts, status: int):
    assert main([], mac.everything(), lambda _world: facts) == status


def test_every_complaint_says_what_was_seen_why_it_matters_and_what_mends_it(mac: FakeMac):
    facts = facts_of(answer=Answer("refused"), ollama_environment={"OLLAMA_MAX_LOADED_MODELS": "1"}, disk_free=1)
    complaints = [finding for finding in examine(facts) if finding.level != "ok"]
    assert {"daemon", "disk", "max_loaded", "never_fits"} <= {finding.name for finding in complaints}
    assert all(finding.saw and finding.why and finding.mend for finding in complaints)
    assert len(complaints) < len(CHECKS)


def test_names_of_checks_are_unique():
    names = [finding.name for finding in examine(WELL)]
    assert len(set(names)) == len(names)


def test_the_text_begins_with_the_verdict_and_what_is_to_be_mended():
    assert render(examine(WELL)).startswith("all is well  (")
    text = render(examine(facts_of(answer=Answer("refused"))), verbose=True)
    lines = [line for line in text.splitlines() if line]
    assert lines[0] == "1 error, 1 warning"
    assert [line.split()[0].rstrip(":") for line in lines[1:8]] == [
        "ERROR",
        "why",
        "fix",
        "warning",
        "why",
        "fix",
        "ok",
    ]


def test_what_is_well_is_only_counted():
    lines = render(examine(facts_of(answer=Answer("refused")))).splitlines()
    assert lines[0] == f"1 error, 1 warning  ({len(CHECKS) - 2} checks are fine; -v lists them)"
    assert not any(line.startswith("ok") for line in lines)


def test_a_fix_is_followed_by_a_second_look(mac: FakeMac, monkeypatch):
    ran = []
    monkeypatch.setattr("innkeepd.service.fixes.run_here", lambda command: ran.append(command) or 0)
    looks = iter([facts_of(), WELL])
    assert main(["--fix"], mac.everything(), lambda _world: next(looks), lambda _question: "y") == 0
    assert ran == [["innkeep", "models", "set", "llama3.1:8b", "--role", "general"]]
    assert mac.said[-1].startswith("all is well")


def test_json_is_for_programs(mac: FakeMac):
    main(["--json"], mac.everything(), lambda _world: WELL)
    told = json.loads(mac.said[-1])
    assert {"name", "level", "saw", "why", "mend"} == told["findings"][0].keys()


def test_the_report_is_one_private_file(mac: FakeMac):
    path = mac.root / "report.txt"
    assert main(["--report", str(path)], mac.everything(), lambda _world: WELL) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "== findings ==" in path.read_text()
    assert "read it before you send it" in mac.said[-1]


def test_the_report_without_a_name_gets_one_here(mac: FakeMac, monkeypatch):
    monkeypatch.chdir(mac.root)
    assert main(["--report", "--json"], mac.everything(), lambda _world: WELL) == 0
    assert len(list(mac.root.glob("innkeep-report-*.txt"))) == 1


def test_a_report_that_cannot_be_written_is_one_line(mac: FakeMac, capsys):
    (mac.root / "file").write_text("")
    path = Path(mac.root / "file" / "report.txt")
    assert main(["--report", str(path)], mac.everything(), lambda _world: WELL) == 2
    assert "can't be written" in capsys.readouterr().err


def test_a_doctor_who_can_see_nothing_says_so_in_one_line(mac: FakeMac, capsys):
    def blind(_world):
        raise ServiceFault("the socket's path is too long")

    assert main([], mac.everything(), blind) == 2
    assert capsys.readouterr().err == "innkeepd: the socket's path is too long\n"
