from pathlib import Path

import pytest

from innkeepd.service.errors import NotInstalled, ServiceFault, Unsupported
from innkeepd.service.probe import Answer
from innkeepd.service.systemd import service_unit, socket_unit
from support.service import FakeMac

pytestmark = pytest.mark.processes

PACKAGED = Path(__file__).parents[3] / "packaging" / "systemd"


def test_the_packaged_units_are_the_ones_that_install_writes():
    assert (PACKAGED / "innkeepd.socket").read_text() == socket_unit("%h/.innkeep/innkeepd.sock")
    assert (PACKAGED / "innkeepd.service").read_text().replace("%h", "%%h") == service_unit(
        "%h/.local/bin/innkeepd", {}
    )


def test_values_in_units_are_quoted():
    unit = service_unit("/a b/innkeepd", {"INNKEEP_HOME": '/x%y"z'})
    assert 'ExecStart="/a b/innkeepd" run' in unit
    assert 'Environment="INNKEEP_HOME=/x%%y\\"z"' in unit


def test_a_daemon_with_a_bad_configuration_is_not_started_again_and_again():
    assert "RestartPreventExitStatus=78" in service_unit("/i", {})


def test_install_writes_units_and_starts_them_and_may_be_repeated(linux: FakeMac):
    assert linux.unit().install() == linux.answer
    assert linux.at["active"] == ["innkeepd.service", "innkeepd.socket"]
    assert linux.at["enabled"] == ["innkeepd.service", "innkeepd.socket"]
    assert linux.unit().is_current()
    linux.forget_calls()
    linux.unit().install()
    assert linux.verbs == ["daemon-reload", "stop", "enable", "restart", "start"]


def test_uninstall_stops_forgets_and_deletes_and_may_be_repeated(linux: FakeMac):
    linux.unit().install()
    (linux.paths.home / "config.toml").write_text("")
    linux.unit().uninstall()
    assert linux.at["active"] == linux.at["enabled"] == []
    assert not linux.unit().is_installed()
    assert linux.said[-1] == f"uninstalled; left: {linux.paths.home / 'config.toml'}"
    linux.forget_calls()
    linux.unit().uninstall()
    assert linux.verbs == []


def test_a_foreground_daemon_keeps_its_files_and_its_socket(linux: FakeMac):
    linux.stranger = Answer("welcome", version="0.1.0", pid=77)
    with pytest.raises(ServiceFault, match=r"another innkeepd \(pid 77\)"):
        linux.unit().install()
    linux.unit().uninstall()
    assert "another innkeepd is running" in linux.said[-1]


def test_stop_start_and_restart_keep_the_socket_open_where_they_can(linux: FakeMac):
    linux.unit().install()
    linux.unit().stop()
    assert linux.at["active"] == []
    linux.unit().start()
    assert linux.at["active"] == ["innkeepd.service", "innkeepd.socket"]
    linux.forget_calls()
    linux.unit().restart()
    assert linux.at["calls"][:3][1:] == [["start", "innkeepd.socket"], ["restart", "innkeepd.service"]]


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_what_is_not_installed_says_how_to_install(linux: FakeMac, verb: str):
    with pytest.raises(NotInstalled, match="innkeep service install"):
        getattr(linux.unit(), verb)()


def test_a_login_without_systemd_is_told_what_else_to_do(linux: FakeMac):
    linux.set(reachable=False)
    with pytest.raises(Unsupported, match=r"No medium found.*enable-linger.*innkeepd run"):
        linux.unit().install()
    assert linux.unit().job() is None


def test_a_verb_that_systemd_refuses_is_told_with_its_words(linux: FakeMac):
    linux.set(fails="enable")
    with pytest.raises(ServiceFault, match=r"enable innkeepd.service innkeepd.socket` failed with status 1 .*masked"):
        linux.unit().install()


@pytest.mark.parametrize(
    ("fate", "last_exit", "last_signal"),
    [
        ({"result": "exit-code", "status": 1, "code": 1}, 1, None),
        ({"result": "signal", "status": 9, "code": 2}, None, "signal 9"),
    ],
)
def test_a_service_that_dies_is_told(linux: FakeMac, fate, last_exit, last_signal):
    linux.set(fate=fate)
    with pytest.raises(ServiceFault, match="journalctl"):
        linux.unit().install()
    name, job = linux.unit().job()
    assert name == "innkeepd.service"
    assert (job.state, job.pid, job.last_exit, job.last_signal) == ("spawn scheduled", None, last_exit, last_signal)


def test_a_running_service_is_told(linux: FakeMac):
    assert linux.unit().job() is None
    linux.unit().install()
    _, job = linux.unit().job()
    assert (job.state, job.pid, job.last_exit) == ("running", 4001, None)
