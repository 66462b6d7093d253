import pytest

from innkeep import units


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (90, 90.0),
        (0, 0.0),
        (1.5, 1.5),
        ("90s", 90.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("250ms", 0.25),
        ("1h30m", 5400.0),
        (" 2 M ", 120.0),
        ("45", 45.0),
        ("0s", 0.0),
        ("1.5h", 5400.0),
        ("1h 30min", 5400.0),
    ],
)
def test_a_duration_is_read_as_seconds(written, meant):
    assert units.seconds(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        *(-1, True, None, [], "", "soon", "5 parsecs", "-5s", "5m!", float("nan"), float("inf")),
        *("1h30", "30m5", "1.2.3s", "s", ".", "٣s"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_one_looks_like(written):
    with pytest.raises(ValueError, match='a duration: seconds, or "90s"'):
        units.seconds(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (5, 5),
        ("450MB", 450_000_000),
        ("27GiB", 27 * 2**30),
        ("27 gib", 27 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("12", 12),
        ("3B", 3),
        ("1TB", 10**12),
        ("64KiB", 65536),
    ],
)
def test_a_size_is_read_as_bytes(written, meant):
    assert units.size(written) == meant


@pytest.mark.parametrize("written", [-1, 1.5, True, "", "big", "27 G", "-1GB", "1EiB", None])
def test_what_is_no_size_is_refused_with_what_one_looks_like(written):
    with pytest.raises(ValueError, match='a size: bytes, or "450MB"'):
        units.size(written)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0s"), (90.0, "90s"), (300.0, "5m"), (86400.0, "1d"), (0.25, "0.25s")]
)
def test_seconds_are_spelled_so_that_they_read_back(value, text):
    assert units.spell_seconds(value) == text
    assert units.seconds(text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (2**32, "4GiB"), (10_000_000, "10MB"), (450_000_000, "450MB"), (1500, "1500")],
)
def test_bytes_are_spelled_so_that_they_read_back(value, text):
    assert units.spell_size(value) == text
    assert units.size(text) == value
