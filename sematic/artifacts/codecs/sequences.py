"""Long lists and tuples of one type of scalar as an Arrow column, and long bytes as they are."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from sematic.artifacts.arrow_file import BLOB_SCHEMA, ArrowFile, build_blob
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.summaries import build_tree
from sematic.errors import CorruptArtifactError

_CONTAINERS = {"list": list, "tuple": tuple}
_TYPES = {
    frozenset({bool}): pa.bool_(),
    frozenset({int}): pa.int64(),
    frozenset({float}): pa.float64(),
    frozenset({str}): pa.large_string(),
}
_TYPECODES: dict[pa.DataType, Literal["q", "d"]] = {pa.int64(): "q", pa.float64(): "d"}


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return type(value) in (list, tuple, bytes)


def encode(value: Sequence[Any] | bytes) -> Encoded:
    """Takes elements of exactly one type, and ``None`` among them."""
    if isinstance(value, bytes):
        return Encoded(BLOB_SCHEMA, [build_blob(value)], {"container": "bytes"})
    types = frozenset(map(type, value))
    arrow_type = _TYPES.get(types - {type(None)})
    if arrow_type is None:
        raise NotEncodable
    try:
        column = _build_column(value, arrow_type, type(None) in types)
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid) as error:
        raise NotEncodable from error  # integers of more than 64 bits, lone surrogates
    schema = pa.schema([pa.field("item", arrow_type)])
    batch = pa.RecordBatch.from_arrays([column], schema=schema)
    return Encoded(schema, [batch], {"container": type(value).__name__})


def _build_column(value: Sequence[Any], arrow_type: pa.DataType, has_none: bool) -> pa.Array:
    typecode = _TYPECODES.get(arrow_type)
    if typecode is None or has_none:
        return pa.array(value, type=arrow_type)
    data = pa.py_buffer(array(typecode, value))  # several times faster than pa.array
    return pa.Array.from_buffers(arrow_type, len(value), [None, data])


def decode(file: ArrowFile) -> object:
    """A new list, tuple or bytes."""
    container = file.metadata.get("container")
    if container == "bytes":
        return bytes(file.blob(0))
    batch = file.batch(0, thoroughly=True)
    if container not in _CONTAINERS or batch.num_columns != 1:
        raise CorruptArtifactError(f"a container of kind {container!r} is unknown")
    column = batch.column(0)
    typecode = _TYPECODES.get(column.type)
    if typecode is None or column.null_count:
        items = column.to_pylist()
    else:
        items = file.view(column.buffers()[1])[: 8 * len(column)].cast(typecode).tolist()
    return items if container == "list" else tuple(items)


def summarise(value: object) -> Mapping[str, Any]:
    """The first items and the length."""
    return build_tree(value)
