"""The Mac app updates itself: Ollama becomes another version while the daemon runs, and nothing is restarted."""

import pytest

from support.ollama import VERSIONS, ollama_binaries

DIRECTIONS = [VERSIONS, VERSIONS[::-1]]


@pytest.fixture
def ollama_version():
    """Both are needed here, so that this module does without the one fixture for all."""
    if not set(VERSIONS) <= set(ollama_binaries()):
        pytest.skip(f"needs Ollama {' and '.join(VERSIONS)}: `make ollama` builds both")
    return VERSIONS[0]


@pytest.mark.since_0_30("starts both versions by itself: once is enough")
@pytest.mark.parametrize("versions", DIRECTIONS, ids=["updated", "downgraded"])
def test_another_version_of_ollama_is_noticed_and_served_without_a_restart(ollama, start_daemon, versions):
    binaries = ollama_binaries()
    ollama.restart(binary=binaries[versions[0]])
    daemon = start_daemon(http=True)
    pid = daemon.status().pid
    for version in (*versions, versions[0]):
        ollama.restart(binary=binaries[version])
        ollama.count_loads_from_here()
        daemon.ask("mid")
        for _ in range(2):
            # The native and the foreign API one after the other: in the wrong dialect each would be a reload.
            for path, body in (
                ("/api/chat", {"stream": False, "options": {"num_predict": 2}}),
                ("/v1/chat/completions", {"max_tokens": 2}),
            ):
                hello = [{"role": "user", "content": "hello"}]
                assert daemon.post(path, {"model": "mid", "messages": hello, **body}).status == 200
        daemon.ask("mid")
        status = daemon.until(lambda status, version=version: status.backend.version == version)
        assert ollama.loads() == 1, f"{version}: {ollama.loads()} loads"
        assert (status.pid, status.counters.foreign_loads) == (pid, 0)
