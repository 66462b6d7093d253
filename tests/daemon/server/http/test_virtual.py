import pytest

from innkeepd.server.http.virtual import digest
from support.daemon import config
from support.http_daemon import open_http_daemon

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", ["auto", "auto:latest", "innkeep/auto", "innkeep/auto:latest", "ollama/innkeep/auto"])
async def test_auto_has_many_spellings(name):
    async with open_http_daemon() as server:
        assert server.app.virtual.find(name) == "auto"


@pytest.mark.parametrize("name", ["auto:8b", "automatic", "other/auto", "innkeep/llama3.1:8b", ""])
async def test_other_names_are_other_models(name):
    async with open_http_daemon() as server:
        assert server.app.virtual.find(name) is None


async def test_a_role_of_ones_own_is_a_model_too():
    roles = config().roles | {"poetry": config().roles["general"]}
    async with open_http_daemon(roles=roles) as server:
        assert server.app.virtual.names == ("auto", "coding", "reasoning", "general", "poetry")


async def test_what_nothing_is_known_of_can_at_least_complete():
    async with open_http_daemon() as server:
        server.daemon.control.catalog.update([])
        assert server.app.virtual.capabilities("auto") == ["completion"]
        assert server.app.virtual.context("auto") == 4096


async def test_a_role_thinks_only_if_the_model_that_would_be_taken_does():
    async with open_http_daemon() as server:
        assert "thinking" not in server.app.virtual.capabilities("coding")
        assert "thinking" in server.app.virtual.capabilities("reasoning")
        assert "tools" in server.app.virtual.capabilities("coding")


def test_a_digest_is_the_same_for_ever():
    assert digest("auto")[:12] == "59740c364217"
    assert digest("auto") != digest("general")
