import json

import httpx2
import pytest

from innkeepd.backends.http import HttpClient
from innkeepd.setup.registry import model_in_registry, place_of

pytestmark = pytest.mark.anyio

MANIFEST = {
    "config": {"digest": "sha256:c", "size": 400},
    "layers": [
        {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:m", "size": 9_000_000_000},
        {"mediaType": "application/vnd.ollama.image.projector", "digest": "sha256:p", "size": 600_000_000},
        {"mediaType": "application/vnd.ollama.image.license", "digest": "sha256:l", "size": 11_000},
    ],
}


def registry(manifest=MANIFEST, blob=None, status=200):
    def answer(request):
        if "/blobs/" in str(request.url):
            return httpx2.Response(200 if blob else 307, stream=httpx2.ByteStream(json.dumps(blob).encode()))
        body = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        return httpx2.Response(status, stream=httpx2.ByteStream(body))

    return HttpClient("http://registry.test", connect_timeout=1, transport=httpx2.MockTransport(answer))


async def test_the_size_is_the_sum_of_what_is_loaded():
    found = await model_in_registry("qwen3:14b", registry(blob={"model_type": "14.8B", "file_type": "Q4_K_M"}))
    assert (found.size, found.parameters, found.quantization) == (9_600_000_000, 14_800_000_000, "Q4_K_M")


async def test_without_the_blob_the_name_says_the_rest():
    found = await model_in_registry("qwen3:14b-q8_0", registry())
    assert (found.size, found.parameters, found.quantization) == (9_600_000_000, 14_000_000_000, "Q8_0")
    assert (await model_in_registry("nameless", registry())).parameters > 15_000_000_000


@pytest.mark.parametrize("broken", [{"layers": []}, b"<html>", {"layers": [{"mediaType": 5}]}])
async def test_a_manifest_that_says_nothing_is_none(broken):
    assert await model_in_registry("x:1b", registry(broken)) is None


async def test_a_registry_that_has_it_not_is_none():
    assert await model_in_registry("x:1b", registry(status=404)) is None


async def test_a_registry_that_is_not_reached_is_none():
    def refuse(request):
        raise httpx2.ConnectError("no route", request=request)

    client = HttpClient("http://registry.test", connect_timeout=1, transport=httpx2.MockTransport(refuse))
    assert await model_in_registry("x:1b", client) is None


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("qwen3:14b", ("registry.ollama.ai", "library/qwen3", "14b")),
        ("someone/thing", ("registry.ollama.ai", "someone/thing", "latest")),
        ("hf.co/a/b:Q4_K_M", ("hf.co", "a/b", "Q4_K_M")),
    ],
)
async def test_a_name_says_where_it_is(name, place):
    assert place_of(name) == place
