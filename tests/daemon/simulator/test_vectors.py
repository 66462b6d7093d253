import base64
import math
import struct

import pytest

from innkeepd.simulator.catalog import LLAMA8
from innkeepd.simulator.vectors import vector

pytestmark = pytest.mark.anyio


def test_a_vector_has_length_one_and_is_always_the_same():
    one = vector("hi", LLAMA8)
    assert len(one) == 4096
    assert math.isclose(sum(value * value for value in one), 1.0, rel_tol=1e-5)
    assert vector("hi", LLAMA8) == one != vector("ho", LLAMA8)


async def test_many_texts_get_many_vectors_and_load_the_model(simulator, ask):
    got = await ask("POST", "/api/embed", {"model": "llama3.1:8b", "input": ["a", "b"], "keep_alive": "1h"})
    assert len(got.json["embeddings"]) == 2
    assert got.json["load_duration"] == 4_000_000_000
    assert simulator.resident == ["llama3.1:8b"]
    assert (await ask("POST", "/api/embed", {"model": "llama3.1:8b"})).json["embeddings"] == []


async def test_base64_is_the_same_vector_in_short_floats(ask):
    plain = await ask("POST", "/v1/embeddings", {"model": "llama3.1:8b", "input": "a"})
    packed = await ask("POST", "/v1/embeddings", {"model": "llama3.1:8b", "input": "a", "encoding_format": "base64"})
    numbers = struct.unpack("<4096f", base64.b64decode(packed.json["data"][0]["embedding"]))
    assert numbers == pytest.approx(plain.json["data"][0]["embedding"])


async def test_the_old_address_takes_a_prompt(ask):
    assert (
        len((await ask("POST", "/api/embeddings", {"model": "llama3.1:8b", "prompt": "a"})).json["embedding"]) == 4096
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"input": 5}, "invalid input type"),
        ({"input": "a " * 99_999, "truncate": False}, "the input length exceeds the context length"),
    ],
)
async def test_what_cannot_be_embedded_is_refused(ask, more, text):
    got = await ask("POST", "/api/embed", {"model": "llama3.1:8b", **more})
    assert (got.status, got.json) == (400, {"error": text})
