import pytest

from innkeepd.config.address import is_loopback, ollama_url, same_place


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:5", "http://[::1]:5"),
        ("localhost", "http://localhost:11434"),
        (" 'example.com:56789' ", "http://example.com:56789"),
        ("http://10.0.0.5", "http://10.0.0.5:80"),
        ("https://ollama.example", "https://ollama.example:443"),
        ("https://ollama.example:8443/behind/", "https://ollama.example:8443/behind"),
    ],
)
def test_every_form_of_ollama_host_becomes_one_url(text, url):
    assert ollama_url(text) == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ftp://a", "begins with http:// or https://"),
        ("a:http", "no port between"),
        ("a:70000", "no port between"),
        ("user@host", "not a host and port"),
        ("http://h/?q", "not a host and port"),
        ("h/#f", "not a host and port"),
        ("two words", "not a host and port"),
        ("[::1", "not a host and port"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text, why):
    with pytest.raises(ValueError, match=why):
        ollama_url(text)


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("192.168.1.2", False),
        ("mac.local", False),
        ("LOCALHOST", True),
        ("127.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("127.0.0.1.nip.io", False),
        ("127.1", False),
        ("localhost.", False),
        ("[::1", False),
        ("::1]", False),
        ("", False),
    ],
)
def test_only_this_machine_reaches_a_loopback_host(host, answer):
    assert is_loopback(host) is answer


@pytest.mark.parametrize(
    ("url", "host", "port", "answer"),
    [
        ("http://127.0.0.1:11435", "127.0.0.1", 11435, True),
        ("http://localhost:11435", "127.0.0.1", 11435, True),
        ("http://127.0.0.1:11435", "0.0.0.0", 11435, True),
        ("http://10.0.0.2:11435", "10.0.0.2", 11435, True),
        ("http://10.0.0.3:11435", "127.0.0.1", 11435, False),
        ("http://127.0.0.1:11435", "10.0.0.2", 11435, False),
        ("http://127.0.0.1:11434", "127.0.0.1", 11435, False),
    ],
)
def test_our_own_port_is_known_under_every_name(url, host, port, answer):
    assert same_place(url, host, port) is answer
