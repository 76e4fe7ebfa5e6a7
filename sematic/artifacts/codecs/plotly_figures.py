"""plotly figures: pickled, with a figure that a browser can draw in the summary."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from plotly.basedatatypes import BaseFigure

from sematic.artifacts.codecs import pickles
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.plotly_pickles import decode_arrays
from sematic.artifacts.summaries import type_name

_MAX_BYTES = 100_000
_MAX_POINTS = 50_000
"""Longer arrays are thinned before they are turned into text, which would take long."""

_FEW = 20

decode = pickles.decode


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return isinstance(value, BaseFigure)


def encode(value: Any) -> Encoded:
    """As any other object."""
    return pickles.encode(value)


def summarise(value: Any) -> Mapping[str, Any]:
    """The figure as plotly's JSON, of at most 100,000 bytes.

    ``sampled`` is there if of long arrays only points at equal distances are shown; the template,
    which is the same for most figures, goes first.
    """
    content: dict[str, Any] = {"kind": "plotly", "type": type_name(value)}
    reader = _Reader()
    figure = reader.read(decode_arrays(value.to_dict()))
    if _size(figure) > _MAX_BYTES:
        figure.get("layout", {}).pop("template", None)
    while _size(figure) > _MAX_BYTES and not _is_short(figure["data"]):
        reader.is_thinned = True
        figure["data"] = _thin(figure["data"])
    if _size(figure) > _MAX_BYTES:
        return {**content, "traces": [trace.get("type") for trace in figure["data"][:100]]}
    return {**content, "figure": figure, **({"sampled": True} if reader.is_thinned else {})}


def _size(figure: Any) -> int:
    return len(json.dumps(figure, ensure_ascii=False, separators=(",", ":")).encode())


class _Reader:
    """A figure's parts in types that JSON has; missing numbers are ``None``, as plotly has them."""

    def __init__(self) -> None:
        self.is_thinned = False

    def read(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): self.read(item) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return self._read_array(value)
        if isinstance(value, list | tuple):
            return [self.read(item) for item in self._shorten(value)]
        if isinstance(value, np.generic):
            return self.read(value.item())
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        return value.isoformat() if hasattr(value, "isoformat") else str(value)

    def _read_array(self, values: "np.ndarray[Any, Any]") -> Any:
        return (
            self.read(self._shorten(values).tolist()) if values.ndim else self.read(values.item())
        )

    def _shorten(self, values: Any) -> Any:
        """Arrays of one length keep the same points."""
        step = -(-len(values) // _MAX_POINTS)
        self.is_thinned = self.is_thinned or step > 1
        return values[::step] if step > 1 else values


def _thin(value: Any) -> Any:
    """Every other point of a trace; short lists, such as colour scales, stay."""
    if isinstance(value, dict):
        return {key: _thin(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_thin(item) for item in (value[::2] if _is_long(value) else value)]
    return value


def _is_long(items: list[Any]) -> bool:
    return len(items) > _FEW and not isinstance(items[0], dict)


def _is_short(value: Any) -> bool:
    """Whether nothing in it can be thinned."""
    if isinstance(value, dict):
        return all(map(_is_short, value.values()))
    return not isinstance(value, list) or (not _is_long(value) and all(map(_is_short, value)))
