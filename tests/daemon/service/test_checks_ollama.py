from pathlib import Path

import pytest

from innkeepd.config.schema import Config, RoleConfig
from innkeepd.machine.runners import Runner
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.service.checks_ollama import (
    OLLAMA,
    check_clients,
    check_context,
    check_exposure,
    check_foreign,
    check_keep_alive,
    check_kv_cache,
    check_max_loaded,
    check_models,
    check_never_fits,
    check_ollama,
    check_orphans,
    check_parallel,
    check_prompt_cache,
)
from innkeepd.service.facts import Program, Running
from support.doctor import facts_of

SMALL = Config(roles={"general": RoleConfig(primary="llama3.1:8b")})


def with_setting(name: str, value: str, launcher: str = "app"):
    return facts_of(ollama_environment={name: value}, ollama_launcher=launcher)


def test_a_healthy_ollama_has_no_complaints():
    assert [check(facts_of(config=SMALL)).level for check in OLLAMA] == ["ok"] * len(OLLAMA)


def test_the_prompt_cache_is_named_with_what_a_cap_costs():
    unset = check_prompt_cache(facts_of())
    assert (unset.level, "up to 8 GiB of old conversations" in unset.saw) == ("ok", True)
    capped = check_prompt_cache(with_setting("LLAMA_ARG_CACHE_RAM", "1024"))
    assert (capped.level, "1024 MiB" in capped.saw, "read again" in capped.saw) == ("ok", True, True)
    endless = check_prompt_cache(with_setting("LLAMA_ARG_CACHE_RAM", "-1"))
    assert (endless.level, "LLAMA_ARG_CACHE_RAM" in endless.mend) == ("warning", True)
    assert "can't be seen" in check_prompt_cache(facts_of(ollama_environment=None)).saw


def test_runners_that_were_left_behind_are_named_with_the_command_that_ends_them():
    orphans = [Runner(7, "llama-server", None, 2**32, 2**32), Runner(8, "ollama")]
    finding = check_orphans(facts_of(orphans=orphans))
    assert (finding.level, finding.mend) == ("warning", "kill 7 8")
    assert "llama-server (pid 7, 4.0 GiB), ollama (pid 8, size unknown)" in finding.saw


def test_an_ollama_that_was_never_proved_is_a_warning():
    finding = check_ollama(facts_of(ollama_version="0.99.0"))
    assert (finding.level, "0.99.0" in finding.saw, "0.33.0" in finding.saw) == ("warning", True, True)


@pytest.mark.parametrize(("platform", "mend"), [("darwin", "open the Ollama app"), ("linux", "ollama serve")])
def test_an_ollama_that_does_not_answer_is_an_error(platform: str, mend: str):
    finding = check_ollama(facts_of(platform=platform, ollama_reachable=False, ollama_fault="connection refused"))
    assert finding.level == "error"
    assert "connection refused" in finding.saw
    assert mend in finding.mend


def test_a_simulated_ollama_is_called_one():
    finding = check_ollama(facts_of(ollama_is_simulated=True))
    assert (finding.level, finding.saw.split(" at ")[0]) == ("warning", "the daemon simulates one")


@pytest.mark.parametrize(
    ("check", "name", "bad", "good"),
    [
        (check_keep_alive, "OLLAMA_KEEP_ALIVE", ["-1", "24h", "-1m", "7200"], ["5m", "0", "30m", "odd"]),
        (check_max_loaded, "OLLAMA_MAX_LOADED_MODELS", ["1"], ["0", "3"]),
        (check_parallel, "OLLAMA_NUM_PARALLEL", ["4"], ["0", "1"]),
        (check_context, "OLLAMA_CONTEXT_LENGTH", ["32768"], ["4096", "8192"]),
        (check_kv_cache, "OLLAMA_KV_CACHE_TYPE", ["f32"], ["f16", "q8_0", "q4_0"]),
        (check_exposure, "OLLAMA_HOST", ["0.0.0.0", "0.0.0.0:11434", "192.168.1.2:11434", "[::]:11434"], ["127.0.0.1"]),
    ],
)
def test_settings_that_work_against_us_are_told_and_others_are_not(check, name: str, bad: list[str], good: list[str]):
    for value in bad:
        finding = check(with_setting(name, value))
        assert (finding.level, finding.saw) == ("warning", f"{name}={value}")
        assert finding.why
        assert finding.mend == f"launchctl unsetenv {name}, then quit and open the Ollama app"
    assert [check(with_setting(name, value)).level for value in good] == ["ok"] * len(good)


@pytest.mark.parametrize(
    ("launcher", "mend"),
    [
        ("homebrew", "brew services restart ollama"),
        ("service", "systemctl edit ollama"),
        ("shell", "unset OLLAMA_NUM_PARALLEL"),
        ("unknown", "without OLLAMA_NUM_PARALLEL"),
    ],
)
def test_the_cure_depends_on_who_started_ollama(launcher: str, mend: str):
    assert mend in check_parallel(with_setting("OLLAMA_NUM_PARALLEL", "4", launcher)).mend


@pytest.mark.parametrize("check", [check_keep_alive, check_max_loaded, check_parallel])
def test_settings_that_are_unset_or_unseen_are_told_apart(check):
    assert "is unset" in check(facts_of()).saw
    assert "can't be seen" in check(facts_of(ollama_environment=None)).saw


def test_the_context_that_ollama_takes_by_itself_follows_from_metals_limit():
    assert "unset: Ollama by itself takes 32768" in check_context(facts_of()).saw


def test_a_large_context_that_innkeep_itself_gave_is_no_news():
    assert check_context(facts_of(ollama_running=[Running("llama3.1:8b", 9 * 10**9, 32768)])).level == "ok"
    assert check_context(facts_of(ollama_running=[Running("stranger:8b", 9 * 10**9, 32768)])).level == "warning"


def test_a_model_in_memory_at_a_large_context_is_told():
    finding = check_context(facts_of(ollama_running=[Running("qwen2.5-coder:32b", 27 * 10**9, 32768)]))
    assert (finding.level, finding.saw) == ("warning", "in memory now: qwen2.5-coder:32b at 32768")


def test_missing_models_come_with_the_line_that_pulls_them():
    finding = check_models(facts_of(ollama_pulled=[one for one in KNOWN_MODELS if one.name != "deepseek-r1:32b"]))
    assert (finding.level, finding.mend) == ("warning", "ollama pull deepseek-r1:32b")


def test_a_role_without_any_model_is_an_error():
    finding = check_models(facts_of(config=SMALL, ollama_pulled=[]))
    assert (finding.level, finding.mend) == ("error", "innkeep init")


def test_models_are_not_judged_while_ollama_is_down():
    assert check_models(facts_of(ollama_reachable=False)).saw == "not known while Ollama is down"


def test_a_model_that_never_fits_comes_with_the_one_to_put_instead():
    finding = check_never_fits(facts_of())
    assert finding.level == "warning"
    assert finding.saw.startswith("llama3.3:latest takes 41.9 GiB, the budget is 27.0 GiB")
    assert finding.mend == "innkeep models set llama3.1:8b --role general"


def test_a_role_of_which_nothing_fits_is_chosen_anew():
    config = Config(roles={"general": RoleConfig(primary="llama3.3:latest")})
    assert check_never_fits(facts_of(config=config)).mend == "innkeep init"


def test_a_fallback_that_never_fits_is_to_be_taken_out():
    config = Config(roles={"general": RoleConfig(primary="llama3.1:8b", fallbacks=("llama3.3:latest",))})
    assert check_never_fits(facts_of(config=config)).mend == "take llama3.3:latest out of the fallbacks"


def test_programs_that_ask_ollama_directly_are_named_by_number_and_name():
    finding = check_foreign(facts_of(direct=[Program(31, "Code Helper"), Program(44, "node")]))
    assert finding.saw == "connected to Ollama directly: Code Helper (pid 31), node (pid 44)"
    assert "OLLAMA_HOST=127.0.0.1:11435" in finding.mend
    assert "doesn't show" in check_foreign(facts_of(direct=None)).saw


def test_a_host_that_cannot_be_read_is_no_alarm():
    assert check_exposure(with_setting("OLLAMA_HOST", "a b:c")).level == "ok"


def test_nothing_that_names_models_is_judged_by_a_broken_configuration():
    facts = facts_of(config_fault="/c.toml: line 3: not TOML", ollama_pulled=[])
    assert (check_models(facts).level, check_never_fits(facts).level) == ("ok", "ok")


def test_a_pull_that_can_never_run_is_not_advised():
    """On 36 GB with only the 70B in a role: pulling 43 GB would be for nothing."""
    config = Config(roles={"general": RoleConfig(primary="llama3.3:latest")})
    never = [{"name": "llama3.3:latest", "fit": "never", "reason": "too big"}]
    finding = check_models(facts_of(config=config, ollama_pulled=[], verdicts=never))
    assert finding.level == "error"
    assert finding.mend == "innkeep init"


def test_what_the_apps_settings_set_is_cured_there():
    facts = facts_of(
        ollama_environment={"OLLAMA_HOST": "0.0.0.0"},
        ollama_app_settings={"OLLAMA_HOST": "0.0.0.0"},
        ollama_launcher="app",
    )
    assert "Expose Ollama to the network" in check_exposure(facts).mend


def test_what_homebrews_formula_sets_needs_an_agent_of_its_own():
    finding = check_kv_cache(with_setting("OLLAMA_KV_CACHE_TYPE", "f32", "homebrew"))
    assert "docs/drop-in.md" in finding.mend


def test_a_client_that_asks_ollama_directly_is_named_with_the_command_that_connects_it():
    finding = check_foreign(facts_of(direct=[Program(31, "claude"), Program(44, "node"), Program(45, "codex")]))
    assert finding.mend == "innkeep connect claude-code && innkeep connect codex"


def test_a_client_that_is_configured_for_ollama_is_named_with_its_file():
    assert check_clients(facts_of()).level == "ok"
    found = [("aider", Path("/h/.aider.conf.yml")), ("pi", Path("/h/a")), ("pi", Path("/h/b"))]
    finding = check_clients(facts_of(asking_ollama=found))
    assert (finding.level, finding.mend) == ("warning", "innkeep connect aider --write && innkeep connect pi --write")
    assert finding.saw == "configured for Ollama directly: aider (/h/.aider.conf.yml), pi (/h/a), pi (/h/b)"
