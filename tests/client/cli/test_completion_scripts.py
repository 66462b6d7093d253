import shutil
import subprocess

import pytest

from innkeep.cli.completion_scripts import script
from innkeep.cli.tree import commands
from innkeep.cli.verbs import VERBS

TREE = tuple(commands())
MODELS = "innkeep() { printf '%s\\n' qwen2.5-coder:32b llama3.1:8b; }"


def completed(line):
    """What bash offers at the end of ``line``, where the daemon knows two models."""
    probe = f"""
{script("bash", TREE)}
{MODELS}
COMP_LINE={line!r} COMP_POINT={len(line)}
_innkeep
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    ended = subprocess.run(["bash", "--norc", "-c", probe], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout.split()


def test_bash_offers_the_verbs():
    assert set(VERBS) <= set(completed("innkeep "))
    assert completed("innkeep his") == ["history"]
    assert completed("innkeep --json stat") == ["status", "stats"]


def test_bash_offers_the_options_of_the_verb():
    assert completed("innkeep history --tr") == ["--trace"]
    assert completed("innkeep --socket /s unload --a") == ["--all"]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("innkeep ask --role re", ["reasoning"]),
        ("innkeep models se", ["set"]),
        ("innkeep config ", ["check", "path", "show", "--socket", "--json", "--help"]),
        ("innkeep load q", ["qwen2.5-coder:32b"]),
        ("innkeep ask --model ll", ["llama3.1:8b"]),
        ("innkeep ask --patience ", []),
    ],
)
def test_bash_offers_values(line, offered):
    assert offered == completed(line)


def test_bash_goes_on_behind_the_colon_of_a_models_name():
    assert completed("innkeep load qwen2.5-coder:3") == ["32b"]


def test_bash_offers_files_for_a_file(tmp_path):
    (tmp_path / "notes.txt").touch()
    assert completed(f"innkeep ask -f {tmp_path}/no") == [f"{tmp_path}/notes.txt"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_find_no_fault_in_their_scripts(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    file = tmp_path / "script"
    file.write_text(script(shell, TREE))
    subprocess.run([shell, "-n", str(file)], check=True, capture_output=True)


def test_fish_offers_verbs_options_and_models(tmp_path):
    if shutil.which("fish") is None:
        pytest.skip("no fish here")
    probe = f"{script('fish', TREE)}\nfunction innkeep; echo qwen2.5-coder:32b; end\n"

    def offered(line):
        file = tmp_path / "probe.fish"
        file.write_text(f"{probe}complete -C '{line}'\n")
        environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        ended = subprocess.run(
            ["fish", "--no-config", str(file)], capture_output=True, text=True, check=True, env=environ
        )
        return [found.split("\t")[0] for found in ended.stdout.splitlines()]

    assert set(VERBS) <= set(offered("innkeep "))
    assert offered("innkeep history --tr") == ["--trace"]
    assert offered("innkeep ask --role re") == ["reasoning"]
    assert "qwen2.5-coder:32b" in offered("innkeep load q")


def test_zsh_describes_every_verb_and_option():
    text = script("zsh", TREE)
    assert all(f"'{verb}:" in text for verb in VERBS)
    assert "'--trace[as a trace of requests that the simulator can replay]'" in text
    assert "'*--fallback[with --model\\: the next to try; may be given again]:model:_innkeep_models'" in text
