import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from innkeepd.config.load import load
from innkeepd.openclaw.cli import main

SEED = """{
  // as it was given
  agents: {
    defaults: { model: { primary: "ollama/llama3.3:latest" } },
    profiles: {
      coder: { model: { primary: "ollama/qwen2.5-coder:32b", fallbacks: ["ollama/deepseek-r1:32b"] } },
      reasoner: { model: { primary: "ollama/deepseek-r1:32b", fallbacks: ["ollama/qwen2.5-coder:32b"] } },
    },
  },
  models: { providers: { ollama: { baseUrl: "http://host.containers.internal:11434/v1" } } },
}
"""


@pytest.fixture
def env(tmp_path):
    return {"HOME": str(tmp_path), "INNKEEP_HOME": str(tmp_path / "home")}


@pytest.fixture
def seed(tmp_path):
    file = tmp_path / ".openclaw" / "openclaw.json"
    file.parent.mkdir()
    file.write_text(SEED)
    return file


def test_an_import_prints_roles_that_our_own_reader_takes(seed, env, tmp_path, capsys):
    assert main(["import", str(seed)], env) == 0
    out, err = capsys.readouterr()
    config = tmp_path / "read.toml"
    config.write_text(out)
    assert load(config, {}).roles["reasoning"].chain == ("deepseek-r1:32b", "qwen2.5-coder:32b")
    assert "note: agents.defaults.model: names no fallbacks, so innkeep's stay (llama3.1:8b)" in err
    assert not (tmp_path / "home").exists()


def test_an_import_without_a_file_reads_openclaws_own_and_writes_ours(seed, env, tmp_path, capsys):
    assert main(["import", "--write"], env) == 0
    assert f"{tmp_path}/home/config.toml: general, coding, reasoning written\n" == capsys.readouterr().out
    assert load(None, env).roles["general"].chain == ("llama3.3:latest", "llama3.1:8b")
    assert main(["import", "--write"], env) == 0
    assert "were so already" in capsys.readouterr().out


def test_the_copy_of_a_config_that_was_there_is_named(seed, env, tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text("[roles.general]\nfallbacks = []\n")
    assert main(["import", "--write"], env) == 0
    out, err = capsys.readouterr()
    assert "(as it was: config.toml.bak)" in out
    assert "so innkeep's stay (none)" in err


def test_a_file_without_chains_is_a_fault(env, tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main(["import", str(tmp_path / "x.json")], env) == 1
    assert f"innkeepd: {tmp_path}/x.json: no model chain in it" in capsys.readouterr().err


def test_an_export_prints_the_block(env, capsys):
    assert main(["export", "--container", "--context", "32768"], env) == 0
    provider = json.loads(capsys.readouterr().out)["models"]["providers"]["ollama"]
    assert (
        provider["baseUrl"],
        provider["models"][0]["contextWindow"],
    ) == ("http://host.containers.internal:11435", 32768)


def test_an_export_tells_of_a_port_that_is_off_and_masks_a_token(env, tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text('[http]\nenabled = false\ntoken = "s3cret"\n')
    assert main(["export"], env) == 0
    out, err = capsys.readouterr()
    assert "s3cret" not in out + err
    assert "enabled is false" in err
    assert main(["export", "--write", str(tmp_path / "o.json")], env) == 0
    assert "s3cret" in (tmp_path / "o.json").read_text()
    assert "s3cret" not in "".join(capsys.readouterr())


def test_an_export_merges_into_openclaws_own_file(seed, env, capsys):
    assert main(["export", "--write"], env) == 0
    out, err = capsys.readouterr()
    assert f"{seed}: points at http://127.0.0.1:11435 now (as it was: openclaw.json.bak)" in out
    assert "comments of openclaw.json are in openclaw.json.bak only" in err
    assert seed.with_name("openclaw.json.bak").read_text() == SEED
    assert main(["export", "--write"], env) == 0
    assert "already" in capsys.readouterr().out


def test_an_export_can_be_the_first_to_write(env, tmp_path, capsys):
    (tmp_path / ".openclaw").mkdir()
    assert main(["export", "--write", "--http", "http://mac.local:1"], env) == 0
    assert "http://mac.local:1" in (tmp_path / ".openclaw" / "openclaw.json").read_text()


@pytest.mark.parametrize(
    ("argv", "status", "says"),
    [
        (["export", "--write", "-"], 1, "--write needs a file"),
        (["export", "--http", "x"], 1, "--http: expected an address"),
        (["export", "--config", "/nowhere.toml"], 1, "/nowhere.toml: no such file"),
        (["import", "/nowhere.json"], 1, "/nowhere.json: no such file"),
        (["export", "--context", "100"], 2, "4096 or more"),
        (["export", "--context", "x"], 2, "expected a number of tokens"),
        ([], 2, "VERB"),
    ],
)
def test_bad_input_gets_one_clear_line(argv, status, says, env, capsys):
    try:
        assert status == main(argv, env)
    except SystemExit as left:
        assert status == left.code
    assert says in capsys.readouterr().err


def test_ctrl_c_is_no_traceback(env, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("innkeepd.openclaw.cli.document.read", interrupted)
    assert main(["import"], env) == 130


@pytest.mark.clients
@pytest.mark.parametrize("before", [SEED, "{}"])
def test_openclaw_itself_finds_the_merged_file_valid(before, env, tmp_path):
    openclaw = os.environ.get("OPENCLAW_BIN") or shutil.which("openclaw")
    if not openclaw:
        pytest.skip("no openclaw: `npm i node@26 openclaw@2026.9.6` somewhere and set OPENCLAW_BIN")
    file = tmp_path / "openclaw.json"
    file.write_text(before)
    assert main(["export", "--write", str(file)], env) == 0
    path = os.pathsep.join([str(Path(openclaw).parent), os.environ["PATH"]])
    ran = subprocess.run(
        [openclaw, "config", "validate"],
        env={"HOME": str(tmp_path), "PATH": path, "OPENCLAW_CONFIG_PATH": str(file)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "") or "Config valid" in ran.stdout, ran.stdout + ran.stderr


def test_json_is_one_object_a_line(seed, env, capsys):
    reported = []
    for words in (
        ["import", str(seed)],
        ["import", "--write"],
        ["import", "--write"],
        ["export"],
        ["export", "--write"],
    ):
        assert main([*words, "--json"], env) == 0
        printed = capsys.readouterr().out
        assert printed.count("\n") == 1
        reported.append(json.loads(printed))
    taken, first, second, block, written = reported
    assert "roles" in taken
    assert (first["changed"], second["changed"]) == (True, False)
    assert "models" in block
    assert written["changed"] is True
