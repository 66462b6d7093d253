import pytest

pytestmark = pytest.mark.anyio


async def test_a_pull_tells_its_progress_and_the_model_is_there(ask):
    got = await ask("POST", "/api/pull", {"model": "nomic-embed-text"})
    assert got.lines[0] == {"status": "pulling manifest"}
    assert got.lines[-1] == {"status": "success"}
    completed = [line["completed"] for line in got.lines if "completed" in line]
    assert completed == sorted(completed)
    assert completed[-1] == 274_302_450
    assert got.chunks[-1][0] == pytest.approx(274_302_450 / 200_000_000)
    again = await ask("POST", "/api/pull", {"model": "nomic-embed-text", "stream": False})
    assert (again.json, again.chunks[-1][0]) == ({"status": "success"}, 0.0)
    refused = await ask(
        "POST", "/api/chat", {"model": "nomic-embed-text", "messages": [{"role": "user", "content": "hi"}]}
    )
    assert refused.json == {"error": '"nomic-embed-text" does not support chat'}


async def test_an_unknown_name_cannot_be_pulled(ask):
    streamed = await ask("POST", "/api/pull", {"model": "nope"})
    assert streamed.lines[-1] == {"error": "pull model manifest: file does not exist"}
    assert (await ask("POST", "/api/pull", {"model": "nope", "stream": False})).status == 500


async def test_a_derived_model_is_listed_and_shown(ask):
    body = {"model": "coder", "from": "qwen2.5-coder:32b", "parameters": {"num_ctx": 8192}}
    assert (await ask("POST", "/api/create", body)).lines[-1] == {"status": "success"}
    assert (await ask("POST", "/api/create", body | {"stream": False})).json == {"status": "success"}
    assert "coder:latest" in [model["name"] for model in (await ask("GET", "/api/tags")).json["models"]]
    assert (await ask("POST", "/api/show", {"name": "coder"})).json["parameters"].split() == ["num_ctx", "8192"]


@pytest.mark.parametrize(
    ("more", "status"), [({}, 400), ({"from": "nope"}, 500), ({"from": "llama3.1:8b", "files": {"a": "b"}}, 400)]
)
async def test_nothing_else_is_created(ask, more, status):
    assert (await ask("POST", "/api/create", {"model": "x", **more})).status == status
