"""What the pages say of defaults and of what fits is what the program does."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields

from innkeepd.config import schema as config
from innkeepd.config.load import load
from innkeepd.config.show import _spell
from innkeepd.config.values import marker
from innkeepd.policy.memory.admission import SizedModel, together
from innkeepd.policy.memory.budget import MemoryPolicy, budget_of, gib
from innkeepd.policy.memory.context import choose_contexts, is_heavy, takes
from innkeepd.policy.memory.known_models import KNOWN_MODELS
from innkeepd.policy.memory.reading import Reading

ROOT = Path(__file__).parents[1]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
DECISIONS = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
TABLES = {
    "[ollama]": config.OllamaConfig,
    "[routing]": config.RoutingConfig,
    '[models."NAME"]': config.ModelConfig,
    "[memory]": config.MemoryConfig,
    "[residency]": config.ResidencyConfig,
    "[timeouts]": config.TimeoutsConfig,
    "[schedule]": config.ScheduleConfig,
    "[schedule.patience]": config.PatienceConfig,
    "[http]": config.HttpConfig,
    "[[backends]]": config.BackendConfig,
    "[log]": config.LogConfig,
    "[history]": config.HistoryConfig,
    "[[when]]": config.WhenConfig,
    "[notify]": config.NotifyConfig,
}


def section(head):
    """The text under the heading of a table, up to the next heading."""
    return re.search(rf"^#+ `{re.escape(head)}`\n(.*?)(?=^#|\Z)", CONFIGURATION, re.DOTALL | re.MULTILINE)[1]


def told(head):
    """Key -> default, as the page has them."""
    return dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|", section(head), re.MULTILINE))


def real(kind):
    """Key -> default, as the program spells them; inner tables are told under a heading of their own."""
    hints = get_type_hints(kind, include_extras=True)
    own = [one for one in fields(kind) if not isinstance(one.default, Struct)]
    spelled = {
        one.name: one.default is not NODEFAULT and _spell(one.name, one.default, marker(hints[one.name])) for one in own
    }
    return {name: f"`{text}`" if text else "required" for name, text in spelled.items()}


@pytest.mark.parametrize("head", TABLES)
def test_every_key_of_a_table_is_told_with_its_default(head):
    assert real(TABLES[head]) == told(head)


def test_every_table_has_its_heading():
    heads = re.findall(r"^## .*", CONFIGURATION, re.MULTILINE)
    for name in config.Config.__struct_fields__:
        assert name in {"file", "sources"} or any(f"[{name}" in head for head in heads), name


def test_the_chains_and_keywords_shown_are_the_defaults(tmp_path):
    shown = re.findall(
        r"```toml\n(.*?)```", section("[roles.coding]`, `[roles.reasoning]`, `[roles.general]"), re.DOTALL
    )
    file = tmp_path / "config.toml"
    file.write_text(shown[0], encoding="utf-8")
    assert list(tomllib.loads(shown[0])["roles"]) == list(config.default_roles())
    assert load(file, {}).roles == config.default_roles()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_every_piece_of_configuration_on_a_page_is_accepted(page, tmp_path):
    file = tmp_path / "config.toml"
    for shown in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for named in re.findall(r'^token_file = "(?:~/)?([^"]+)"', shown, re.MULTILINE):
            (tmp_path / named).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / named).write_text("a-token\n")
        file.write_text(shown, encoding="utf-8")
        assert load(file, {"HOME": str(tmp_path)}).sources


def test_the_table_of_what_fits_is_computed_from_real_sizes():
    rows = re.findall(r"^\| (\d+) GB \| (.+) \|$", DECISIONS, re.MULTILINE)
    assert [size for size, _ in rows] == ["16", "24", "36", "48", "64", "128"]
    for size, cells in rows:
        budget = budget_of(Reading(total=int(size) * 2**30))
        contexts = choose_contexts(KNOWN_MODELS, budget.bytes)
        coder, thinker, big, small = (
            SizedModel(each.name, each.weights, takes(each, contexts[each.weights], MemoryPolicy()),
                  is_heavy(each, budget.bytes, MemoryPolicy()))
            for each in KNOWN_MODELS
        )  # fmt: skip
        sets = [[coder], [coder, small], [coder, thinker], [big], [big, small], [small]]
        assert cells.split(" | ") == [gib(budget.bytes), *(together(clients, budget).fit for clients in sets)]
        if size == "36":
            for client in (coder, small, big):
                assert gib(client.footprint) in DECISIONS.partition("On 36 GB: ")[2].partition("\n`innkeepd")[0]


def test_the_waits_told_of_the_hot_trace_are_what_the_simulator_prints():
    lines = re.findall(r"^innkeepd (simulate tests/.+)$", DECISIONS, re.MULTILINE)
    totals = [
        json.loads(
            subprocess.run(
                [sys.executable, "-m", "innkeepd.main", *shlex.split(line), "--json"],
                cwd=ROOT, capture_output=True, text=True, check=True,
            ).stdout
        )["totals"]
        for line in lines
    ]  # fmt: skip
    swaps, turns, fifo = re.search(
        r"(\d+) swaps either way.*?(\d+) s by turns against (\d+) s", DECISIONS, re.DOTALL
    ).groups()
    assert [int(swaps), int(swaps)] == [each["swaps"] for each in totals]
    assert [int(turns), int(fifo)] == [round(each["longest_model_wait"]) for each in totals]
