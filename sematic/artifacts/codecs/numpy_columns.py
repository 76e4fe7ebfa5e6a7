"""One-dimensional numpy data as an Arrow column and back, without a copy in either direction."""

from typing import Any

import numpy as np
import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile
from sematic.artifacts.codecs import plain, plain_reader
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.errors import CorruptArtifactError

_TIME_TYPES = {"M": pa.timestamp, "m": pa.duration}
_TIME_UNITS = ("s", "ms", "us", "ns")


def describe_dtype(dtype: "np.dtype[Any]") -> str:
    """Text from which :func:`read_dtype` makes an equal dtype.

    Raises:
        NotEncodable: the dtype holds references, or more than its fields say.
    """
    if dtype.hasobject or dtype.kind == "T" or dtype.metadata is not None:
        raise NotEncodable
    if dtype.names is None:
        return dtype.str
    description = np.lib.format.dtype_to_descr(dtype)
    text = plain.encode(description).text
    if read_dtype(text) != dtype:
        raise NotEncodable
    return text


def read_dtype(text: str) -> "np.dtype[Any]":
    """The dtype of a description.

    Raises:
        CorruptArtifactError: it is none.
    """
    try:
        if not text.startswith(("[", "{")):
            return np.dtype(text)
        description: Any = plain_reader.decode(text)
        return np.lib.format.descr_to_dtype(description)
    except (TypeError, ValueError) as error:
        raise CorruptArtifactError(f"{text!r} describes no numpy dtype") from error


def without_padding(values: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The same values; a copy with zeros between them where the dtype has gaps of any content."""
    if not _has_padding(values.dtype):
        return values
    order: Any = "C" if values.flags.c_contiguous else "F" if values.flags.f_contiguous else "C"
    copy = np.zeros(values.shape, values.dtype, order)  # zeros_like would not zero the gaps
    _copy_values(values, copy)
    return copy


def _has_padding(dtype: "np.dtype[Any]") -> bool:
    if dtype.subdtype is not None:
        return _has_padding(dtype.subdtype[0])
    if dtype.names is None:
        return dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16)
    fields = [dtype[name] for name in dtype.names]
    packed = sum(field.itemsize for field in fields) == dtype.itemsize
    return not packed or any(map(_has_padding, fields))


def _copy_values(source: "np.ndarray[Any, Any]", target: "np.ndarray[Any, Any]") -> None:
    if source.dtype.names is not None:
        for name in source.dtype.names:
            _copy_values(source[name], target[name])
    elif source.dtype.kind == "c":
        _copy_values(source.real, target.real)
        _copy_values(source.imag, target.imag)
    elif _has_padding(source.dtype) and np.finfo(source.dtype).nmant == 63:
        used = 10  # bytes of Intel's extended floats
        shape = (*source.shape, source.dtype.itemsize)
        source_bytes = np.ascontiguousarray(source).view(np.uint8).reshape(shape)
        whole = np.zeros(shape, np.uint8)
        whole[..., :used] = source_bytes[..., :used]
        target[...] = whole.reshape(-1).view(source.dtype).reshape(source.shape)
    else:
        target[...] = source


def build_column(values: "np.ndarray[Any, Any]") -> pa.Array:
    """A column over the memory of contiguous values of a dtype that can be described.

    Values that Arrow has no type for are bytes of their length; booleans are bytes too, because
    Arrow's bits could not be read without a copy. NaT is null, NaN is a number.
    """
    size = len(values)
    if values.dtype.itemsize == 0:
        return pa.nulls(size)
    return pa.Array.from_buffers(
        _arrow_type(values.dtype),
        size,
        [_validity(values), pa.py_buffer(values.view(np.uint8))],
    )


def _arrow_type(dtype: "np.dtype[Any]") -> pa.DataType:
    if dtype.isnative and dtype.names is None:
        if dtype.kind == "b":
            return pa.uint8()
        if dtype.kind in "iuf" and dtype.itemsize <= 8:
            return pa.from_numpy_dtype(dtype)
        if dtype.kind in _TIME_TYPES:
            unit, step = np.datetime_data(dtype)
            if unit in _TIME_UNITS and step == 1:
                return _TIME_TYPES[dtype.kind](unit)
    return pa.binary(dtype.itemsize)


def _validity(values: "np.ndarray[Any, Any]") -> pa.Buffer | None:
    if values.dtype.kind not in _TIME_TYPES:
        return None
    missing = np.isnat(values)
    return build_validity(missing) if missing.any() else None


def build_validity(missing: "np.ndarray[Any, Any]") -> pa.Buffer:
    """Arrow's bitmap of what is not missing."""
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def read_column(
    column: pa.Array, dtype: "np.dtype[Any]", file: ArrowFile
) -> "np.ndarray[Any, Any]":
    """The values as a writable array over the file's memory.

    Raises:
        CorruptArtifactError: there are fewer values than the column says.
    """
    size = len(column)
    if size == 0 or dtype.itemsize == 0:
        return np.zeros(size, dtype)
    memory = file.view(column.buffers()[1])
    if len(memory) < size * dtype.itemsize:
        raise CorruptArtifactError(f"a column of {size} values has {len(memory)} bytes")
    return np.frombuffer(memory, dtype, count=size)


def read_missing(column: pa.Array, file: ArrowFile) -> "np.ndarray[Any, Any]":
    """Which values of a column are null, as a new boolean array."""
    validity = column.buffers()[0]
    if validity is None or column.null_count == 0:
        return np.zeros(len(column), bool)
    bits = np.frombuffer(file.view(validity), np.uint8)
    return np.unpackbits(bits, count=len(column), bitorder="little").view(bool) ^ True
