"""Where the output goes, and text that fits there: colours, signs, tables.

On a terminal lines are cut to its width; in a pipe none is ever cut or coloured.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import click

from sematic.wording import SHORT_ID, SIGNS, clean

_GAP = 2
_IN_PIPE, _ON_TERMINAL = 2000, 500


@dataclass(frozen=True)
class Screen:
    """What standard output can do.

    Attributes:
        width: columns of the terminal; ``None`` in a pipe or a file, where lines have no end.
        colours: whether to use colours.
        unicode: whether it takes signs and line drawings beyond ASCII.
    """

    width: int | None
    colours: bool
    unicode: bool

    @property
    def sentence_room(self) -> int:
        """The most characters of what somebody else has written: an error, a value."""
        return _IN_PIPE if self.width is None else _ON_TERMINAL

    def style(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        """The text in a colour, where there are colours."""
        if not self.colours or not text:  # codes around nothing would hide that a line ends before
            return text
        return click.style(text, fg=colour, bold=bold or None)

    def dim(self, text: str) -> str:
        """The text less prominent than the rest."""
        return self.style(text, "bright_black")

    def sign(self, state: str) -> str:
        """The sign of a state, in no colour."""
        return SIGNS[state].symbol if self.unicode else SIGNS[state].plain

    def id(self, full: str) -> str:
        """An id: short on a terminal, whole in a pipe."""
        return full if self.width is None else full[:SHORT_ID]

    def narrower(self, columns: int) -> "Screen":
        """The same with so many columns less, for lines that are indented."""
        return self if self.width is None else replace(self, width=self.width - columns)

    def fit(self, text: str, room: int | None) -> str:
        """The text, cut to ``room`` columns with an ellipsis; ``None`` for as it is."""
        if room is None or cell_length(text) <= room:
            return text
        from rich.cells import set_cell_size

        ellipsis = "…" if self.unicode else "..."
        return set_cell_size(text, max(room - len(ellipsis), 0)).rstrip() + ellipsis


def find_screen() -> Screen:
    """What standard output is at this moment."""
    stream = sys.stdout
    terminal = stream.isatty()
    colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Screen(
        width=shutil.get_terminal_size().columns if terminal else None,
        colours=colours or bool(os.environ.get("FORCE_COLOR")),
        unicode=_takes_unicode(stream.encoding),
    )


def echo(lines: Sequence[str], screen: Screen) -> None:
    """Print lines."""
    text = "\n".join(lines)
    if not screen.unicode:
        encoding = sys.stdout.encoding or "ascii"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    click.echo(text, color=screen.colours)


def cell_length(text: str) -> int:
    """How many columns a text takes: East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


@dataclass(frozen=True)
class Cell:
    """A text in a table, shown in one line, and its colour."""

    text: str
    colour: str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        least: columns that it needs at least; ``None`` for as many as its longest text.
        right: whether texts are aligned to the right.
        rank: in a narrow terminal columns are left out, those of the highest rank first; 0 for
            never.
    """

    title: str
    least: int | None = None
    right: bool = False
    rank: int = 0


def build_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Screen
) -> list[str]:
    """The lines of a table, a line of titles first (if there are any)."""
    kept = list(range(len(columns)))
    titles = [Cell(column.title, "bright_black") for column in columns]
    table = [titles, *([replace(cell, text=clean(cell.text)) for cell in row] for row in rows)]
    if not any(column.title for column in columns):
        del table[0]
    longest = [max(cell_length(row[index].text) for row in table) for index in kept]
    widths = _widths(columns, longest, kept, screen.width)
    while sum(widths) + _GAP * (len(kept) - 1) > (screen.width or sys.maxsize):
        last = max(kept, key=lambda index: columns[index].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
        widths = _widths(columns, longest, kept, screen.width)
    return [
        _line([row[i] for i in kept], [columns[i] for i in kept], widths, screen) for row in table
    ]


def _widths(
    columns: Sequence[Column], longest: Sequence[int], kept: Sequence[int], width: int | None
) -> list[int]:
    widths = [longest[index] for index in kept]
    if width is None:
        return widths
    least = [widths[place] for place in range(len(kept))]
    for place, index in enumerate(kept):
        least[place] = min(columns[index].least or least[place], least[place])
    room, most = width - _GAP * (len(kept) - 1), max(widths, default=0)
    while sum(widths) > room and most > 0:  # the widest give first, until they are as others
        most -= 1
        widths = [max(least[place], min(had, most)) for place, had in enumerate(widths)]
    return widths


def _line(
    cells: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], screen: Screen
) -> str:
    parts = []
    for cell, column, width in zip(cells, columns, widths, strict=True):
        text = screen.fit(cell.text, width if screen.width else None)
        room = " " * (width - cell_length(text))
        styled = screen.style(text, cell.colour, bold=cell.bold)
        parts.append(room + styled if column.right else styled + room)
    return (" " * _GAP).join(parts).rstrip()


def _takes_unicode(encoding: str | None) -> bool:
    try:
        "".join(sign.symbol for sign in SIGNS.values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
