"""The HTTP port: paths, hosts, origins, tokens and syntax that must not get through."""

import json

import pytest

from support.target import RecordingOllama, Target

VERBS = ("delete", "create", "copy", "push")
METHODS = ("POST", "DELETE", "PUT", "PATCH", "GET", "HEAD")
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "x"}], "stream": False}
TOKEN = "s3cr3t-Tok"
FORMS = (
    "/api/{v}", "/api//{v}", "//api/{v}", "/API/{v}", "/api/{V}", "/api/%{x}{rest}", "/v1/../api/{v}", "/api/./{v}",
    "/api/chat/../{v}", "/api/{v}/", "/api/{v}//", "/api/{v}?x=1", "/api/{v}#x", "/api/{v};x", "/api/{v}%00",
    "/api/{v}%20", "/api/{v}%2f", "/api%2f{v}", "/api/pull/../{v}", "/api/pull/%2e%2e/{v}", "/api/tags/..%2f{v}",
    "\\api\\{v}", "/api/pull%0d%0aDELETE%20/api/{v}", "http://127.0.0.1:11434/api/{v}", "http://x/api/{v}",
    "/api/blobs/../{v}", "/api/blobs/%2e%2e/{v}", "/%61pi/{v}", "/api/{v}%252f", "/./api/{v}", "/api/{v}.",
    "/api/{v}%ef%bc%8f", "/api/{v}\t",
)  # fmt: skip
HOSTS_OF_OURS = (
    "127.0.0.1",
    "127.0.0.1:11435",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "x.localhost",
    "host.docker.internal",
)
HOSTS_OF_OTHERS = (
    "evil.com", "evil.com:11435", "evil.com.", "localhost.evil.com", "127.0.0.1.evil.com", "127.evil.com",
    "127.0.0.1@evil.com", "evil.com@127.0.0.1", "user:pw@127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1",
    "local", "internal", "evil.com#.local", "evil.com/.local", "evil.com?.local", "evil.com\\.local", "8.8.8.8",
    "evil.com%2f.local", "[::1", "[]", "127.0.0.1,evil.com", "evil.com,127.0.0.1", "\xe9.local", "[::1]evil.com",
    "[::1]:80:evil", "127.0.0.1.nip.io",
)  # fmt: skip
ORIGINS_OF_OURS = ("http://localhost", "http://localhost:3000", "https://127.0.0.1", "http://[::1]:5", "app://x",
                   "tauri://localhost", "vscode-webview://x")  # fmt: skip
ORIGINS_OF_OTHERS = (
    "null", "http://evil.com", "https://evil.com", "http://localhost.evil.com", "http://127.0.0.1.evil.com",
    "http://evil.com#localhost", "http://localhost@evil.com", "http://evil.com/localhost", "chrome-extension://x",
    "moz-extension://x", "data:", "http://127.evil.com", "http://127.0.0.1.nip.io", "http://127.x.y.z",
    "http://127.0.0.1%2eevil.com", "http://[::1]evil.com", "javascript://127.0.0.1", "ftp://localhost",
    "http://localhost, http://evil.com", "http://evil.com, http://localhost", "blob:http://localhost", "//localhost",
    "http:/localhost", "http://0.0.0.0", "http://192.168.1.5", "http://evil.local", "http:// localhost",
)  # fmt: skip
TOKENS_OF_OTHERS = ("Bearer s3cr3t-tok", "Bearer S3CR3T-TOK", "Bearer s3cr3t-To", "Bearer s3cr3t-Tokx", "Bearer", "",
                    "Bearer ", "Basic s3cr3t-Tok", "Bearer s3cr3t-Tok, x", "Token s3cr3t-Tok", 'Bearer "s3cr3t-Tok"',
                    "Bearer \xe9", "Bearer null", "Bearer *")  # fmt: skip

BODY = json.dumps(CHAT).encode()
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
MORE = b"GET /api/SMUGGLED HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def _post(heads: bytes, body: bytes = BODY) -> bytes:
    return b"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\n" + heads + b"\r\n" + body


LENGTH = b"Content-Length: %d\r\n" % len(BODY)
SYNTAX: dict[str, bytes] = {
    "length and chunks": _post(LENGTH + b"Transfer-Encoding: chunked\r\n", CHUNKS + MORE),
    "chunks and length": _post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", CHUNKS + MORE),
    "two lengths": _post(b"Content-Length: 5\r\n" + LENGTH, BODY + MORE),
    "a list of lengths": _post(b"Content-Length: 5, %d\r\n" % len(BODY)),
    "a length with a sign": _post(b"Content-Length: +%d\r\n" % len(BODY)),
    "a negative length": _post(b"Content-Length: -5\r\n"),
    "a hexadecimal length": _post(b"Content-Length: 0x10\r\n"),
    "a huge length": _post(b"Content-Length: " + b"9" * 30 + b"\r\n"),
    "a length of 5,000 digits": _post(b"Content-Length: " + b"0" * 5000 + b"5\r\n"),
    "a space before the colon": _post(b"Transfer-Encoding : chunked\r\n", CHUNKS + MORE),
    "xchunked": _post(b"Transfer-Encoding: xchunked\r\n", CHUNKS + MORE),
    "chunked, identity": _post(b"Transfer-Encoding: chunked, identity\r\n", CHUNKS + MORE),
    "two encodings": _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKS + MORE),
    "gzip, chunked": _post(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    "a vertical tab": _post(b"Transfer-Encoding:\x0bchunked\r\n", CHUNKS + MORE),
    "a folded head": _post(b"X: a\r\n b\r\n" + LENGTH),
    "a folded encoding": _post(b"Transfer-Encoding:\r\n chunked\r\n", CHUNKS + MORE),
    "bare line feeds": _post(b"").replace(b"\r\n", b"\n") + MORE,
    "a bare carriage return": b"GET /api/tags HTTP/1.1\rHost: x\r\r\n",
    "NUL in a head": _post(b"X: a\0b\r\n" + LENGTH),
    "NUL in a path": b"GET /api/ta\0gs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a bad chunk size": _post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n" + MORE),
    "a huge chunk size": _post(b"Transfer-Encoding: chunked\r\n", b"f" * 18 + b"\r\n" + BODY),
    "a negative chunk size": _post(b"Transfer-Encoding: chunked\r\n", b"-1\r\n" + BODY),
    "a chunk that spills": _post(b"Transfer-Encoding: chunked\r\n", b"5\r\n" + BODY + b"\r\n0\r\n\r\n" + MORE),
    "a body of a GET": b"GET /api/tags HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(MORE) + MORE,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "a web socket": b"GET /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n" + MORE,
    "CONNECT": b"CONNECT 127.0.0.1:11434 HTTP/1.1\r\nHost: 127.0.0.1:11434\r\n\r\n" + MORE,
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "HTTP/0.9": b"GET /api/tags\r\n", "HTTP/9.9": b"GET /api/tags HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "a path in UTF-8": "GET /api/é HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode(),
}  # fmt: skip


@pytest.fixture(scope="module")
def ollama():
    with RecordingOllama() as one:
        yield one


@pytest.fixture(scope="module")
def target(ollama):
    with Target(ollama.url) as one:
        one.until(lambda: one.get("/api/tags")[0] == 200)
        yield one
        assert one.is_alive


@pytest.fixture(scope="module")
def locked():
    with RecordingOllama() as ollama, Target(ollama.url, http=f'token = "{TOKEN}"\nallow_admin = []') as one:
        yield one


def test_no_spelling_of_a_path_and_no_method_reaches_what_changes_the_disk(attack, target, ollama):
    ollama.calls.clear()
    paths = [form.format(v=v, V=v.upper(), x=f"{ord(v[0]):x}", rest=v[1:]) for form in FORMS for v in VERBS]
    everything = [(path, method) for path in paths for method in METHODS]
    attack.dice.shuffle(everything)
    for number in attack.rounds(short=2, long=20, most=len(everything)):
        path, method = everything[number]
        override = {"x_http_method_override": "DELETE", "x_original_url": "/api/delete", "x_rewrite_url": "/api/delete"}
        body = {"model": "tiny", "name": "tiny", "source": "tiny", "destination": "x", "from": "tiny"}
        status, _, _ = target.get(path, method=method, body=body, **override)
        assert status in {0, 400, 403, 404, 405}, (method, path, status)
        attack.count("requests")
    changing = [call for call in ollama.calls if call[0] in {"DELETE", "PUT", "PATCH"} or "blobs" in call[1]]
    assert changing == []
    assert [call for call in ollama.calls if any(verb in call[1].lower() for verb in VERBS)] == []


def test_only_names_of_this_machine_are_served_whatever_a_host_head_looks_like(attack, target):
    for host in HOSTS_OF_OURS:
        assert target.get("/api/tags", host=host)[0] == 200, host
    for host in HOSTS_OF_OTHERS:
        assert target.get("/api/tags", host=host)[0] in {400, 403}, host
        twice = f"GET /api/tags HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert target.raw(twice.encode("latin-1"))[9:12] in {b"400", b"403"}, host
    attack.count("hosts", len(HOSTS_OF_OURS) + 2 * len(HOSTS_OF_OTHERS))


def test_no_page_of_another_origin_reads_or_asks_anything(attack, target):
    for path, method, body in (("/api/tags", "GET", None), ("/api/chat", "POST", CHAT), ("/api/chat", "OPTIONS", None)):
        for origin in ORIGINS_OF_OURS:
            status, head, _ = target.get(path, method=method, body=body, origin=origin)
            assert status in {200, 204}, (method, origin)
            assert b"access-control-allow-origin" in head, (method, origin)
        for origin in ORIGINS_OF_OTHERS:
            status, head, _ = target.get(path, method=method, body=body, origin=origin)
            assert status in {400, 403}, (method, origin)
            assert b"access-control-allow-origin" not in head, (method, origin)
        status, _, _ = target.get(path, method=method, body=body, sec_fetch_site="cross-site")
        assert status == 403, method
        attack.count("requests", len(ORIGINS_OF_OURS) + len(ORIGINS_OF_OTHERS) + 1)


def test_no_page_but_the_dashboard_reads_its_state_or_presses_its_buttons(attack, target):
    word = json.loads(target.get("/ui/state")[2])["word"]
    press = {"type": "pin", "id": 1, "model": "tiny"}
    paths = [("/ui/state", None), ("/ui/history", None), ("/ui/request", None), ("/ui/events", None), ("/ui/do", press)]
    for path, body in paths:
        method = "GET" if body is None else "POST"
        for origin in (*ORIGINS_OF_OTHERS, "http://localhost:1234", "app://x", "vscode-webview://x"):
            status, head, said = target.get(path, method=method, body=body, origin=origin, x_innkeep_ui=word)
            assert status in {400, 403}, (path, origin)
            assert word.encode() not in head + said
            attack.count("requests")
        for site in ("cross-site", "same-site"):
            assert target.get(path, method=method, body=body, sec_fetch_site=site, x_innkeep_ui=word)[0] == 403
        for host in HOSTS_OF_OTHERS:
            assert target.get(path, method=method, body=body, host=host, x_innkeep_ui=word)[0] in {400, 403}, host
    for wrong in ("", "x", word[:-1], word + "x", word.swapcase()):
        assert target.get("/ui/do", method="POST", body=press, x_innkeep_ui=wrong)[0] == 403, wrong
    assert target.ask(type="status")["pins"] == []


def test_no_form_of_a_request_smuggles_another_one_through(attack, target, ollama):
    ollama.calls.clear()
    for name, data in SYNTAX.items():
        heard = target.raw(data, timeout=0.5)
        statuses = [line[9:12] for line in heard.split(b"\n") if line.startswith(b"HTTP/1.1 ")]
        assert b"SMUGGLED" not in heard, name
        assert b"500" not in statuses, (name, heard)
        attack.count("forms")
    assert [call for call in ollama.calls if "SMUGGLED" in call[1]] == []
    assert target.is_well()


def test_nothing_is_said_to_who_does_not_show_the_token(attack, locked):
    for shown in (f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer  {TOKEN} "):
        assert locked.get("/api/tags", authorization=shown)[0] == 200, shown
    assert locked.get("/api/tags", x_api_key=TOKEN)[0] == 200
    places = [f"/api/tags?token={TOKEN}", f"/api/tags?authorization=Bearer%20{TOKEN}", f"/{TOKEN}/api/tags"]
    for path in [
        *places,
        "/ui/state",
        "/ui/history",
        "/ui/events",
        "/ui/do",
        "/api/tags",
        "/api/ps",
        "/v1/models",
        "/api/show",
        "/",
        "/metrics",
        "/%00",
    ]:
        assert locked.get(path)[0] == 401, path
    for shown in TOKENS_OF_OTHERS:
        assert locked.get("/api/tags", authorization=shown)[0] in {400, 401}, shown
        assert locked.get("/api/chat", method="POST", body=CHAT, authorization=shown)[0] in {400, 401}, shown
    attack.count("requests", 14 + 2 * len(TOKENS_OF_OTHERS))
