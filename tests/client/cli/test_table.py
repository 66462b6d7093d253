import pytest

from innkeep.cli import table


@pytest.mark.parametrize(("text", "cells"), [("abc", 3), ("한글", 4), ("a한", 3), ("e\u0301", 1), ("", 0)])
def test_a_korean_syllable_takes_two_cells_and_a_combining_accent_none(text, cells):
    assert cells == table.width(text)


def test_columns_line_up_whatever_the_script():
    lines = table.columns(["NAME", "N"], [["한글", "1"], ["abcdef", "22"]], right={"N"})
    assert lines == ["NAME     N", "한글     1", "abcdef  22"]


@pytest.mark.parametrize(
    ("text", "cells", "cut"),
    [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("한글입니다", 6, "한글…"), ("ab", 0, "")],
)
def test_cutting_never_exceeds_the_cells(text, cells, cut):
    assert cut == table.cut(text, cells)
    assert table.width(cut) <= cells
