"""What differs between the versions of Ollama that are simulated: one table, read by every module here.

Measured on 0.17.4 and 0.33.0 (``tests/data/ollama``, ``tests/data/ollama-0.33``). Since v0.30.0 each model is one
``llama-server`` process; nearly every difference follows from that.
"""

import math
from collections.abc import Callable

from msgspec import Struct

from innkeepd.simulator import overflow, texts
from innkeepd.simulator.machine import GIB

RUNNER_OPTIONS = frozenset({"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"})
"""Members of ``options`` that belong to the runner (``api.Runner`` of 0.17.4): another value reloads the model."""


class Release(Struct, frozen=True, kw_only=True):
    """One version.

    ``launch``: attributes of the runner, ``shift`` among them where it is one. ``vanish``: seconds between the end of
    the last answer and leaving ``/api/ps``; ``memory_return``: seconds in which memory comes back after that.
    ``max_runners``: models that may be loaded at once. ``cache_ram``: bytes of other conversations that a runner keeps.
    """

    name: str
    version: str
    texts: texts.Texts
    fit: Callable[[overflow.Prompt], overflow.Fitted]
    launch: frozenset[str] = RUNNER_OPTIONS
    vanish: float = 0.2
    memory_return: float = 1.0
    max_runners: float = math.inf
    cache_ram: int = 0
    subtracts_loaded: bool = True
    """Beside others a model is judged by weights, KV cache and the batch's surcharge against what the loaded ones leave
    of Metal's limit (``updateFreeSpace``, ``generationBatchSurcharge``); else by its whole size against that limit."""
    checks_memory: bool = False
    """A load that cannot fit is refused before it begins, with the numbers; else only malloc refuses."""
    lists_loading: bool = False
    """``/api/ps`` lists a model while it loads."""
    embeds_with_chat_models: bool = False
    has_status: bool = True
    """``GET /api/status`` exists."""
    tells_capabilities: bool = True
    """``/api/tags`` has ``capabilities`` and the lengths in ``details``."""
    tells_crash_under_v1: bool = False
    """A stream of ``/v1`` whose runner dies ends with an error record; else it just ends."""
    shifts_by_request: bool = False
    types_v1_errors: bool = True
    """``error.type`` under ``/v1`` follows the status."""
    role_once: bool = True
    """Only the first delta of ``/v1/chat/completions`` has a role, and the last one is empty."""
    refuses_images: bool = True
    """An image for a model that sees none is refused."""
    lets_everybody_go: bool = True
    """A GPU out of memory before the first record lets every model go."""
    knows_cloud_names: bool = True
    """A name whose tag ends in ``cloud`` goes to another host, pulled or not."""
    health_blocks_ps: bool = True
    """``/api/ps`` waits while a runner's health is looked at, or while an MLX runner starts."""


V17 = Release(
    name="0.17", version="0.17.4-simulated", texts=texts.V17, fit=overflow.to_context, checks_memory=True,
    lists_loading=True, embeds_with_chat_models=True, has_status=False, tells_capabilities=False,
    tells_crash_under_v1=True, shifts_by_request=True, types_v1_errors=False, role_once=False, health_blocks_ps=False,
    subtracts_loaded=False, refuses_images=False, lets_everybody_go=False, knows_cloud_names=False,
)  # fmt: skip
V33 = Release(
    name="0.33", version="0.33.0-simulated", texts=texts.V33, fit=overflow.to_half, vanish=0.03, memory_return=0.0,
    launch=RUNNER_OPTIONS | {"shift", "draft_num_predict"}, max_runners=3, cache_ram=8 * GIB,
)  # fmt: skip
RELEASES = {each.name: each for each in (V17, V33)}
"""By the name that ``innkeepd run --ollama`` takes, oldest first."""
NEWEST = V33
