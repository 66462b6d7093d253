"""A model for agents on a real Ollama: random weights, but a vocabulary of words, tools, and 131,072 tokens of context.

The tests' other models read every byte as a token and 4,096 of them at most; an agent's own prompt has 85,000 bytes.
"""

import hashlib
import itertools
import re
import tempfile
from collections import Counter
from pathlib import Path

from support import gguf_models
from support.ollama import OllamaServer, cache_folder

ROOT = Path(__file__).parents[2]
MERGES = 1200
SHAPE = gguf_models.Shape(width=64, blocks=1, heads=1, kv_heads=1, feed_forward=128, context=131072, seed=8)
WORD = re.compile(r" ?[A-Za-z]+| ?[^\sA-Za-z0-9]+|\s+")


def create(server: OllamaServer, name: str, **parameters: int) -> None:
    """Make the model in this Ollama; the file is made once (half a minute) and kept in the cache."""
    key = hashlib.sha256(f"{Path(__file__).read_text()}{gguf_models.revision()}".encode()).hexdigest()[:12]
    file = cache_folder() / f"agent-{key}.gguf"
    if not file.exists():
        with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
            made = Path(folder) / "agent.gguf"
            before, gguf_models.MERGES = gguf_models.MERGES, _trained()  # type: ignore[assignment]
            try:
                gguf_models.write(SHAPE, made)
            finally:
                gguf_models.MERGES = before
            made.rename(file)
    server.create(
        name,
        files={f"{name}.gguf": file},
        template=gguf_models.TOOLS,
        parameters={"num_predict": 60, "num_thread": 2} | parameters,
    )


def _trained() -> tuple[tuple[str, str], ...]:
    """Byte pairs that are frequent in this repository's own pages and sources, the most frequent first."""
    files = [path for folder in ("docs", "client/innkeep") for path in sorted((ROOT / folder).rglob("*"))]
    text = "".join(path.read_text() for path in files if path.suffix in (".md", ".py"))
    spelled = _alphabet()
    counts = Counter(WORD.findall(text))
    words = {tuple(spelled[byte] for byte in word.encode()): count for word, count in counts.items() if count > 2}
    merges: list[tuple[str, str]] = []
    for _ in range(MERGES):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = _merged(words, best)
    return tuple(merges)


def _merged(words: dict[tuple[str, ...], int], pair: tuple[str, str]) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for word, count in words.items():
        if pair[0] in word and pair[1] in word:
            new, at = [], 0
            while at < len(word):
                joined = word[at : at + 2] == pair
                new.append(pair[0] + pair[1] if joined else word[at])
                at += 2 if joined else 1
            word = tuple(new)  # noqa: PLW2901
        found[word] = found.get(word, 0) + count
    return found


def _alphabet() -> dict[int, str]:
    """Byte -> the printable character that stands for it, in the order of GPT-2's alphabet."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return dict(zip([*printable, *others], gguf_models._byte_tokens(), strict=True))
