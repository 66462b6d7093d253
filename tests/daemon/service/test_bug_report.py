import json
import subprocess
from pathlib import Path

from innkeepd.config.schema import BackendConfig, Config, HttpConfig, LogConfig
from innkeepd.service.bug_report import log_lines, recordings, report, scrub, secrets
from innkeepd.service.doctor import examine
from innkeepd.service.errors import ServiceFault
from innkeepd.service.facts import Program
from support.doctor import facts_of

HOME = Path("/Users/you")
PROMPT = "왜 하늘은 파란가"


def test_the_report_holds_no_secret_no_prompt_and_no_home_folder(short_path: Path):
    log = short_path / "innkeepd.log"
    lines = [
        {"event": "chat", "model": "llama3.1:8b", "prompt": PROMPT, "messages": [PROMPT], "error": f"about {PROMPT}"},
        {"event": "started", "path": "/Users/you/.innkeep"},
    ]
    log.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + f"\nplain text with {PROMPT}\n")
    crash = short_path / "crash.log"
    crash.write_text(f'Traceback\n  File "/Users/you/x.py", line 3, in run\nValueError: {PROMPT}\n')
    config = Config(
        http=HttpConfig(token="hunter2hunter2"),
        backends=(BackendConfig(name="far", url="http://far:8000", token="tok-abcdef"),),
        log=LogConfig(prompts=True),
    )
    facts = facts_of(config=config, ollama_fault="http://me:pass@host", direct=[Program(3, "node")])
    text = report(facts, examine(facts), version="0.1.0", user_home=HOME, logs=[log, crash])
    for secret in ("hunter2", "tok-abcdef", PROMPT, "/Users/you", "me:pass"):
        assert secret not in text
    assert '"model": "llama3.1:8b"' in text
    assert "line 3, in run" in text
    assert "ValueError" in text
    assert "innkeepd 0.1.0" in text
    assert "== findings ==" in text


def test_settings_outside_the_allow_list_never_reach_the_report():
    facts = facts_of(config_fault="/Users/you/.innkeep/config.toml: line 3")
    text = report(facts, [], version="0.1.0", user_home=HOME, logs=[])
    assert "~/.innkeep/config.toml: line 3" in text


def test_a_report_can_be_made_of_a_machine_that_shows_nothing():
    text = report(
        facts_of(view=None, view_fault="no systemctl", reading=None), [], version="0", user_home=Path("/"), logs=[]
    )
    assert '"fault": "no systemctl"' in text
    assert "== memory ==" in text


def test_what_looks_like_a_secret_is_starred():
    text = scrub(
        'Authorization: Bearer abcdef123 token="s3cr3ts" api_key=AAAABBBB sk-1234567890 tokens 4096', HOME, ["known"]
    )
    for secret in ("abcdef123", "s3cr3ts", "AAAABBBB", "sk-1234567890"):
        assert secret not in text
    assert "tokens 4096" in text


def test_secrets_that_we_know_are_listed():
    assert secrets(Config()) == []


def test_a_log_that_is_not_there_is_empty(short_path: Path):
    assert log_lines(short_path / "none") == []


def test_a_macs_own_commands_are_recorded_without_the_sessions_variables():
    """``launchctl print`` shows what ``launchctl setenv`` was given, which may be a key."""
    printed = "gui/501/x = {\n\tstate = running\n\tinherited environment = {\n\t\tKEY => s3cret\n\t}\n\tpid = 7\n}\n"

    def run(command):
        if command[0] == "pmset":
            raise ServiceFault("there is no `pmset` on this machine")
        out = printed if "print" in command else "out\n"
        return subprocess.CompletedProcess(command, 1 if command[0] == "memory_pressure" else 0, out, "")

    told = recordings(run, "gui/501/x")
    assert told["launchctl print gui/501/x"] == "gui/501/x = {\n\tstate = running\n\tpid = 7\n}\n"
    assert told["vm_stat"] == "out\n"
    assert told["memory_pressure -Q"].endswith("# exit status 1")
    assert told["pmset -g batt"] == "# there is no `pmset` on this machine"
    text = report(facts_of(), [], version="0", user_home=Path("/Users/you"), logs=[], recorded=told)
    assert "== vm_stat ==\nout\n" in text
    assert "s3cret" not in text
