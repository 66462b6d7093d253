import pytest

from innkeepd.config.schema import HttpConfig
from innkeepd.server.http.access import AccessGuard
from innkeepd.server.http.errors import HttpFault

HOST = {b"host": b"127.0.0.1:11435"}


def guard(**said):
    return AccessGuard(HttpConfig(**said), hostname="studio")


def status(judge, **headers):
    """The status that a request with these headers gets; 200 where it is let in."""
    said = HOST | {name.replace("_", "-").encode(): value for name, value in headers.items() if value is not None}
    try:
        judge.check(said)
    except HttpFault as fault:
        return fault.status
    return 200


@pytest.mark.parametrize(
    "host",
    [
        "localhost:11435", "127.0.0.1", "127.8.9.1:1", "[::1]:11435", "studio", "STUDIO:11435", "studio.local:11435",
        "host.containers.internal:11435", "192.168.0.7:11435", "10.0.0.1", "0.0.0.0:11435", "",
    ],
)  # fmt: skip
def test_names_of_this_machine_and_near_addresses_are_let_in(host):
    judge = guard()
    assert status(judge, host=host.encode()) == 200
    assert status(judge, host=host.encode()) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:11435",
        "127.0.0.1.evil.example",
        "8.8.8.8",
        "local",
        "x@localhost.evil",
        "evil.example@localhost",
        "[::",
        "127.evil.example",
        "evil.example%2f.local",
        "[::1]evil.example",
        "evil.example/.local",
        "127.0.0.1:11435:1",
        "[evil.example]",
        "x" * 300 + ".local",
    ],
)
def test_a_name_that_a_web_page_brought_here_is_refused(host):
    assert status(guard(), host=host.encode()) == 403


@pytest.mark.parametrize(
    "origin",
    ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173", "app://obsidian.md", "tauri://localhost"],
)
def test_pages_of_this_machine_and_of_programs_are_let_in(origin):
    assert status(guard(), origin=origin.encode()) == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "http://localhost.evil.example", "http://[", "", "http://127.evil.example",
        "http://127.0.0.1.evil.example", "http://127.0.0.1.nip.io", "http://127.0.0.1%2eevil.example",
        "http://[::1]evil.example", "http://user@127.0.0.1", "http://127.0.0.1/page", "http://127.0.0.1:80:80",
        "http://2130706433", "http://0.0.0.0", "http://192.168.0.7", "app:evil", "ws://127.0.0.1",
    ],
)  # fmt: skip
def test_pages_of_the_web_are_refused(origin):
    assert status(guard(), origin=origin.encode()) == 403


def test_a_configured_origin_is_let_in():
    assert status(guard(origins=("https://chat.example/",)), origin=b"https://CHAT.example") == 200
    assert status(guard(origins=("*",)), origin=b"https://any.example") == 200


def test_a_page_that_hides_its_origin_is_known_by_its_site():
    assert status(guard(), sec_fetch_site=b"cross-site") == 403
    assert status(guard(), sec_fetch_mode=b"cors") == 200


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (b"http://localhost:3000", b"127.0.0.1:11435", 200),
        (b"http://localhost:3000", b"[::1]:11435", 200),
        (b"app://obsidian.md", b"studio.local:11435", 200),
        (b"https://chat.example", b"studio.local:11435", 200),
        (b"http://localhost:3000", b"studio.local:11435", 403),
        (b"http://127.0.0.1", b"192.168.0.7:11435", 403),
        (b"http://127.evil.example", b"127.0.0.1:11435", 403),
    ],
)
def test_a_page_of_another_site_asks_a_loopback_name_or_is_configured(origin, host, expected):
    judge = guard(origins=("https://chat.example",))
    assert status(judge, origin=origin, host=host, sec_fetch_site=b"cross-site") == expected


def test_a_request_of_http_1_1_names_its_host():
    with pytest.raises(HttpFault) as caught:
        guard().check({}, needs_host=True)
    assert caught.value.status == 400
    guard().check({}, needs_host=False)


def test_a_refusal_repeats_no_more_than_a_line_of_the_header():
    for headers in ({b"origin": b"http://\x1b[31m" + b"x" * 5000}, {b"host": b"\x1b" + b"x" * 5000}):
        with pytest.raises(HttpFault) as caught:
            guard().check(HOST | headers)
        assert len(caught.value.message) < 250
        assert "\x1b" not in caught.value.message


def test_without_a_token_of_ours_any_is_let_pass():
    assert status(guard(), authorization=b"Bearer ollama-local") == 200


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("authorization", b"Bearer s3cret", 200),
        ("authorization", b"bearer s3cret", 200),
        ("x_api_key", b"s3cret", 200),
        ("authorization", b"Bearer wrong", 401),
        ("authorization", b"Bearer ", 401),
        ("authorization", "Bearer s3crét".encode(), 401),
        ("accept", b"*/*", 401),
    ],
)
def test_a_token_is_demanded_where_one_is_set(header, value, expected):
    assert status(guard(token="s3cret"), **{header: value}) == expected


def test_who_knows_the_token_may_call_us_by_any_name():
    judge = guard(token="s3cret", host="0.0.0.0")
    assert status(judge, host=b"studio.lan:11435", authorization=b"Bearer s3cret") == 200


def test_a_preflight_shows_no_token():
    guard(token="s3cret").check(HOST | {b"origin": b"http://localhost:3000"}, is_preflight=True)


def test_it_never_shows_its_token():
    assert "s3cret" not in repr(guard(token="s3cret"))
