"""Writes the golden frames of a protocol, once, at its release: ``python -m support.golden`` from tests/.

Those of protocol 1 are written; a new type is appended behind them: what a client or daemon sends must decode for ever.
"""

from pathlib import Path

from innkeep.framing import Dialect, encode
from support.messages import REPLIES, REQUESTS

FOLDER = Path(__file__).parent.parent / "client" / "golden"
SUFFIXES: dict[Dialect, str] = {"frames": "frames", "lines": "jsonl"}


def golden(what: str, dialect: Dialect) -> Path:
    """The file of protocol 1 with every ``requests`` or ``replies`` example of ``support.messages`` in one dialect."""
    return FOLDER / f"protocol-1.{what}.{SUFFIXES[dialect]}"


def write() -> None:
    """Write what isn't there; an existing file is left as it is."""
    for what, messages in (("requests", REQUESTS), ("replies", REPLIES)):
        for dialect in SUFFIXES:
            path = golden(what, dialect)
            if not path.exists():
                path.write_bytes(b"".join(encode(message, dialect) for message in messages))


if __name__ == "__main__":
    write()
