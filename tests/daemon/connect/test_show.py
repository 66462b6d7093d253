import json
import tomllib

import pytest
from ruamel.yaml import YAML

from innkeepd.clients.table import Installation, clients
from innkeepd.connect import show

TOKEN = Installation("http://127.0.0.1:1", "it's")
READ = {"json": json.loads, "toml": tomllib.loads, "yaml": YAML(typ="safe").load}


@pytest.mark.parametrize("client", clients().values(), ids=lambda one: one.name)
def test_what_is_shown_of_a_file_is_what_it_would_hold(client):
    for file in client.files:
        assert READ[file.format](show.spelled(file, TOKEN)) == show.content(file, TOKEN)


def test_the_shell_gets_what_it_can_take():
    blocks = list(show.blocks(clients()["open-webui"], TOKEN, {}))
    assert [(language, head) for language, head, _ in blocks] == [("sh", "in the shell")]
    assert 'OLLAMA_API_CONFIGS=\'{"0": {"key": "it\'"\'"\'s"}}\'' in blocks[0][2]
    (once,) = show.blocks(clients()["cline"], Installation(), {})
    assert once == (
        "sh", "once", "cline auth -p openai-compatible -m coding -b http://127.0.0.1:11435/v1 -k innkeep\n",
    )  # fmt: skip
