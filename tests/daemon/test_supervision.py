from itertools import pairwise

import anyio
import pytest

from innkeepd.supervision import PAUSES, SETTLED, described, supervise
from support.daemon import mock_clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return mock_clock()


async def test_a_task_that_fails_is_reported_and_begun_anew_after_growing_pauses():
    began, reported = [], []

    async def work():
        began.append(anyio.current_time())
        if len(began) < 10:
            raise ValueError(str(len(began)))

    await supervise("work", work, lambda name, error: reported.append((name, str(error))))
    pauses = [round(later - earlier, 3) for earlier, later in pairwise(began)]
    assert pauses[:4] == [PAUSES[0], 1.0, 2.0, 4.0]
    assert pauses[-1] == PAUSES[1]
    assert reported == [("work", str(number)) for number in range(1, 10)]


async def test_a_task_that_ran_well_for_long_is_begun_anew_at_once():
    began = []

    async def work():
        began.append(anyio.current_time())
        await anyio.sleep(SETTLED + 1)
        if len(began) < 4:
            raise ValueError

    await supervise("work", work, lambda *_: None)
    assert {round(later - earlier - SETTLED - 1, 3) for earlier, later in pairwise(began)} == {0.5}


async def test_cancelling_ends_it_without_a_report():
    reported = []
    with anyio.move_on_after(5):
        await supervise("work", anyio.sleep_forever, lambda *one: reported.append(one))
    assert reported == []


def test_a_fault_is_described_by_type_and_line_and_never_by_its_text():
    try:
        b"the user's secret \xff".decode()
    except UnicodeDecodeError as error:
        words = described(ExceptionGroup("several", [error]))
    assert words.startswith("UnicodeDecodeError at test_supervision.py:")
    assert described(ValueError("secret")) == "ValueError"
