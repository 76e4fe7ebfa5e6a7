"""Summaries of pandas frames, series and indexes, from a sample where they are long."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sematic.artifacts.array_summaries import show_cell

_ROWS = 10
_COLUMNS = 50
# The sample has as many rows as keep the whole within a few milliseconds.
_SAMPLE_CELLS = 20_000
_MIN_SAMPLE, _MAX_SAMPLE = 200, 5_000


def summarise_frame(value: "pd.DataFrame | pd.Series[Any] | pd.Index[Any]") -> Mapping[str, Any]:
    """First rows, dtypes, null counts and statistics.

    Columns beyond the fiftieth are counted only. ``sampled`` tells how many rows, evenly spread,
    null counts and statistics are of; without it they are of all rows.
    """
    content: dict[str, Any] = {
        "kind": "frame",
        "type": f"pandas.{type(value).__name__}",
        "shape": list(value.shape),
    }
    head = _take(value, slice(_ROWS))
    rows = max(_MIN_SAMPLE, min(_MAX_SAMPLE, _SAMPLE_CELLS // max(1, head.shape[1])))
    sample = _take(value, slice(None, None, max(1, -(-len(value) // rows))))
    if len(sample) < len(value):
        content["sampled"] = len(sample)
    content["columns"] = [
        _describe_column(label, sample.iloc[:, i]) for i, label in enumerate(head.columns)
    ]
    content["index"] = {"name": show_cell(head.index.name), "dtype": _index_dtype(head.index)}
    content["labels"] = [show_cell(label) for label in head.index]
    columns = [_show_cells(head.iloc[:, i]) for i in range(head.shape[1])]
    content["rows"] = [list(row) for row in zip(*columns, strict=True)]
    return content


def _take(value: Any, rows: slice) -> pd.DataFrame:
    """Some rows of a value, and its first columns, as a frame."""
    if isinstance(value, pd.DataFrame):
        return value.iloc[rows, :_COLUMNS]
    return value.iloc[rows].to_frame() if isinstance(value, pd.Series) else value[rows].to_frame()


def _show_cells(column: "pd.Series[Any]") -> list[Any]:
    return [
        None if missing else show_cell(cell)
        for cell, missing in zip(column, column.isna(), strict=True)
    ]


def _index_dtype(index: "pd.Index[Any]") -> str:
    if isinstance(index, pd.MultiIndex):
        return ", ".join(str(level.dtype) for level in index.levels)
    return str(index.dtype)


def _describe_column(label: Any, column: "pd.Series[Any]") -> dict[str, Any]:
    missing = int(column.isna().sum())
    return {
        "name": show_cell(label),
        "dtype": str(column.dtype),
        "missing": missing,
        "describe": _describe_values(column, missing),
    }


def _describe_values(column: "pd.Series[Any]", missing: int) -> dict[str, Any]:
    known = column.dropna() if missing else column
    content: dict[str, Any] = {"count": len(known)}
    if len(known) == 0:
        return content
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        return {**content, **_describe_labels(known)}
    if pd.api.types.is_complex_dtype(column.dtype):
        return content
    values = known.to_numpy(dtype=np.float64)
    quartiles = np.percentile(values, [25, 50, 75])
    return {
        **content,
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "min": float(values.min()),
        **dict(zip(("25%", "50%", "75%"), map(float, quartiles), strict=True)),
        "max": float(values.max()),
    }


def _describe_labels(known: "pd.Series[Any]") -> dict[str, Any]:
    if known.dtype.kind in "mM":
        return {"min": str(known.min()), "max": str(known.max())}
    try:
        counts = Counter(known.tolist())
    except TypeError:  # lists and the like have no hash
        return {}
    top, freq = counts.most_common(1)[0]
    return {"unique": len(counts), "top": show_cell(top), "freq": freq}
