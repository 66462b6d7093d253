"""Models that carry our context under ``/v1``, where Ollama ignores ``num_ctx`` and would reload at its own default.

A derived model (``/api/create`` with ``from``, ``num_ctx`` and ``num_predict``) shares its parent's weights, and so its
runner; it costs a file of a few hundred bytes. It is made at the first request that needs it. Its name holds the digest
of its parent, so that one which was pulled anew gets a new one. ``num_predict`` is the context: a second net under the
limit that each body has (``measure``), because an open end shifts up to ten contexts.
"""

import msgspec

from innkeepd.backends.backend import Backend, BackendFault
from innkeepd.backends.ollama_wire import error_text
from innkeepd.chat.types import Assignment
from innkeepd.policy.error_texts import classify
from innkeepd.policy.model import Model, derived_name, without_derived

_ENCODE = msgspec.json.Encoder().encode
_JSON = {"content-type": "application/json"}


class ContextAliases:
    """Makes derived models and remembers which there are."""

    def __init__(self) -> None:
        self._made: set[str] = set()

    def __repr__(self) -> str:
        return f"Derived({sorted(self._made)})"

    async def name_for(self, lease: Assignment, model: Model) -> str:
        """The name of the leased model at the lease's context. Raises ``BackendFault``."""
        name = derived_name(model, lease.context or 0)
        if name not in self._made:
            if not await _exists(lease.backend, name):
                if not await _exists(lease.backend, lease.model):  # or Ollama would pull it from its registry
                    raise BackendFault("unknown_model", f"model '{lease.model}' not found")
                context = lease.context or 0
                limit = min(model.answer_limit or context, context)
                await _create(lease.backend, name, lease.model, context, limit)
            self._made.add(name)
        return name

    def forget(self, name: str) -> None:
        """It is gone: somebody has removed it."""
        self._made.discard(name)


async def _exists(backend: Backend, name: str) -> bool:
    async with backend.forward("POST", "/api/show", _ENCODE({"model": name}), _JSON) as answer:
        await answer.read()
        return answer.status == 200


async def _create(backend: Backend, name: str, parent: str, context: int, limit: int) -> None:
    body = {"model": name, "from": parent, "parameters": {"num_ctx": context, "num_predict": limit}, "stream": False}
    async with backend.forward("POST", "/api/create", _ENCODE(body), _JSON) as answer:
        data = await answer.read()
        if answer.status != 200:
            text = f"Ollama could not derive a model from {parent}: {without_derived(error_text(data), parent)}"
            raise BackendFault(classify(answer.status, text), text, status=answer.status)
