"""Frames, arrays and texts as people look at them, from their summaries."""

from collections.abc import Mapping, Sequence
from typing import Any

from sematic.cli.screen import Cell, Column, Screen, build_table, cell_length
from sematic.cli.values import format_shape
from sematic.wording import format_size, one_line

_CELL = 32
_GAP = 2
_STATISTICS = ("min", "mean", "max", "unique", "top")


def preview_frame(summary: Mapping[str, Any], screen: Screen) -> list[str]:
    """Shape, first rows, and a line for each column."""
    lines = [f"{format_shape(summary)}", "", *_first_rows(summary, screen), ""]
    lines += _describe_columns(summary["columns"], screen)
    hidden = (summary["shape"][1] if summary["shape"][1:] else 1) - len(summary["columns"])
    if hidden > 0:
        lines.append(screen.dim(f"... {hidden:,} more columns"))
    if "sampled" in summary:
        lines += ["", screen.dim(f"Figures are of {summary['sampled']:,} rows, evenly spread.")]
    return lines


def _first_rows(summary: Mapping[str, Any], screen: Screen) -> list[str]:
    """As many columns as fit, and how many do not."""
    names = [str(summary["index"]["name"] or ""), *(str(c["name"]) for c in summary["columns"])]
    rows = [
        [show_cell(label), *map(show_cell, row)]
        for label, row in zip(summary["labels"], summary["rows"], strict=True)
    ]
    widths = [
        max(cell_length(text) for text in column)
        for column in zip(*([one_line(name, _CELL) for name in names], *rows), strict=True)
    ]
    shown = _count_fitting(widths, screen.width)
    table = build_table(
        [
            Column(one_line(name, _CELL), right=place > 0)
            for place, name in enumerate(names[:shown])
        ],
        [
            [Cell(text, "bright_black" if i == 0 else None) for i, text in enumerate(row[:shown])]
            for row in rows
        ],
        screen,
    )
    if summary["shape"][0] > len(rows):
        table.append(screen.dim(f"... {summary['shape'][0] - len(rows):,} more rows"))
    if shown < len(names):
        table.append(screen.dim(f"... {len(names) - shown} more columns, see below"))
    return table


def _count_fitting(widths: Sequence[int], room: int | None) -> int:
    if room is None:
        return len(widths)
    used, count = 0, 0
    for width in widths:
        used += width + (_GAP if count else 0)
        if used > room and count > 1:
            break
        count += 1
    return count


def _describe_columns(columns: Sequence[Mapping[str, Any]], screen: Screen) -> list[str]:
    present = [name for name in _STATISTICS if any(name in c["describe"] for c in columns)]
    table = (
        Column("COLUMN", least=10),
        Column("DTYPE"),
        Column("MISSING", right=True, rank=1),
        *(Column(name.upper(), right=True, rank=2 + place) for place, name in enumerate(present)),
    )
    rows = [
        [
            Cell(str(column["name"])),
            Cell(column["dtype"], "cyan"),
            Cell(f"{column['missing']:,}" if column["missing"] else ""),
            *(Cell(show_cell(column["describe"].get(name, ""))) for name in present),
        ]
        for column in columns
    ]
    return build_table(table, rows, screen)


def preview_array(summary: Mapping[str, Any], screen: Screen) -> list[str]:
    """Shape, dtype, statistics and first values."""
    facts = [
        f"{name} {show_cell(summary[name])}"
        for name in ("min", "mean", "max", "missing")
        if summary.get(name) not in (None, 0) or (name != "missing" and name in summary)
    ]
    values = ", ".join(map(show_cell, summary["values"]))
    more = "" if len(summary["values"]) >= _size(summary["shape"]) else ", ..."
    lines = [f"{format_shape(summary)} ({format_size(summary['bytes'])})", ", ".join(facts)]
    lines.append(screen.fit(f"[{values}{more}]", screen.width))
    if "sampled" in summary:
        lines.append(screen.dim(f"Figures are of {summary['sampled']:,} values, evenly spread."))
    return [line for line in lines if line]


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def preview_text(text: str, length: int) -> list[str]:
    """A text as it is, without what would upset a terminal."""
    lines = [
        "".join(c if c.isprintable() or c == "\t" else "�" for c in line)
        for line in text.split("\n")
    ]
    if length > len(text):
        lines.append(f"... {length - len(text):,} more characters")
    return lines


def show_cell(value: Any) -> str:
    """A value of a frame or an array: numbers with five figures that matter."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return one_line(str(value), _CELL)
