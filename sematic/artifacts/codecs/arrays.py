"""numpy arrays of every dtype without references, as one Arrow column in the order of memory."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from sematic.artifacts.array_summaries import summarise_array
from sematic.artifacts.arrow_file import ArrowFile
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.numpy_columns import (
    build_column,
    describe_dtype,
    read_column,
    read_dtype,
    without_padding,
)
from sematic.errors import CorruptArtifactError


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return type(value) is np.ndarray


def encode(value: "np.ndarray[Any, Any]") -> Encoded:
    """Arrays that fill their memory are not copied, whatever the order of their axes.

    The order is kept, and is part of the artifact's id. Others (slices with gaps, broadcast
    arrays) are copied in C order.
    """
    dtype = describe_dtype(value.dtype)
    shape = list(value.shape)
    value = without_padding(value)
    axes = _axes_by_stride(value)
    stored = value.transpose(axes)
    if not stored.flags.c_contiguous:
        axes, stored = list(range(value.ndim)), np.array(value, order="C")
    column = build_column(stored.reshape(-1))
    schema = pa.schema([pa.field("value", column.type)])
    metadata = {"dtype": dtype, "shape": shape, "axes": axes}
    return Encoded(schema, [pa.RecordBatch.from_arrays([column], schema=schema)], metadata)


def _axes_by_stride(value: "np.ndarray[Any, Any]") -> list[int]:
    """The axes from the slowest to the fastest; C order where an array has several."""
    axes = list(range(value.ndim))
    if value.flags.c_contiguous:
        return axes
    return sorted(axes, key=lambda axis: -abs(value.strides[axis]))


def decode(file: ArrowFile) -> object:
    """A writable array of the same dtype, shape and order."""
    try:
        shape, axes = file.metadata["shape"], file.metadata["axes"]
        dtype = read_dtype(file.metadata["dtype"])
        stored_shape = [shape[axis] for axis in axes]
    except (KeyError, IndexError, TypeError) as error:
        raise CorruptArtifactError(f"the description of an array is damaged: {error}") from error
    flat = read_column(file.batch(0).column(0), dtype, file)
    if len(flat) != math.prod(shape) or sorted(axes) != list(range(len(shape))):
        raise CorruptArtifactError(f"{len(flat)} values are no array of shape {shape}")
    return flat.reshape(stored_shape).transpose(np.argsort(axes))


def summarise(value: "np.ndarray[Any, Any]") -> Mapping[str, Any]:
    """Shape, dtype, first values and statistics."""
    return summarise_array(value)
