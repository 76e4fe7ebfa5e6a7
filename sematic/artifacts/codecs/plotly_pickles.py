"""plotly's figures in pickles, with their arrays as arrays.

By plotly's own way arrays come back as the base64 text that a browser wants. The names here are in
pickles: they stay.
"""

import base64
from collections.abc import Mapping
from typing import Any


def reduce_figure(figure: Any) -> Any:
    """What the pickler makes of a figure: its class, and its parts as plain data and arrays."""
    return build_figure, (type(figure), decode_arrays(figure.to_dict()))


def build_figure(cls: Any, parts: dict[str, Any]) -> Any:
    """A figure of these parts."""
    return cls(parts)


def decode_arrays(value: Any) -> Any:
    """The parts of a figure with numpy arrays in place of plotly's text of them."""
    if isinstance(value, dict):
        if "bdata" in value and "dtype" in value:
            return _decode_array(value)
        return {key: decode_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [decode_arrays(item) for item in value]
    return value


def _decode_array(encoded: Mapping[str, Any]) -> Any:
    import numpy as np

    content = bytearray(base64.b64decode(encoded["bdata"]))  # which can be written to
    values = np.frombuffer(content, np.dtype(encoded["dtype"]))
    shape = encoded.get("shape")
    return values if shape is None else values.reshape([int(n) for n in str(shape).split(",")])
