"""The figures of the routing report, by hand."""

import runpy
from pathlib import Path

import pytest

SCORE = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "routing" / "score.py"))


def test_macro_f1_is_the_mean_over_the_roles():
    pairs = [("coding", "coding"), ("coding", "general"), ("general", "general"), ("reasoning", "reasoning")]
    assert SCORE["macro_f1"](pairs) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    assert SCORE["calibration_error"]([(True, 0.75), (False, 0.75)]) == pytest.approx(0.25)
    assert SCORE["calibration_error"]([(True, 1.0)]) == 0.0
