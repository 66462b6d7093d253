import pytest

from innkeepd.backends.ollama_proved import PROVED, unproved


@pytest.mark.parametrize("version", [*PROVED, "v0.33.0", "0.17.4-simulated", "0.0.0", "", None, "nightly"])
def test_of_a_proved_version_and_of_none_nothing_is_said(version):
    assert unproved(version) is None


@pytest.mark.parametrize("version", ["0.32.0", "0.33.1", "1.0.0", "0.17.3"])
def test_another_version_is_named_with_the_newest_proved_one(version):
    assert version in unproved(version)
    assert "newest of them is 0.33.0" in unproved(version)
