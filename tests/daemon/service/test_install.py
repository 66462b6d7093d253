import plistlib
import stat

import pytest

from innkeepd.service.errors import NotInstalled, ServiceFault
from innkeepd.service.probe import Answer
from support.service import GUI, USER, FakeMac

pytestmark = pytest.mark.processes


def test_install_on_a_bare_mac_makes_folders_plist_and_a_running_job(mac: FakeMac):
    assert mac.agent().install() == mac.answer
    job = mac.jobs[GUI]
    assert job["pid"]
    assert not job["sockets"]["Listeners"]["broken"]
    assert stat.S_IMODE(mac.paths.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(mac.paths.agent_file.stat().st_mode) == 0o644
    assert mac.paths.logs.is_dir()
    assert mac.verbs == ["enable", "bootstrap"]


def test_installing_twice_restarts_the_loaded_job_and_keeps_its_socket(mac: FakeMac):
    mac.agent().install()
    first = mac.jobs[GUI]["pid"]
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "kill", "kickstart"]
    assert mac.jobs[GUI]["pid"] != first
    assert any(line.startswith("unchanged") for line in mac.said)


def test_installing_over_an_older_plist_reloads_the_job(mac: FakeMac):
    mac.agent(drain=5.0).install()
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "bootout", "bootstrap"]
    assert mac.jobs[GUI]["plist"]["ExitTimeOut"] == 30
    assert not mac.jobs[GUI]["sockets"]["Listeners"]["broken"]


def test_installing_over_a_broken_plist_replaces_it(mac: FakeMac):
    mac.paths.agent_file.parent.mkdir(parents=True)
    mac.paths.agent_file.write_text("<plist><dict><key>Label")
    mac.agent().install()
    assert plistlib.loads(mac.paths.agent_file.read_bytes())["Label"] == "dev.innkeep.innkeepd"
    assert mac.jobs[GUI]["pid"]


def test_a_job_that_is_loaded_without_its_plist_is_reloaded(mac: FakeMac):
    mac.agent().install()
    mac.paths.agent_file.unlink()
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "bootout", "bootstrap"]
    assert mac.jobs[GUI]["pid"]


def test_a_plist_without_its_job_is_loaded(mac: FakeMac):
    mac.agent().install()
    mac.set(jobs={})
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "bootstrap"]
    assert not mac.jobs[GUI]["sockets"]["Listeners"]["broken"], "the socket that launchd left behind was in the way"


def test_a_job_of_the_same_label_from_another_file_gives_way(mac: FakeMac):
    mac.agent().install()
    jobs = mac.jobs
    jobs[GUI]["path"] = "/elsewhere/dev.innkeep.innkeepd.plist"
    mac.set(jobs=jobs)
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "bootout", "bootstrap"]
    assert mac.jobs[GUI]["path"] == str(mac.paths.agent_file)


def test_a_disabled_job_is_enabled_by_install(mac: FakeMac):
    mac.set(disabled=[GUI])
    mac.agent().install()
    assert mac.at["disabled"] == []
    assert mac.jobs[GUI]["pid"]


def test_a_job_that_is_disabled_in_between_is_enabled_again(mac: FakeMac):
    mac.set(script={"bootstrap": [119]})
    mac.agent().install()
    assert mac.verbs == ["enable", "bootstrap", "enable", "bootstrap"]
    assert mac.jobs[GUI]["pid"]


def test_without_a_desktop_session_the_job_goes_to_the_background_session_and_says_so(mac: FakeMac):
    mac.set(domains=["user/501"])
    mac.agent().install()
    assert list(mac.jobs) == [USER]
    assert plistlib.loads(mac.paths.agent_file.read_bytes())["LimitLoadToSessionType"] == "Background"
    assert any("no desktop session" in line for line in mac.said)


def test_installing_at_the_desktop_moves_the_job_out_of_the_background_session(mac: FakeMac):
    mac.set(domains=["user/501"])
    mac.agent().install()
    mac.set(domains=["gui/501", "user/501"])
    mac.agent().install()
    assert list(mac.jobs) == [GUI]
    assert "LimitLoadToSessionType" not in plistlib.loads(mac.paths.agent_file.read_bytes())


def test_with_no_session_at_all_the_fault_says_where_to_go(mac: FakeMac):
    mac.set(domains=[])
    with pytest.raises(ServiceFault, match=r"status 125 .*desktop"):
        mac.agent().install()
    assert mac.jobs == {}


def test_a_slow_bootout_is_awaited_for_as_long_as_the_drain_lasts(mac: FakeMac):
    mac.agent(drain=5.0).install()
    mac.set(linger=12)
    mac.forget_calls()
    mac.agent().install()
    assert mac.verbs == ["enable", "bootout", "bootstrap"]
    assert 10 < mac.clock.slept < 35
    assert any(line.startswith("waiting for running answers") for line in mac.said)


def test_a_bootout_that_never_ends_is_told_with_what_to_do(mac: FakeMac):
    mac.agent(drain=5.0).install()
    mac.set(linger=10_000)
    with pytest.raises(ServiceFault, match=r"launchd still has gui/501/dev\.innkeep\.innkeepd 35 s after .*log out"):
        mac.agent().install()


@pytest.mark.parametrize("status", [5, 37])
def test_a_bootstrap_that_fails_three_times_succeeds_at_the_fourth(mac: FakeMac, status: int):
    mac.set(script={"bootstrap": [status] * 3})
    mac.agent().install()
    assert mac.verbs.count("bootstrap") == 4
    assert mac.jobs[GUI]["pid"]
    assert mac.clock.slept == pytest.approx(0.25 + 0.5 + 1.0)


def test_a_bootstrap_that_never_succeeds_ends_in_one_clear_fault(mac: FakeMac):
    mac.set(script={"bootstrap": [5] * 100})
    with pytest.raises(ServiceFault, match=r"bootstrap gui/501 .*status 5 .*Input/output error.*plutil"):
        mac.agent().install()
    assert mac.verbs.count("bootstrap") == 12, "six in each domain"
    assert "LimitLoadToSessionType" not in plistlib.loads(mac.paths.agent_file.read_bytes())


def test_where_the_desktop_domain_refuses_for_good_the_background_one_is_tried(mac: FakeMac):
    """Seen over ssh: bootstrap answers 5 for a domain of which ``print`` says 125."""
    mac.set(domains=["user/501"], refusing=["gui/501"], session="Aqua")
    mac.agent().install()
    assert list(mac.jobs) == [USER]
    assert plistlib.loads(mac.paths.agent_file.read_bytes())["LimitLoadToSessionType"] == "Background"
    assert "gui/501 does not take it (status 5): trying user/501" in mac.said


def test_where_the_background_domain_refuses_inside_a_desktop_session_the_desktop_one_is_tried(mac: FakeMac):
    mac.set(refusing=["user/501"], session="Background")
    mac.agent().install()
    assert list(mac.jobs) == [GUI]


def test_without_a_managername_the_domain_that_launchd_knows_is_taken(mac: FakeMac):
    mac.set(script={"managername": [1]})
    mac.agent().install()
    assert list(mac.jobs) == [GUI]
    assert "bootstrap" in mac.verbs


@pytest.mark.parametrize("verb", ["install", "restart", "start"])
def test_a_deleted_socket_is_mended_by_what_we_advise(mac: FakeMac, verb: str):
    """launchd keeps listening on the nameless rest: a mere restart would inherit it."""
    mac.agent().install()
    mac.paths.socket.unlink()
    mac.forget_calls()
    assert getattr(mac.agent(), verb)() == mac.answer
    assert "bootout" in mac.verbs
    assert mac.paths.socket.exists()
    assert not mac.jobs[GUI]["sockets"]["Listeners"]["broken"]


def test_a_socket_that_nobody_listens_behind_is_made_anew(mac: FakeMac):
    mac.agent().install()
    mac.forget_calls()
    mac.stranger = Answer("refused")
    mac.agent().install()
    assert mac.verbs == ["enable", "bootout", "bootstrap"]


def test_a_status_that_nobody_knows_is_not_tried_again(mac: FakeMac):
    mac.executable(
        "launchctl", '[ "$1" = enable ] && exit 0; [ "$1" = print ] && exit 113; echo "odd thing" >&2; exit 200'
    )
    with pytest.raises(ServiceFault, match=r"status 200 \(odd thing\)"):
        mac.agent().install()


def test_a_job_that_somebody_else_loads_in_between_is_unloaded_and_loaded_again(mac: FakeMac):
    agent = mac.agent()
    once = agent.desktop.bootstrap

    def twice(plist):
        agent.desktop.bootstrap = once
        once(plist)
        return once(plist)

    agent.desktop.bootstrap = twice
    mac.set(already=37)
    agent.install()
    assert mac.verbs == ["enable", "bootstrap", "bootstrap", "bootout", "bootstrap"]
    assert mac.jobs[GUI]["pid"]


def test_the_older_already_loaded_is_a_restart(mac: FakeMac):
    mac.agent().install()
    agent = mac.agent()
    mac.set(already=17)
    mac.forget_calls()
    assert agent._bootstrap(agent.desktop).verdict == "done"
    assert mac.verbs == ["bootstrap", "kickstart"]


def test_a_daemon_in_the_foreground_is_named_and_left_alone(mac: FakeMac):
    mac.stranger = Answer("welcome", version="0.1.0", pid=77)
    with pytest.raises(ServiceFault, match=r"another innkeepd \(pid 77\) already runs"):
        mac.agent().install()
    assert mac.jobs == {}


def test_a_program_that_dies_at_its_start_is_told_with_its_last_words(mac: FakeMac):
    mac.set(fate={"exit": 3})
    mac.paths.logs.mkdir(parents=True)
    mac.paths.crash_log.write_text("Traceback\nModuleNotFoundError: No module named 'psutil'\n")
    with pytest.raises(ServiceFault, match=r"last exit code 3, last words: ModuleNotFoundError"):
        mac.agent().install()
    assert mac.clock.slept >= 10


def test_a_program_that_a_signal_kills_is_told_with_the_signal(mac: FakeMac):
    mac.set(fate={"signal": "Killed: 9"})
    with pytest.raises(ServiceFault, match="Killed: 9"):
        mac.agent().install()


def test_root_is_refused_before_anything_is_written(mac: FakeMac):
    mac.paths = type(mac.paths)(0, *[getattr(mac.paths, name) for name in mac.paths.__struct_fields__[1:]])
    with pytest.raises(ServiceFault, match="without sudo"):
        mac.agent().install()
    assert not mac.paths.agent_file.exists()


def test_uninstall_leaves_nothing_but_the_configuration_and_says_so(mac: FakeMac):
    mac.agent().install()
    for name in ("config.toml", "state.sqlite3", "state.sqlite3-wal", "token", "innkeepd.lock"):
        (mac.paths.home / name).write_text("x")
    mac.paths.daemon_log.write_text("{}")
    mac.paths.daemon_log.with_name("innkeepd.log.1").write_text("{}")
    mac.agent().uninstall()
    assert mac.jobs == {}
    assert not mac.paths.agent_file.exists()
    assert not mac.paths.logs.exists()
    assert [path.name for path in mac.paths.home.iterdir()] == ["config.toml"]
    assert any(line.startswith(f"left: {mac.paths.home / 'config.toml'}") for line in mac.said)


def test_uninstall_can_keep_history_token_and_logs(mac: FakeMac):
    mac.agent().install()
    (mac.paths.home / "state.sqlite3").write_text("x")
    mac.paths.daemon_log.write_text("{}")
    mac.agent().uninstall(keep_state=True)
    assert (mac.paths.home / "state.sqlite3").exists()
    assert mac.paths.daemon_log.exists()
    assert any("state.sqlite3" in line and line.startswith("left") for line in mac.said)


def test_uninstalling_twice_is_fine(mac: FakeMac):
    mac.agent().install()
    mac.agent().uninstall()
    mac.forget_calls()
    mac.agent().uninstall()
    assert mac.verbs == []
    assert mac.said == ["nothing was installed", "nothing left behind"]


def test_uninstall_waits_for_a_slow_bootout(mac: FakeMac):
    mac.agent().install()
    mac.set(linger=6)
    mac.agent().uninstall()
    assert mac.jobs == {}
    assert not mac.paths.socket.exists()


def test_uninstall_leaves_a_foreground_daemon_its_files(mac: FakeMac):
    mac.agent().install()
    (mac.paths.home / "state.sqlite3").write_text("x")
    mac.stranger = Answer("welcome", version="0.1.0", pid=77)
    mac.agent().uninstall()
    assert (mac.paths.home / "state.sqlite3").exists()
    assert mac.paths.socket.exists()
    assert any("another innkeepd is running" in line for line in mac.said)


def test_stop_unloads_and_start_loads_again(mac: FakeMac):
    mac.agent().install()
    mac.agent().stop()
    assert mac.jobs == {}
    assert not mac.paths.socket.exists()
    assert mac.paths.agent_file.exists()
    assert mac.agent().start() == mac.answer
    assert mac.jobs[GUI]["pid"]


def test_stopping_twice_and_starting_twice_change_nothing(mac: FakeMac):
    mac.agent().install()
    mac.forget_calls()
    mac.agent().start()
    assert mac.verbs == []
    mac.agent().stop()
    mac.said.clear()
    mac.agent().stop()
    assert mac.said == ["not running"]


def test_start_wakes_a_loaded_job_that_has_no_process(mac: FakeMac):
    mac.agent().install()
    mac.run(["launchctl", "kill", "SIGTERM", GUI])
    mac.forget_calls()
    mac.agent().start()
    assert mac.verbs == ["kickstart"]


def test_start_without_a_plist_says_how_to_install(mac: FakeMac):
    with pytest.raises(NotInstalled, match="innkeep service install"):
        mac.agent().start()


def test_start_over_a_broken_plist_says_how_to_mend_it(mac: FakeMac):
    mac.paths.agent_file.parent.mkdir(parents=True)
    mac.paths.agent_file.write_text("not a plist")
    with pytest.raises(ServiceFault, match=r"is broken .*innkeep service install"):
        mac.agent().start()


def test_start_returns_to_the_session_that_the_plist_names(mac: FakeMac):
    mac.set(domains=["user/501"])
    mac.agent().install()
    mac.agent().stop()
    mac.agent().start()
    assert list(mac.jobs) == [USER]


def test_restart_drains_before_it_starts_anew(mac: FakeMac):
    mac.agent().install()
    mac.forget_calls()
    mac.agent().restart()
    assert mac.verbs == ["kill", "kickstart"]
    assert mac.jobs[GUI]["runs"] == 2


def test_restart_of_a_stopped_service_starts_it(mac: FakeMac):
    mac.agent().install()
    mac.agent().stop()
    mac.agent().restart()
    assert mac.jobs[GUI]["pid"]


def test_restart_leaves_a_daemon_alone_that_a_client_has_started_already(mac: FakeMac):
    mac.agent().install()
    agent = mac.agent()
    mac.forget_calls()
    terminate = agent.desktop.signal

    def terminate_and_connect(name):
        reply = terminate(name)
        mac.run(["launchctl", "kickstart", GUI])
        return reply

    agent.desktop.signal = terminate_and_connect
    agent.restart()
    assert mac.verbs == ["kill", "kickstart"]
    assert mac.jobs[GUI]["runs"] == 2


def test_a_desktop_that_refuses_already_at_enable_is_no_desktop(mac: FakeMac):
    mac.set(script={"enable": [125]})
    mac.agent().install()
    assert list(mac.jobs) == [USER]


def test_a_loaded_job_without_a_process_is_started_by_restart_without_a_signal(mac: FakeMac):
    mac.agent().install()
    mac.run(["launchctl", "kill", "SIGTERM", GUI])
    mac.forget_calls()
    mac.agent().restart()
    assert mac.verbs == ["kickstart"]


def test_a_restart_that_launchd_refuses_is_told(mac: FakeMac):
    mac.agent().install()
    mac.set(script={"kickstart": [5]})
    with pytest.raises(ServiceFault, match=r"kickstart -k gui/501/.*status 5"):
        mac.agent().restart()


def test_a_job_that_launchd_forgets_right_after_its_start_is_told(mac: FakeMac):
    agent = mac.agent()
    bootstrap = agent.desktop.bootstrap

    def forgotten(plist):
        reply = bootstrap(plist)
        mac.set(jobs={})
        return reply

    agent.desktop.bootstrap = forgotten
    with pytest.raises(ServiceFault, match="launchd has forgotten it again"):
        agent.install()


def test_a_missing_plist_is_not_current(mac: FakeMac):
    assert not mac.agent().is_current()
    mac.set(domains=["user/501"])
    mac.agent().install()
    assert mac.agent().is_current(), "the background session's plist is a right one too"
