"""Clients that ask and note when the first token came: straight sockets, so that they cost as little as can be."""

import json
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from msgspec import msgpack
from processes import MODEL

Api = Literal["native", "v1"]
PACK = msgpack.Encoder()


class Client(Protocol):
    """One kept connection."""

    def first_token(self, tokens: int) -> tuple[float, int]:
        """Ask for so many tokens and read to the end: seconds to the first of them, and bytes in all."""
        ...

    def fileno(self) -> int:
        """Its socket."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Http:
    """A client of an Ollama, of innkeepd's HTTP port or of a peer."""

    def __init__(self, address: tuple[str, int], api: Api, model: str = MODEL) -> None:
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._path = "/api/chat" if api == "native" else "/v1/chat/completions"
        self._model, self._api = model, api

    def first_token(self, tokens: int) -> tuple[float, int]:
        """Ask for so many tokens and read to the end."""
        data = self.question(tokens)
        began = time.perf_counter()
        self._socket.sendall(data)
        got, first, total = b"", 0.0, 0
        while not self.is_end(got):
            piece = self._socket.recv(262_144)
            if not piece:
                sys.exit(f"{self._path} broke off: {got!r}")
            if not first and b'"content"' in got[-200:] + piece:
                first = time.perf_counter() - began
            total += len(piece)
            got = got[-200:] + piece
        if not first:
            sys.exit(f"{self._path} gave no token: {got!r}")
        return first, total

    def question(self, tokens: int) -> bytes:
        """The bytes of a request."""
        limit = {"options": {"num_predict": tokens}} if self._api == "native" else {"max_tokens": tokens}
        messages = [{"role": "user", "content": "hi"}]
        body = json.dumps({"model": self._model, "messages": messages, "stream": True} | limit)
        head = f"POST {self._path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()

    @staticmethod
    def is_end(got: bytes) -> bool:
        """Whether an answer ends here."""
        return got.endswith(b"0\r\n\r\n")

    def fileno(self) -> int:
        """Its socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


class Frames:
    """A client of innkeepd's socket, in frames of msgpack."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._id = 0

    def first_token(self, tokens: int) -> tuple[float, int]:
        """Ask for so many tokens and read to the end."""
        data = self.question(tokens)
        began = time.perf_counter()
        self._socket.sendall(data)
        first, tail, total = 0.0, b"", 0
        while not self.is_end(tail):
            piece = self._socket.recv(262_144)
            if not piece or b"\xa5error" in piece:
                sys.exit(f"the daemon failed: {piece!r}")
            if not first and b"\xa5delta" in tail + piece:
                first = time.perf_counter() - began
            total += len(piece)
            tail = (tail + piece)[-600:]
        return first, total

    def question(self, tokens: int) -> bytes:
        """The bytes of a request."""
        self._id += 1
        messages = [{"role": "user", "content": "hi"}]
        ask = {"type": "chat", "id": self._id, "model": MODEL, "messages": messages, "options": {"num_predict": tokens}}
        return framed(ask)

    @staticmethod
    def is_end(got: bytes) -> bool:
        """Whether an answer ends here."""
        return b"\xa4done" in got

    def fileno(self) -> int:
        """Its socket."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def framed(message: dict[str, object]) -> bytes:
    """A message of the socket's protocol."""
    body = PACK.encode(message)
    return struct.pack(">I", len(body)) + body


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80
