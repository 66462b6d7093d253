"""Ask innkeep from Python: ``python ask.py "why is the sky blue?"``, with ``--async`` from an event loop.

Which model answers is innkeep's business; what it waits for is told on stderr while you wait.
"""

import sys

import anyio

from innkeep import AsyncClient, Client, InnkeepError, wire


def ask(question: str) -> None:
    """The blocking client: no event loop, no thread."""
    with Client() as client, client.chat(question) as answer:
        for reply in answer.replies():
            show(reply)


async def ask_async(question: str) -> None:
    """The same on asyncio or trio."""
    async with AsyncClient() as client, client.chat(question) as answer:
        async for reply in answer.replies():
            show(reply)


def show(reply: wire.Reply) -> None:
    """The answer on stdout, the way there on stderr."""
    match reply:
        case wire.Delta(text=str(text)):
            print(text, end="", flush=True)
        case wire.Routed():
            print(f"{reply.role}: {reply.model} ({reply.reason})", file=sys.stderr)
        case wire.Waiting():
            print(f"waiting: number {reply.position}, {reply.reason}", file=sys.stderr)
        case wire.Loading():
            print(f"loading {reply.model}: {reply.elapsed:.0f} s", file=sys.stderr)
        case wire.Done():
            print()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--async"]
    question = " ".join(words) or "왜 하늘은 파란가?"
    try:
        if "--async" in sys.argv:
            anyio.run(ask_async, question)
        else:
            ask(question)
    except InnkeepError as error:
        sys.exit(f"{error.code}: {error}")
