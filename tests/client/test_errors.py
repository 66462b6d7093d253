"""One class a code."""

import pytest

from innkeep import errors

CODES = (
    *("bad_dialect", "bad_message", "frame_too_large", "unknown_type", "unsupported_protocol", "forbidden"),
    *("bad_config", "bad_request", "unknown_model", "model_missing", "never_fits", "context_overflow"),
    *("memory_pressure", "on_hold", "queue_full", "deadline_exceeded", "first_token_timeout", "stalled"),
    *("backend_unreachable", "backend_error", "load_failed", "out_of_memory", "unsupported", "cancelled"),
    *("shutting_down", "internal"),
)


def test_the_tree_has_every_code_of_protocol_1():
    assert set(CODES) == set(errors.CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_code_becomes_its_class(code):
    error = errors.from_code(code, "what; what to do", {"partial": True})
    assert (code, "what; what to do", True, None) == (error.code, str(error), error.partial, error.request_id)


def test_a_code_of_a_newer_daemon_is_named():
    error = errors.from_code("moon_phase", "too full")
    assert (error.code, str(error), error.partial) == ("internal", "moon_phase: too full", False)


def test_a_lost_connection_is_a_failed_one():
    assert issubclass(errors.ConnectionLost, errors.ConnectionFailed)
    assert errors.ConnectionLost("gone").retryable
