"""Arrow's own tables, record batches and arrays, as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile, canonical_batches
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.summaries import type_name
from sematic.artifacts.table_summaries import summarise_table
from sematic.errors import CorruptArtifactError

_OURS = b"sematic"
_KINDS: tuple[tuple[type, str], ...] = (
    (pa.Table, "table"),
    (pa.RecordBatch, "batch"),
    (pa.ChunkedArray, "chunked"),
    (pa.Array, "array"),
)


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return isinstance(value, tuple(cls for cls, _ in _KINDS))


def encode(value: Any) -> Encoded:
    """No data is copied, and chunks stay as they are: they are part of the artifact's id.

    Only where columns have dictionaries their chunks become one: a file has one for each column.
    """
    kind = next(kind for cls, kind in _KINDS if isinstance(value, cls))
    table = _as_table(value)
    if any(map(_is_foreign, _iter_types(table.schema))):
        raise NotEncodable  # another process may not know it, and would see its storage instead
    if any(map(pa.types.is_dictionary, _iter_types(table.schema))):
        table = table.combine_chunks()
    batches = canonical_batches(table)
    if kind in ("batch", "array") and not batches:
        batches = [_empty_batch(table.schema)]
    return Encoded(table.schema, batches, {"container": kind})


def _as_table(value: Any) -> pa.Table:
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    return pa.Table.from_arrays([value], names=["value"])


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _iter_types(schema: pa.Schema) -> Iterator[pa.DataType]:
    pending = [field.type for field in schema]
    while pending:
        type_ = pending.pop()
        yield type_
        pending.extend(type_.field(i).type for i in range(type_.num_fields))


def _is_foreign(type_: pa.DataType) -> bool:
    """Whether this is an extension type that somebody defined in Python."""
    return isinstance(type_, pa.ExtensionType)


def decode(file: ArrowFile) -> object:
    """The same, as views of the file."""
    schema = _without_ours(file.schema)
    batches = [
        pa.RecordBatch.from_arrays(file.batch(i).columns, schema=schema)
        for i in range(file.batch_count)
    ]
    table = pa.Table.from_batches(batches, schema=schema)
    match file.metadata.get("container"):
        case "table":
            return table
        case "batch" if batches:
            return batches[0]
        case "chunked":
            return table.column(0)
        case "array" if batches:
            return batches[0].column(0)
        case other:
            raise CorruptArtifactError(f"a container of kind {other!r} is unknown")


def _without_ours(schema: pa.Schema) -> pa.Schema:
    metadata = {key: text for key, text in schema.metadata.items() if key != _OURS}
    return schema.with_metadata(metadata) if metadata else schema.remove_metadata()


def summarise(value: Any) -> Mapping[str, Any]:
    """A preview with types, null counts and statistics."""
    return summarise_table(_as_table(value), type_name=type_name(value))
