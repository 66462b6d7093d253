"""The size of a model that is not pulled, from its registry's manifest.

A registry answers ``/v2/NAME/manifests/TAG`` as OCI's distribution specification has it; the layer of the weights and
those of a projector are what a pull downloads.
"""

from typing import TypeVar

import anyio
import msgspec
from msgspec import Struct, field

from innkeepd.backends.backend import BackendFault
from innkeepd.backends.decoding import count, decode
from innkeepd.backends.http import HttpClient
from innkeepd.policy.memory.unpulled import BITS_PER_WEIGHT, USUAL, model_by_size, parameters_of, quantization_of
from innkeepd.policy.model import Model, canonical

T = TypeVar("T")

DEFAULT_HOST = "registry.ollama.ai"
ACCEPT = {"accept": "application/vnd.docker.distribution.manifest.v2+json"}
WITHIN = 5.0
"""Seconds for everything that a registry is asked."""

IN_MEMORY = ("application/vnd.ollama.image.model", "application/vnd.ollama.image.projector")
"""Layers that are loaded; the others are a template, a licence, parameters."""


class Layer(Struct, frozen=True):
    """A part of a model: ``size`` in bytes."""

    media_type: str = field(name="mediaType", default="")
    digest: str = ""
    size: int = 0


class Manifest(Struct, frozen=True):
    """What a tag stands for."""

    config: Layer = Layer()
    layers: tuple[Layer, ...] = ()


class Described(Struct, frozen=True):
    """The configuration of a model: ``32.8B`` and ``Q4_K_M``."""

    model_type: str = ""
    file_type: str = ""


def place_of(name: str) -> tuple[str, str, str]:
    """(host, repository, tag): a name without a host is Ollama's library's."""
    path, _, tag = canonical(name).rpartition(":")
    first, slash, rest = path.partition("/")
    if slash and "." in first:
        return first, rest, tag
    return DEFAULT_HOST, path if slash else f"library/{path}", tag


async def model_in_registry(name: str, http: HttpClient | None = None) -> Model | None:
    """The model as its registry describes it; None where the registry can't be asked or doesn't have it."""
    host, repository, tag = place_of(name)
    client = http or HttpClient(f"https://{host}", connect_timeout=WITHIN)
    try:
        with anyio.move_on_after(WITHIN):
            manifest = await _get(client, f"/v2/{repository}/manifests/{tag}", Manifest)
            size = sum(count(layer.size) for layer in manifest.layers if layer.media_type in IN_MEMORY)
            if size <= 0:
                return None
            try:
                described = await _get(client, f"/v2/{repository}/blobs/{manifest.config.digest}", Described)
            except BackendFault:  # blobs are often elsewhere, and no redirect is followed
                described = Described()
            kind = described.file_type or quantization_of(name) or USUAL
            bits = BITS_PER_WEIGHT.get(kind, BITS_PER_WEIGHT[USUAL])
            parameters = parameters_of(described.model_type) or parameters_of(name) or int(size * 8 / bits)
            return model_by_size(name, parameters, size, kind)
    except BackendFault:
        return None
    finally:
        with anyio.CancelScope(shield=True):
            await client.aclose()
    return None


async def _get(client: HttpClient, path: str, kind: type[T]) -> T:
    async with client.request("GET", path, None, ACCEPT) as answer:
        if answer.status != 200:
            raise BackendFault("model_missing", f"{path}: status {answer.status}")
        return decode(await answer.read(), msgspec.json.Decoder(kind))
