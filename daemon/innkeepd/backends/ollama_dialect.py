"""Which attributes of a request belong to the runner, in each Ollama version: one table for every endpoint.

Since v0.30.0 each model is one ``llama-server`` process, and ``shift`` is an argument of that process: a request with
another value reloads the model (``server/sched.go`` ``needsReload``). Before, ``shift`` belongs to the request. Every
body for Ollama's own API is built here, so that all doors send the same launch attributes and share one runner.

Source of the table: measured with every ordered pair of 16 endpoints on 0.33.0, and read in the tags since 0.17.4.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

LAUNCH_OPTIONS = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict"}
)
"""Members of ``options`` that belong to the runner (``api.Runner``): another value reloads the model."""

_CUTS = frozenset({"/api/chat", "/api/generate", "/api/embed"})
"""Endpoints that cut a long prompt unless ``truncate`` is false."""
_SHIFTS = frozenset({"/api/chat", "/api/generate"})
"""Endpoints that shift the context under a long answer."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


class OllamaDialect(Struct, frozen=True):
    """What differs between the versions. ``since``: the first (major, minor, patch) that speaks it.

    ``shifts_by_request``: ``shift`` is an attribute of the request, false is sent; else it is one of the runner and
    it is never sent, because ``/v1`` and ``/api/embed`` cannot. ``embeds_any``: chat models answer embeddings too.
    ``keeps_prompts``: old prompts stay in the machine's memory beside the slots (``--cache-ram`` of llama-server).
    """

    name: str
    since: tuple[int, int, int]
    shifts_by_request: bool
    embeds_any: bool
    keeps_prompts: bool = False

    def launch(self, body: Mapping[str, Any], *, context: int | None, keep_alive: float) -> dict[str, Any]:
        """A body with our launch attributes and ``keep_alive`` in place of any of its own.

        ``context``: tokens, None to send none. ``keep_alive``: seconds, infinite for ever.
        """
        owned = self._without_launch(body)
        if context is not None:
            owned["options"]["num_ctx"] = context
        owned["keep_alive"] = duration(keep_alive)
        return owned

    def own(self, path: str, body: Mapping[str, Any], *, context: int | None, keep_alive: float) -> dict[str, Any]:
        """The same for a body with a prompt, which is not cut unless it asks for that. ``path``: the endpoint."""
        owned = self.launch(body, context=context, keep_alive=keep_alive)
        if path in _CUTS:
            owned.setdefault("truncate", False)
        if self.shifts_by_request and path in _SHIFTS:
            owned.setdefault("shift", False)
        return owned

    def _without_launch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        given = body.get("options")
        options = given if isinstance(given, dict) else {}
        kept = {key: value for key, value in body.items() if key != "shift" or self.shifts_by_request}
        return kept | {"options": {key: value for key, value in options.items() if key not in LAUNCH_OPTIONS}}


OWN_RUNNER = OllamaDialect("0.17", (0, 0, 0), shifts_by_request=True, embeds_any=True)
"""Ollama's own runner, proved on 0.17.4."""
LLAMA_SERVER = OllamaDialect("0.30", (0, 30, 0), shifts_by_request=False, embeds_any=False, keeps_prompts=True)
"""One ``llama-server`` a model, proved on 0.33.0."""
DIALECTS = (OWN_RUNNER, LLAMA_SERVER)
"""Oldest first."""
NEWEST = DIALECTS[-1]


def dialect_of(version: str) -> OllamaDialect | None:
    """The dialect of a version such as ``0.33.0`` or ``0.30.0-rc2``; None where the text names none.

    A build from source says ``0.0.0``: the caller then looks at what ``/api/tags`` has (``dialect_by_tags``).
    """
    found = _VERSION.match(version.strip())
    if found is None or not any(numbers := tuple(map(int, found.groups()))):
        return None
    return next(each for each in reversed(DIALECTS) if numbers >= each.since)


def dialect_by_tags(*, has_capabilities: bool) -> OllamaDialect:
    """The dialect of a build without a number: ``/api/tags`` lists ``capabilities`` since 0.30.0."""
    return LLAMA_SERVER if has_capabilities else OWN_RUNNER


def duration(keep_alive: float) -> int | float:
    """Ollama's ``keep_alive`` in seconds: -1 is for ever; whole numbers go as integers, as older versions want."""
    if math.isinf(keep_alive) or keep_alive < 0:
        return -1
    return int(keep_alive) if float(keep_alive).is_integer() else keep_alive
