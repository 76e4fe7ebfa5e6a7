"""A line of the table: what was asked for, and what was measured."""

from collections.abc import Iterable
from dataclasses import dataclass

_MARKS = {True: "ok", False: "MISSED", None: ""}


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        asked: what was measured, and the limit if there is one.
        measured: the numbers, with their units.
        ok: whether the limit was kept; ``None`` where there is none: a number for scale.
    """

    asked: str
    measured: str
    ok: bool | None = None


def print_table(rows: Iterable[Row]) -> int:
    """Print each row when it is known, and return how many limits were missed."""
    missed = 0
    print(f"{'asked':<66}  {'measured':<34}  ok")
    print(f"{'-' * 66}  {'-' * 34}  {'-' * 6}")
    for row in rows:
        print(f"{row.asked:<66}  {row.measured:<34}  {_MARKS[row.ok]}".rstrip(), flush=True)
        missed += row.ok is False
    return missed
