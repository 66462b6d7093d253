from hypothesis import given
from hypothesis import strategies as st

from innkeepd.policy.notices import AGAIN, GONE_AFTER, NEVER, STORM, WINDOW, Facts, NoticeBoard

QUIET = Facts()


def kinds(notices):
    return [notice.kind for notice in notices]


def test_a_storm_of_swaps_names_who_causes_it():
    board = NoticeBoard()
    for number in range(STORM):
        assert board.judge(QUIET, number * 10.0) == []
        board.swapped("opencode" if number else "", "qwen2.5-coder:32b", number * 10.0)
    (storm,) = board.judge(QUIET, 60.0)
    causes = f"opencode ({STORM - 1}), somebody (1); for qwen2.5-coder:32b; "
    assert storm.text.startswith(f"{STORM} swaps of large models in 10 min, caused by {causes}")
    assert board.judge(QUIET, 61.0) == []
    assert kinds(board.active) == ["swap_storm"]
    board.judge(QUIET, 60.0 + WINDOW)
    assert board.active == []


def test_a_model_that_never_fits_is_noticed_when_it_is_asked_for_again_and_again():
    board = NoticeBoard()
    for number in range(NEVER):
        assert board.judge(QUIET, float(number)) == []
        board.never_fitted("Open WebUI", "llama3.3:latest", float(number))
    board.never_fitted("curl", "other:70b", 3.0)
    (notice,) = board.judge(QUIET, 4.0)
    assert (notice.kind, notice.subject, notice.since) == ("never_fits", "llama3.3:latest", 4.0)
    assert "asked for 3 times in an hour by Open WebUI" in notice.text


def test_critical_pressure_and_an_unproved_version_hold_as_long_as_they_are_so():
    board = NoticeBoard()
    raised = board.judge(Facts(pressure_is_critical=True, unproved="Ollama 9 is not proved"), 5.0)
    assert kinds(raised) == ["memory_pressure", "unproved_version"]
    board.judge(Facts(unproved="Ollama 9 is not proved"), 6.0)
    assert [(each.text, each.since) for each in board.active] == [("Ollama 9 is not proved", 5.0)]


def test_ollama_is_gone_only_after_a_while():
    board = NoticeBoard()
    gone = Facts(ollama_answers=False)
    assert board.judge(gone, 0.0) == []
    assert board.judge(gone, GONE_AFTER - 1) == []
    assert kinds(board.judge(gone, GONE_AFTER)) == ["ollama_gone"]
    board.judge(QUIET, GONE_AFTER + 1)
    assert board.active == []
    assert board.judge(gone, GONE_AFTER + 2) == []


def test_growth_beyond_the_budget_names_the_model_that_grew_most():
    board = NoticeBoard()
    grown = (("a", 2**30), ("b", 3 * 2**30))
    assert board.judge(Facts(used=10, budget=20, grown=grown), 0.0) == []
    assert board.judge(Facts(used=20 * 2**30, budget=10), 0.0) == []  # no growth: somebody else's load
    (notice,) = board.judge(Facts(used=12 * 2**30, budget=10 * 2**30, grown=grown), 1.0)
    assert notice.subject == "b"
    assert "2.0 GiB more than the budget: b has grown by 3.0 GiB" in notice.text


def test_what_comes_and_goes_is_raised_once_an_hour():
    board, raised = NoticeBoard(), []
    for second in range(int(AGAIN) * 2):
        raised += board.judge(Facts(pressure_is_critical=second % 2 == 0), float(second))
    assert len(raised) == 2
    assert repr(board) == "<NoticeBoard []>"


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.booleans(), st.booleans()), max_size=60))
def test_a_notice_is_active_exactly_while_its_condition_holds(steps):
    board, now = NoticeBoard(), 0.0
    for wait, critical, unproved, swapped in steps:
        now += wait
        if swapped:
            board.swapped("c", "m", now)
        raised = board.judge(Facts(pressure_is_critical=critical, unproved="u" if unproved else None), now)
        held = {notice.kind for notice in board.active}
        assert ("memory_pressure" in held, "unproved_version" in held) == (critical, unproved)
        assert {notice.kind for notice in raised} <= held
        assert all(notice.since <= now for notice in board.active)
