"""What a runner remembers of the prompts it has read, so that a prefix is not read twice.

A slot keeps its last conversation. Since 0.30 ``llama-server`` keeps others in the machine's memory besides, up to
8 GiB a process, which no figure of Ollama's counts.
"""

from collections import deque

from innkeepd.simulator.text import count


class PromptCache:
    """Conversations of one runner, the latest last.

    ``slots``: conversations that the KV cache itself holds. ``limit``: bytes for the others. ``per_token``: bytes.
    """

    def __init__(self, *, slots: int, limit: int, per_token: int) -> None:
        self._slots = slots
        self._limit = limit
        self._per_token = per_token
        self._kept: deque[tuple[str, int]] = deque()

    @property
    def size(self) -> int:
        """Bytes in the machine's memory, beside those in ``/api/ps``: all conversations but those in the slots."""
        return min(self._limit, self._others() * self._per_token)

    def cached(self, prompt: str, tokens: int) -> int:
        """How many of the prompt's ``tokens`` need not be read; the last one always is."""
        longest = max((_shared(prompt, text) for text, _ in self._kept), default=0)
        held = tokens if longest == len(prompt) else count(prompt[:longest])  # what the template adds too
        return max(0, min(held, tokens - 1))

    def keep(self, conversation: str, tokens: int, cached: int) -> None:
        """Remember a prompt with its answer; ``cached`` of its ``tokens`` were here already."""
        new = tokens - cached
        for place, (text, held) in enumerate(self._kept):
            if conversation.startswith(text):
                del self._kept[place]
                new += held
                break
        self._kept.append((conversation, new))
        while len(self._kept) > self._slots and self._others() * self._per_token > self._limit:
            self._kept.popleft()

    def _others(self) -> int:
        """Distinct tokens of the conversations that no slot holds."""
        return sum(tokens for _, tokens in tuple(self._kept)[: -self._slots])


def _shared(one: str, other: str) -> int:
    """Characters that two texts begin with alike, found by halving: prompts are long."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least
