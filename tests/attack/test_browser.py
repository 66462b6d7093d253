"""A real browser: pages of other origins, and one whose name is rebound to this machine, try to read and to pull."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.target import PAUSE, RecordingOllama, Target

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OTHERS = ("evil.test", "127.evil.test", "127.0.0.1.evil.test", "localhost.evil.test")
REBOUND = "rebound.test"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage",
)  # fmt: skip
WITHIN = 40.0
CHANGING = {"/api/pull", "/api/delete"}

PAGE = """<!doctype html><meta charset=utf-8><script>
const quick = () => AbortSignal.timeout(4000);
async function tried(what) {
  try {
    const answer = await what();
    return answer.type === 'opaque' ? 'opaque' : answer.status + ' ' + (await answer.text()).slice(0, 200);
  } catch (error) { return 'blocked'; }
}
const me = self.origin === 'null' ? 'null' : location.hostname;
const pull = `{"model":"pulled by ${me}","stream":false}`, json = {'content-type': 'application/json'};
const talk = '{"model":"tiny","messages":[{"role":"user","content":"x"}],"stream":false}';
const post = (path, body, more) => fetch(base + path, {method: 'POST', body, signal: quick(), ...more});
function form() {
  return new Promise(done => {
    const frame = document.createElement('iframe'), form = document.createElement('form');
    const field = document.createElement('input');
    frame.name = 'into'; form.target = 'into'; form.method = 'POST'; form.action = base + '/api/pull';
    form.enctype = 'text/plain'; field.name = `{"model":"pulled by ${me}","x":"`; field.value = '"}';
    form.append(field); document.body.append(frame, form); form.submit();
    setTimeout(() => done('sent'), 500);
  });
}
function listen() {
  return new Promise(done => {
    const one = new WebSocket(base.replace('http', 'ws') + '/api/chat');
    one.onopen = () => done('open'); one.onerror = one.onclose = () => done('blocked');
  });
}
let base = 'http://127.0.0.1:DAEMON';
async function attack() {
  if (location.hostname === 'REBOUND') { await fetch('/flip'); base = location.origin; }
  const said = {
    'read': await tried(() => fetch(base + '/api/tags', {signal: quick()})),
    'read blindly': await tried(() => fetch(base + '/api/tags', {mode: 'no-cors', signal: quick()})),
    'read models': await tried(() => fetch(base + '/v1/models', {signal: quick()})),
    'pull as text': await tried(() => post('/api/pull', pull)),
    'pull blindly': await tried(() => post('/api/pull', pull, {mode: 'no-cors'})),
    'pull as JSON': await tried(() => post('/api/pull', pull, {headers: json})),
    'chat': await tried(() => post('/api/chat', talk)),
    'delete': await tried(() => fetch(base + '/api/delete', {method: 'DELETE', body: pull, signal: quick()})),
    'pull by a form': await form(),
    'web socket': await listen(),
  };
  await fetch('http://127.0.0.1:PAGES/report', {method: 'POST', mode: 'no-cors', body: JSON.stringify(
    {from: me, said})});
}
addEventListener('load', attack);
</script><body>"""


class Pages(ThreadingHTTPServer):
    """A server that takes it in silence when the browser is gone."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class Web:
    """The pages' server, and a port of its own for the name that is rebound: first the pages, then the daemon."""

    def __init__(self, daemon: int) -> None:
        self.reports: dict[str, dict[str, str]] = {}
        self._daemon = daemon
        self._flipped = threading.Event()
        self._open: list[socket.socket] = []
        self._server = Pages(("127.0.0.1", 0), self._handler())
        self.port = int(self._server.server_address[1])
        self._network = socket.create_server(("127.0.0.1", 0))
        self.rebound = int(self._network.getsockname()[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        threading.Thread(target=self._route, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._network.close()
        for one in self._open:
            one.close()

    def _route(self) -> None:
        """What DNS rebinding does: the same name and port lead somewhere else from one connection to the next."""
        while True:
            try:
                one, _ = self._network.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._daemon if self._flipped.is_set() else self.port))
            self._open += [one, there]
            for source, target in ((one, there), (there, one)):
                threading.Thread(target=_pass, args=(source, target), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/flip":
                    web._flipped.set()
                self._say(web.top() if self.path == "/top" else web.page())

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["content-length"])))
                web.reports[told["from"]] = told["said"]
                self._say("")

            def _say(self, text: str) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
                pass

        return Handler

    def page(self) -> str:
        """The attack itself, the same for every origin."""
        ports = PAGE.replace("DAEMON", str(self._daemon)).replace("PAGES", str(self.port))
        return ports.replace("REBOUND", REBOUND)

    def top(self) -> str:
        """A page with all of them in frames."""
        urls = [f"http://{name}:{self.port}/page" for name in (*OTHERS, "127.0.0.1")]
        frames = [f'<iframe src="{url}"></iframe>' for url in [*urls, f"http://{REBOUND}:{self.rebound}/page"]]
        return "".join([*frames, '<iframe sandbox="allow-scripts allow-forms" src="/page"></iframe>'])


def _pass(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def _visit(web: Web, expected: int) -> None:
    """Open the top page and wait until every frame has reported; the browser is ended by its pid."""
    assert BROWSER is not None
    names = ", ".join(f"MAP {name} 127.0.0.1" for name in (*OTHERS, REBOUND))
    with tempfile.TemporaryDirectory(prefix="ik", ignore_cleanup_errors=True) as folder:
        command = [BROWSER, *FLAGS, f"--user-data-dir={folder}", f"--host-resolver-rules={names}"]
        command += [f"http://evil.test:{web.port}/top"]
        said = Path(folder) / "said"
        with said.open("wb") as file:
            browser = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            for _ in range(int(WITHIN / 0.1)):
                if len(web.reports) >= expected or browser.poll() is not None:
                    break
                PAUSE.wait(0.1)
            words = said.read_text(errors="replace")[-1500:]
        finally:
            browser.kill()
            browser.wait()
    assert len(web.reports) >= expected, f"only {sorted(web.reports)} reported; the browser said:\n{words}"


def test_no_page_of_another_origin_or_rebound_name_reads_pulls_or_deletes_in_a_real_browser(attack):
    if BROWSER is None:
        pytest.skip("no chromium here; apt-get install chromium (`.ci/run` does)")
    with RecordingOllama() as ollama, Target(ollama.url) as target:
        target.until(lambda: target.get("/api/tags")[0] == 200)
        web = Web(target.port)
        ollama.calls.clear()
        ollama.bodies.clear()
        try:
            _visit(web, expected=len(OTHERS) + 3)
        finally:
            web.close()
        ours = web.reports.pop("127.0.0.1")
        assert ours["read"].startswith("200") and "tiny" in ours["read"], "the control: a page of this machine reads"
        rebound = web.reports.pop(REBOUND)
        assert set(web.reports) == {*OTHERS, "null"}
        for origin, said in web.reports.items():
            for what, answer in said.items():
                assert answer in {"blocked", "opaque", "sent"}, (origin, what, answer)
                attack.count("tries of pages")
        for what, answer in rebound.items():
            assert answer.startswith("403") or answer in {"blocked", "opaque", "sent"}, (what, answer)
            attack.count("tries by a rebound name")
        assert "tiny" not in json.dumps(rebound)
        changed = [body for call, body in zip(ollama.calls, ollama.bodies, strict=True) if call[1] in CHANGING]
        attack.count("pulls by the page of this machine", len(changed))
        assert [body for body in changed if b"pulled by 127.0.0.1" not in body] == []
        assert changed, "the control: a page of this machine pulls"
