"""Summaries of numpy arrays, from a sample where an array is long."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sematic.artifacts.summaries import without_addresses

_SAMPLE = 10_000
_PREVIEW = 20


def summarise_array(value: "np.ndarray[Any, Any]") -> Mapping[str, Any]:
    """Shape, dtype, first values and statistics; ``sampled`` tells how many values they are of."""
    content: dict[str, Any] = {
        "kind": "array",
        "type": "numpy.ndarray",
        "shape": list(value.shape),
        "dtype": str(value.dtype),
        "bytes": value.nbytes,
        "values": [show_cell(item) for item in value.flat[:_PREVIEW].tolist()],
    }
    sample = value.flat[:: max(1, value.size // _SAMPLE)]
    if sample.size < value.size:
        content["sampled"] = sample.size
    return {**content, **describe_values(sample)}


def describe_values(values: "np.ndarray[Any, Any]") -> dict[str, Any]:
    """Missing values, least, greatest and mean of a short array, as far as its dtype has them."""
    kind = values.dtype.kind
    if kind not in "biufmM":
        return {}
    missing = np.isnat(values) if kind in "mM" else np.isnan(values) if kind == "f" else None
    known = values if missing is None else values[~missing]
    content: dict[str, Any] = {"missing": 0 if missing is None else int(missing.sum())}
    if known.size == 0:
        return content
    content["min"], content["max"] = show_cell(known.min()), show_cell(known.max())
    if kind in "biuf":
        content["mean"] = float(known.mean(dtype=np.float64))
    return content


def show_cell(value: Any) -> Any:
    """One value of an array or a frame for people: a number or a short text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item() if value.dtype.itemsize <= 8 else str(value)
    text = value if isinstance(value, str) else _short_text(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _short_text(value: Any) -> str:
    if isinstance(value, list | tuple | dict | set | bytes):  # long ones would take long
        return repr(value) if len(value) <= 50 else f"{type(value).__name__} of {len(value)}"
    return without_addresses(str(value))
