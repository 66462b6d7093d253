import pytest

from innkeepd.simulator.faults import ANSWER, LOAD, Fault, Faults, in_prompt


def test_a_fault_strikes_its_model_as_often_as_it_says():
    faults = Faults()
    faults.add(Fault("crash", "a:latest", times=2))
    assert faults.take(ANSWER, "b:latest") is None
    assert faults.take(LOAD, "a:latest") is None
    assert [faults.take(ANSWER, "a:latest") is not None for _ in range(3)] == [True, True, False]


def test_a_fault_of_no_model_strikes_any():
    faults = Faults()
    faults.add(Fault("stall"))
    assert faults.take(ANSWER, "whatever").how == "stall"
    faults.add(Fault("stall"))
    faults.clear()
    assert faults.take(ANSWER, "whatever") is None


def test_an_unknown_failure_is_told_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no such failure: 'explode'; there are crash, cut, frozen, hang"):
        Faults().add(Fault("explode"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("please [simulate crash after 7] now", ("crash", 7)),
        ("[simulate stall]", ("stall", 3)),
        ("[simulate out_of_memory]", None),
        ("simulate crash", None),
    ],
)
def test_a_prompt_orders_only_failures_of_an_answer(text, expected):
    fault = in_prompt(text)
    assert (fault and (fault.how, fault.after)) == expected
