"""Arrow IPC files without copies: values become segments to write, files become views to read."""

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from sematic.errors import ArtifactError, CorruptArtifactError

_METADATA_KEY = b"sematic"
_FORMAT = 1
# What is shorter is gathered, so that a file of many small parts takes few system calls.
_GATHER_BELOW = 64 * 1024

_FLAT = (
    *(pa.types.is_primitive, pa.types.is_decimal, pa.types.is_fixed_size_binary),
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary),
)

BLOB_SCHEMA = pa.schema([pa.field("data", pa.large_binary(), nullable=False)])
"""The schema of files of bytes: one column, and one row in each record batch."""


def build_blob(data: Any) -> pa.RecordBatch:
    """A record batch for :data:`BLOB_SCHEMA` that is a view of ``data`` (bytes or a buffer)."""
    content = pa.py_buffer(data)
    offsets = pa.py_buffer(array("q", [0, content.size]))
    column = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, content])
    return pa.RecordBatch.from_arrays([column], schema=BLOB_SCHEMA)


def canonical_batches(table: pa.Table) -> list[pa.RecordBatch]:
    """The record batches of a table, such that those of equal columns have the same bytes.

    What is behind the last bit of a bitmap may be anything; here it is zeros. Only bitmaps that
    need it are copied, and only columns of scalars are looked at.
    """
    return [
        pa.RecordBatch.from_arrays(list(map(_cut_bitmaps, batch.columns)), schema=table.schema)
        for batch in table.to_batches()
    ]


def _cut_bitmaps(column: pa.Array) -> pa.Array:
    used = len(column) % 8
    if column.offset or not used or not any(is_such(column.type) for is_such in _FLAT):
        return column  # of slices, Arrow writes a bitmap of their own
    buffers = column.buffers()
    bitmaps = (0, 1) if pa.types.is_boolean(column.type) else (0,)
    for index in bitmaps:
        if buffers[index] is not None:
            buffers[index] = _cut_bitmap(buffers[index], len(column) // 8, (1 << used) - 1)
    return pa.Array.from_buffers(column.type, len(column), buffers, column.null_count)


def _cut_bitmap(bitmap: pa.Buffer, last: int, mask: int) -> pa.Buffer:
    if memoryview(bitmap)[last] & ~mask == 0:
        return bitmap
    copied = bytearray(memoryview(bitmap)[: last + 1])
    copied[last] &= mask
    return pa.py_buffer(copied)


def build_segments(
    schema: pa.Schema,
    batches: Sequence[pa.RecordBatch],
    *,
    codec: str,
    metadata: Mapping[str, Any],
) -> list[memoryview]:
    """The bytes of an Arrow IPC file in order; long segments are views of the batches' buffers."""
    header = {"format": _FORMAT, "codec": codec, **metadata}
    text = json.dumps(header, separators=(",", ":"))
    schema = schema.with_metadata({**(schema.metadata or {}), _METADATA_KEY: text.encode()})
    sink = _Segments()
    with (
        pa.PythonFile(sink, mode="w") as output,
        pa.ipc.new_file(output, schema) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
    return sink.finish()


class _Segments:
    """A file to Arrow, which hands it its buffers themselves and not copies of them."""

    closed = False

    def __init__(self) -> None:
        self._position = 0
        self._segments: list[memoryview] = []
        self._gathered = bytearray()

    def write(self, data: "bytes | pa.Buffer") -> int:
        view = memoryview(data)
        self._position += view.nbytes
        if view.nbytes < _GATHER_BELOW:
            self._gathered += view
        else:
            self._flush_gathered()
            self._segments.append(view.cast("B"))
        return view.nbytes

    def _flush_gathered(self) -> None:
        if self._gathered:
            self._segments.append(memoryview(self._gathered))
            self._gathered = bytearray()

    def finish(self) -> list[memoryview]:
        self._flush_gathered()
        return self._segments

    def tell(self) -> int:
        return self._position

    def flush(self) -> None: ...

    def close(self) -> None: ...


class ArrowFile:
    """An Arrow IPC file in memory that belongs to the reader alone.

    Attributes:
        metadata: what the codec wrote about the value.
        schema: the schema of the record batches.
    """

    def __init__(self, memory: memoryview, *, codec: str) -> None:
        """Look at the structure of a file; no data is read.

        Args:
            memory: the whole file; writable, and private to whoever reads.
            codec: name of the codec that is to read it.

        Raises:
            CorruptArtifactError: this is not such a file.
            ArtifactError: a newer version of this package wrote it.
        """
        self._memory = memory
        buffer = pa.py_buffer(memory)
        self._address: int = buffer.address
        try:
            self._reader = pa.ipc.open_file(buffer)
            self.schema: pa.Schema = self._reader.schema
            header = json.loads(self.schema.metadata[_METADATA_KEY])
            written_by = header.pop("format"), header.pop("codec")
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptArtifactError(f"it is not an Arrow file of ours: {error}") from error
        if written_by[0] > _FORMAT:
            raise ArtifactError("It was written by a newer version of sematic: upgrade this one.")
        if written_by[1] != codec:
            raise CorruptArtifactError(f"it was written by codec {written_by[1]!r}, not {codec!r}")
        self.metadata: dict[str, Any] = header

    @property
    def batch_count(self) -> int:
        """How many record batches there are."""
        return int(self._reader.num_record_batches)

    def batch(self, index: int, *, thoroughly: bool = False) -> pa.RecordBatch:
        """A record batch; its buffers are views of the file.

        Args:
            index: from 0.
            thoroughly: whether to look at the data too, for who makes other objects of it all.

        Raises:
            CorruptArtifactError: there is no such batch, or it does not fit the schema.
        """
        try:
            batch = self._reader.get_batch(index)
            batch.validate(full=thoroughly)
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise CorruptArtifactError(f"record batch {index} is damaged: {error}") from error
        return batch

    def view(self, buffer: pa.Buffer) -> memoryview:
        """The bytes of a buffer of a batch: writable, and no copy.

        Raises:
            CorruptArtifactError: the buffer is not inside of the file.
        """
        if buffer.size == 0:
            return self._memory[:0]
        start = buffer.address - self._address
        if start < 0 or start + buffer.size > len(self._memory):
            raise CorruptArtifactError("a buffer lies outside of the file")
        return self._memory[start : start + buffer.size]

    def blob(self, index: int) -> memoryview:
        """The bytes of batch ``index`` of a file of :data:`BLOB_SCHEMA`: writable, no copy.

        Raises:
            CorruptArtifactError: there is no such batch, or it is damaged.
        """
        batch = self.batch(index)
        if not self.schema.equals(BLOB_SCHEMA) or batch.num_rows != 1:
            raise CorruptArtifactError(f"record batch {index} is not a row of bytes")
        _, offsets, content = batch.column(0).buffers()
        start, end = self.view(offsets).cast("q")[:2]
        return self.view(content)[start:end]
