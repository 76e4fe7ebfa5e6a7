"""Summaries of Arrow tables, and of what can be seen as one: the same content as pandas frames."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sematic.artifacts.array_summaries import show_cell

ROWS = 10
"""How many rows a preview has."""

_COLUMNS = 50
# The sample has as many rows as keep the whole within a few milliseconds.
_SAMPLE_CELLS = 20_000
_MIN_SAMPLE, _MAX_SAMPLE = 200, 5_000
_QUANTILES = {"25%": 0.25, "50%": 0.5, "75%": 0.75}


def summarise_table(table: pa.Table, *, type_name: str) -> Mapping[str, Any]:
    """First rows, dtypes, null counts and statistics of a table.

    Columns beyond the fiftieth are counted only. ``sampled`` tells how many rows, evenly spread,
    null counts and statistics are of; without it they are of all rows.

    Args:
        table: the data; only the first columns and the sample's rows are looked at.
        type_name: what the value is called.
    """
    shape = (table.num_rows, table.num_columns)
    shown = table.select(list(range(shown_columns(table.num_columns))))
    return describe_sample(
        shown.slice(0, ROWS),
        _take_every(shown, sample_step(*shape)),
        shape=shape,
        type_name=type_name,
        dtypes=[str(field.type) for field in shown.schema],
    )


def shown_columns(columns: int) -> int:
    """How many of the columns are described."""
    return min(_COLUMNS, columns)


def sample_step(rows: int, columns: int) -> int:
    """From one row of the sample to the next."""
    most = max(_MIN_SAMPLE, min(_MAX_SAMPLE, _SAMPLE_CELLS // max(1, shown_columns(columns))))
    return max(1, -(-rows // most))


def describe_sample(
    head: pa.Table, sample: pa.Table, *, shape: tuple[int, int], type_name: str, dtypes: list[str]
) -> Mapping[str, Any]:
    """The content of a summary.

    Args:
        head: the first rows.
        sample: as many rows as :func:`sample_step` says, of the same columns.
        shape: rows and columns of the whole.
        type_name: what the value is called.
        dtypes: what its library calls the types of these columns.
    """
    content: dict[str, Any] = {"kind": "frame", "type": type_name, "shape": list(shape)}
    if sample.num_rows < shape[0]:
        content["sampled"] = sample.num_rows
    content["columns"] = [
        _describe_column(sample.schema.field(i), sample.column(i), dtype)
        for i, dtype in enumerate(dtypes)
    ]
    content["index"] = {"name": None, "dtype": "int64"}
    content["labels"] = list(range(head.num_rows))
    cells = [[_show(cell) for cell in column] for column in head.columns]
    content["rows"] = [list(row) for row in zip(*cells, strict=True)]
    return content


def _take_every(table: pa.Table, step: int) -> pa.Table:
    if step == 1:
        return table
    columns = [_take_every_item(column, step) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _take_every_item(column: pa.ChunkedArray, step: int) -> pa.ChunkedArray:
    """Chunk by chunk: ``take`` of a chunked array may put its chunks together first."""
    taken, start = [], 0
    for chunk in column.chunks:
        if start < len(chunk):
            taken.append(chunk.take(pa.array(range(start, len(chunk), step), pa.int64())))
        start = (start - len(chunk)) % step
    return pa.chunked_array(taken, type=column.type)


def _describe_column(field: pa.Field, column: pa.ChunkedArray, dtype: str) -> dict[str, Any]:
    return {
        "name": show_cell(field.name),
        "dtype": dtype,
        "missing": column.null_count,
        "describe": _describe_values(field.type, column),
    }


def _describe_values(type_: pa.DataType, column: pa.ChunkedArray) -> dict[str, Any]:
    described: dict[str, Any] = {"count": len(column) - column.null_count}
    if described["count"] == 0:
        return described
    try:
        return {**described, **_describe_known(type_, column)}
    except pa.ArrowNotImplementedError:  # of nested types Arrow counts and compares nothing
        return described


def _describe_known(type_: pa.DataType, column: pa.ChunkedArray) -> dict[str, Any]:
    if pa.types.is_dictionary(type_):
        return _describe_known(type_.value_type, column.cast(type_.value_type))
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return _describe_numbers(column.cast(pa.float64()))
    if pa.types.is_duration(type_):
        least_and_greatest = pc.min_max(column.cast(pa.int64()))
        return {n: _show(least_and_greatest[n].cast(type_)) for n in ("min", "max")}
    if pa.types.is_temporal(type_):
        least_and_greatest = pc.min_max(column)
        return {name: _show(least_and_greatest[name]) for name in ("min", "max")}
    counts = column.drop_null().value_counts()
    # Of several that are as frequent the first one, as it was met.
    freq = pc.max(counts.field("counts"))
    top = counts.field("values")[pc.index(counts.field("counts"), freq).as_py()]
    return {"unique": len(counts), "top": _show(top), "freq": freq.as_py()}


def _describe_numbers(column: pa.ChunkedArray) -> dict[str, Any]:
    least_and_greatest = pc.min_max(column)
    described: dict[str, Any] = {"mean": pc.mean(column).as_py()}
    described["std"] = pc.stddev(column, ddof=1).as_py()
    described["min"] = least_and_greatest["min"].as_py()
    quantiles = pc.quantile(column, q=list(_QUANTILES.values())).to_pylist()
    described.update(zip(_QUANTILES, quantiles, strict=True))
    described["max"] = least_and_greatest["max"].as_py()
    return described


def _show(cell: pa.Scalar) -> Any:
    try:
        return show_cell(cell.as_py())
    except (ValueError, OverflowError):  # times that Python has not: nanoseconds, the year 10,000
        return show_cell(str(cell.cast(pa.string())))
