"""Tables that fit a terminal."""

import pytest

from sematic.cli.screen import Cell, Column, Screen, build_table

_COLUMNS = (Column("NAME"), Column("NOW", least=12), Column("THEN", least=12))


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ("n" * 60, "t" * 61, [26, 26]),  # neither is cut to nothing for the other's sake
        ("n" * 10, "t" * 61, [10, 42]),  # what one does not need is the other's
        ("n" * 61, "t" * 20, [32, 20]),
    ],
)
def test_columns_share_the_room(now: str, then: str, expected: list[int]) -> None:
    screen = Screen(width=60, colours=False, unicode=True)
    row = [Cell("x"), Cell(now), Cell(then)]
    line = build_table(_COLUMNS, [row], screen)[1]
    assert len(line) <= 60
    assert [len(part) for part in line.split()[1:]] == expected
