"""Open WebUI, unmodified: its own server before innkeepd, asked over its own API as its page does."""

import contextlib
import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from agents.drivers import end
from agents.installs import install
from support.innkeepd import free_port

UP_WITHIN = 400.0
"""Seconds: it imports much, and brings its database up to date."""


class OpenWebUI:
    """One server with a data folder of its own; ``environment`` is what `innkeep connect open-webui` prints."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.log = folder / "open-webui.log"
        nowhere = "http://127.0.0.1:9"
        self._environ = {
            "HOME": str(folder), "PATH": os.environ["PATH"], "DATA_DIR": str(folder / "data"), "WEBUI_AUTH": "False",
            "WEBUI_SECRET_KEY": "none", "OFFLINE_MODE": "True", "HF_HUB_OFFLINE": "1", "ENABLE_OPENAI_API": "False",
            "RAG_EMBEDDING_ENGINE": "ollama", "ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "True",
            "ENABLE_VERSION_UPDATE_CHECK": "False", "HTTPS_PROXY": nowhere, "HTTP_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1", "https_proxy": nowhere, "http_proxy": nowhere, "no_proxy": "127.0.0.1",
            **environment,
        }  # fmt: skip
        (folder / "data").mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def __enter__(self) -> Self:
        program = install("open-webui")[0]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                ["nice", "-n", "5", str(program), "serve", "--host", "127.0.0.1", "--port", str(self.port)],
                env=self._environ, cwd=self.log.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        began, pause = time.monotonic(), threading.Event()
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() - began > UP_WITHIN:
                words = self.log.read_text(errors="replace")[-500:]
                self.__exit__()
                raise RuntimeError(f"it did not come up in {time.monotonic() - began:.0f} s: {words}")
            pause.wait(0.5)
        signed = self.ask("POST", "/api/v1/auths/signin", {"email": "", "password": ""})
        self._token = signed["token"]
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def ask(self, method: str, path: str, body: Any = None, seconds: float = 300.0) -> Any:
        """One request that succeeds, and its JSON. Raises RuntimeError with the status and its words."""
        with self._sent(method, path, body, seconds) as response:
            data = response.read()
            if response.status != 200:
                raise RuntimeError(f"{path}: {response.status} {data[:300].decode(errors='replace')}")
            return json.loads(data)

    def chat(self, prompt: str, model: str = "coding", *, stop: Callable[[], bool] | None = None, **more: Any) -> str:
        """The streamed answer to a prompt; ``stop``: leave once it holds, after the first piece."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, **more}
        text = ""
        with self._sent("POST", "/api/chat/completions", body, 300.0) as response:
            if response.status != 200:
                raise RuntimeError(f"{response.status} {response.read()[:300].decode(errors='replace')}")
            while line := response.readline():
                text += line.decode(errors="replace")
                if stop is not None and stop():
                    break
        return text

    @contextlib.contextmanager
    def _sent(self, method: str, path: str, body: Any, seconds: float) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {self._token}"} if self._token else {}
        )
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            yield connection.getresponse()
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/health", seconds=5.0)
        except (OSError, RuntimeError, ValueError, http.client.HTTPException):
            return False
        return True
