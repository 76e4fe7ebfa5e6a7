"""The values of one pandas column or index level as an Arrow column and back.

A column's ``kind`` in the metadata says how: ``numpy`` and the kinds built on it are views in both
directions; ``extension`` is whatever pandas itself makes of its extension arrays; ``text`` and
``plain`` are Python objects.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile
from sematic.artifacts.codecs import plain, plain_reader
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.codecs.numpy_columns import (
    build_column,
    build_validity,
    describe_dtype,
    read_column,
    read_dtype,
    read_missing,
)
from sematic.errors import CorruptArtifactError

Values: TypeAlias = Any
"""A one-dimensional numpy array or a pandas extension array."""
Description: TypeAlias = dict[str, Any]
"""Plain data beside a column that tells how to read it."""

_MASKED = (pd.arrays.IntegerArray, pd.arrays.FloatingArray)


def values_of(column: "pd.Series[Any] | pd.Index[Any]") -> Values:
    """The values themselves: a numpy array for numpy's dtypes, an extension array otherwise."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def encode_values(values: Values) -> tuple[pa.Array, Description]:
    """A column and its description.

    Raises:
        NotEncodable: the values would not come back as they are.
    """
    if isinstance(values, np.ndarray):
        return _encode_objects(values) if values.dtype == object else _encode_numpy(values)
    dtype = values.dtype
    if isinstance(values, _MASKED):
        return _encode_masked(values)
    if isinstance(dtype, pd.CategoricalDtype):
        return _encode_categorical(values)
    if isinstance(dtype, pd.DatetimeTZDtype | pd.PeriodDtype):
        return _encode_moments(values)
    return _encode_extension(values)


def _encode_numpy(values: "np.ndarray[Any, Any]") -> tuple[pa.Array, Description]:
    description = {"kind": "numpy", "dtype": describe_dtype(values.dtype)}
    return build_column(np.ascontiguousarray(values)), description


def _encode_masked(values: Any) -> tuple[pa.Array, Description]:
    data = values.to_numpy(dtype=values.dtype.numpy_dtype, na_value=0)  # equal values, equal bytes
    missing = values.isna()
    column = build_column(np.ascontiguousarray(data))
    validity = build_validity(missing) if missing.any() else None
    column = pa.Array.from_buffers(column.type, len(column), [validity, column.buffers()[1]])
    return column, {"kind": "masked", "dtype": str(values.dtype)}


def _encode_categorical(values: "pd.Categorical") -> tuple[pa.Array, Description]:
    categories, description = encode_values(values_of(values.categories))
    column = encode_codes(values.codes, categories)
    return column, {
        "kind": "categorical",
        "ordered": bool(values.ordered),
        "categories": description,
    }


def encode_codes(codes: "np.ndarray[Any, Any]", dictionary: pa.Array) -> pa.Array:
    """An Arrow dictionary column over the memory of pandas codes, where -1 is null."""
    codes = np.ascontiguousarray(codes)
    missing = codes < 0
    indices = build_column(codes)
    validity = build_validity(missing) if missing.any() else None
    indices = pa.Array.from_buffers(indices.type, len(codes), [validity, indices.buffers()[1]])
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def _encode_moments(values: Any) -> tuple[pa.Array, Description]:
    """Time zones and periods: integers, and a dtype that says what they count."""
    name = _dtype_name(values.dtype)
    integers = np.ascontiguousarray(values.view("i8"))
    if isinstance(values.dtype, pd.PeriodDtype):
        return build_column(integers), {"kind": "moments", "dtype": name}
    column = build_column(integers.view(f"M8[{values.dtype.unit}]"))
    arrow_type = pa.timestamp(values.dtype.unit, "UTC")
    column = pa.Array.from_buffers(arrow_type, len(column), column.buffers())
    return column, {"kind": "moments", "dtype": name}


def _encode_extension(values: Any) -> tuple[pa.Array, Description]:
    dtype = values.dtype
    if not hasattr(values, "__arrow_array__") or not hasattr(dtype, "__from_arrow__"):
        raise NotEncodable
    try:
        column = values.__arrow_array__()
    except (pa.ArrowException, NotImplementedError, TypeError, ValueError) as error:
        raise NotEncodable from error
    if isinstance(column, pa.ChunkedArray):
        chunks = column.num_chunks
        column = column.chunk(0) if chunks == 1 else column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # what combine_chunks returns depends on the version
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)
    if isinstance(dtype, pd.ArrowDtype):
        return column, {"kind": "arrow"}
    return column, {"kind": "extension", **_describe_extension_dtype(dtype)}


def _describe_extension_dtype(dtype: Any) -> Description:
    if isinstance(dtype, pd.StringDtype):
        options: Description = {"storage": dtype.storage}
        if isinstance(getattr(dtype, "na_value", None), float):
            options["na_value"] = "nan"
        if _read_string_dtype(options) == dtype:
            return {"string": options}
    return {"dtype": _dtype_name(dtype)}


def _read_string_dtype(options: Description) -> Any:
    if "na_value" in options and options["storage"] in ("python", "pyarrow"):
        return pd.StringDtype(options["storage"], na_value=np.nan)
    return pd.StringDtype(options["storage"])


def _dtype_name(dtype: Any) -> str:
    """The name of a dtype, if the name says everything about it."""
    name = str(dtype)
    try:
        same = pd.api.types.pandas_dtype(name) == dtype
    except (TypeError, ValueError):
        same = False
    if not same:
        raise NotEncodable
    return name


def _encode_objects(values: "np.ndarray[Any, Any]") -> tuple[pa.Array, Description]:
    items: list[Any] = values.tolist()
    types = set(map(type, items))
    if types and types <= {str, type(None)}:
        try:
            return pa.array(items, pa.large_string()), {"kind": "text"}
        except UnicodeEncodeError:  # lone surrogates
            return _encode_plain(items)
    if types == {str, float} and all(math.isnan(item) for item in items if type(item) is float):
        texts = [item if type(item) is str else None for item in items]
        return pa.array(texts, pa.large_string()), {"kind": "text", "missing": "nan"}
    return _encode_plain(items)


def _encode_plain(items: list[Any]) -> tuple[pa.Array, Description]:
    written = [plain.encode(item) for item in items]
    if any(text.is_local for text in written):
        raise NotEncodable
    return pa.array([text.text for text in written], pa.large_string()), {"kind": "plain"}


def decode_values(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    """The values of a column; writable, and where possible views of the file's memory.

    Raises:
        CorruptArtifactError: column and description do not fit.
    """
    try:
        return _DECODERS[description["kind"]](column, description, file)
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise CorruptArtifactError(f"a column is damaged: {error!r}") from error


def _decode_numpy(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    return read_column(column, read_dtype(description["dtype"]), file)


def _decode_masked(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    dtype: Any = pd.api.types.pandas_dtype(description["dtype"])
    data = read_column(column, dtype.numpy_dtype, file)
    return dtype.construct_array_type()(data, read_missing(column, file))


def _decode_categorical(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    categories = build_index(decode_values(column.dictionary, description["categories"], file))
    dtype = pd.CategoricalDtype(categories, ordered=description["ordered"])
    return pd.Categorical.from_codes(decode_codes(column, file), dtype=dtype, validate=False)


def decode_codes(column: pa.Array, file: ArrowFile) -> Any:
    """The pandas codes of an Arrow dictionary column."""
    return read_column(column.indices, np.dtype(column.indices.type.to_pandas_dtype()), file)


def _decode_moments(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    dtype: Any = pd.api.types.pandas_dtype(description["dtype"])
    integers = read_column(column, np.dtype("i8"), file)
    if isinstance(dtype, pd.PeriodDtype):
        return pd.arrays.PeriodArray(integers, dtype=dtype)
    return pd.array(integers, dtype=dtype, copy=False)


def _decode_extension(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    if "string" in description:
        dtype = _read_string_dtype(description["string"])
    else:
        dtype = pd.api.types.pandas_dtype(description["dtype"])
    return dtype.__from_arrow__(pa.chunked_array([column]))


def _decode_arrow(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    dtype: Any = pd.ArrowDtype(column.type)
    return dtype.__from_arrow__(pa.chunked_array([column]))


def _decode_text(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    column.validate(full=True)
    items = column.to_pylist()
    if description.get("missing") == "nan":
        items = [np.nan if item is None else item for item in items]
    return _objects(items)


def _decode_plain(column: pa.Array, description: Description, file: ArrowFile) -> Values:
    column.validate(full=True)
    return _objects([plain_reader.decode(text) for text in column.to_pylist()])


def _objects(items: list[Any]) -> "np.ndarray[Any, Any]":
    return np.fromiter(items, object, len(items))  # lists among them stay elements


_DECODERS: dict[str, Callable[[pa.Array, Description, ArrowFile], Values]] = {
    "numpy": _decode_numpy,
    "masked": _decode_masked,
    "categorical": _decode_categorical,
    "moments": _decode_moments,
    "extension": _decode_extension,
    "arrow": _decode_arrow,
    "text": _decode_text,
    "plain": _decode_plain,
}


def build_index(values: Values) -> "pd.Index[Any]":
    """An index of exactly these values: nothing is inferred, nothing copied."""
    dtype = object if isinstance(values, np.ndarray) and values.dtype.kind == "O" else None
    return pd.Index(values, dtype=dtype, copy=False)
