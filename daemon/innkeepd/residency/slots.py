"""How many requests Ollama answers at once for a model, beside what the configuration promises."""

from collections import deque

from innkeepd.policy.scheduling.overlap import BESIDE, Answer, slots_seen

REMEMBERED = 32
"""Answers of each model that are looked at."""


class ParallelSlots:
    """``OLLAMA_NUM_PARALLEL`` where Ollama's environment can be read; else what overlapping answers have shown."""

    def __init__(self) -> None:
        self.known: int | None = None
        """What Ollama's own environment says; None where it cannot be read."""
        self._server: int | None = None
        self._answers: dict[str, deque[Answer]] = {}
        self._seen: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<ParallelSlots {self.known or 'not known'}, seen {self._seen}>"

    def know(self, known: int | None, server: int | None) -> bool:
        """Take what Ollama's process (``server``, its pid) says; whether anything changed by that."""
        if server != self._server:
            self._server = server
            self._answers.clear()
            self._seen.clear()
        elif known == self.known:
            return False
        changed, self.known = known != self.known, known
        return changed

    def answered(self, weights: str, answer: Answer) -> bool:
        """Take one answer; whether fewer slots than before are believed in."""
        if self.known is not None:
            return False
        answers = self._answers.setdefault(weights, deque(maxlen=REMEMBERED))
        answers.append(answer)
        if answer.first - answer.granted < BESIDE:
            return False  # nobody kept it waiting
        seen = slots_seen(answers)
        if seen is None or seen >= self._seen.get(weights, seen + 1):
            return False
        self._seen[weights] = seen
        return True

    def of(self, weights: str, promised: int) -> int:
        """The slots to grant: never more than there are."""
        return min(promised, self._there(weights, promised))

    def _there(self, weights: str, promised: int) -> int:
        return self.known if self.known is not None else self._seen.get(weights, promised)

    def difference(self, weights: str, name: str, promised: int) -> str:
        """A sentence where Ollama does not do what ``parallel`` promises; empty where it does or nothing is known."""
        there = self._there(weights, promised)
        if there == promised:
            return ""
        source = f"OLLAMA_NUM_PARALLEL is {there}" if self.known is not None else "as its answers show"
        if there < promised:
            return (
                f"{name} has parallel = {promised}, but Ollama answers {there} at once ({source}): {there} are granted"
            )
        return (
            f"Ollama answers {there} requests at once ({source}) and holds the memory for it, but {name} is granted "
            f'{promised}: set parallel = {there} under [models."{name}"], or unset the variable'
        )
