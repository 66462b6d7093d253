import pytest

from innkeepd.config.schema import HttpConfig, TimeoutsConfig
from innkeepd.config.values import BadValue, overlay, unknown_key


def test_what_is_not_given_keeps_the_value_below():
    assert overlay(HttpConfig(port=1), {"host": "localhost"}, "http") == HttpConfig(port=1, host="localhost")


def test_a_bad_value_names_its_key():
    with pytest.raises(BadValue) as caught:
        overlay(TimeoutsConfig(), {"load": "x"}, "timeouts")
    assert caught.value.at == "timeouts.load"
    assert str(caught.value).startswith("timeouts.load: expected a duration")


def test_an_unknown_key_far_from_all_others_lists_them():
    assert unknown_key("", "zzz", ["a", "b"]).text == "unknown key; known here: a, b"
