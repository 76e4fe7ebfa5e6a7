"""pandas frames, series and indexes as Arrow tables.

Each column of a frame is a column of the table, under its name, with the index behind them: other
Arrow readers see the table that one expects. What pandas has beyond Arrow is in the metadata.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile, build_segments
from sematic.artifacts.codecs import plain_reader
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.pandas_columns import (
    Values,
    decode_values,
    encode_values,
    values_of,
)
from sematic.artifacts.codecs.pandas_indexes import (
    INDEX_TYPES,
    decode_index,
    encode_index,
    encode_name,
)
from sematic.artifacts.frame_summaries import summarise_frame
from sematic.errors import CorruptArtifactError

try:  # since pandas 3
    from pandas.api.internals import (  # type: ignore[import-not-found]
        create_dataframe_from_blocks,
    )
except ImportError:
    create_dataframe_from_blocks = None

_LABELS_CODEC = "labels"


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return type(value) in (pd.DataFrame, pd.Series, *INDEX_TYPES)


def encode(value: "pd.DataFrame | pd.Series[Any] | pd.Index[Any]") -> Encoded:
    """Columns that fill their memory are not copied."""
    if isinstance(value, pd.Index):
        columns, description = encode_index(value)
        return _build(columns, [f"level_{i}" for i in range(len(columns))], {"index": description})
    extras = {"attrs": encode_name(value.attrs)} if value.attrs else {}
    if not value.flags.allows_duplicate_labels:
        extras["unique_labels"] = "true"
    if isinstance(value, pd.Series):
        parts = [values_of(value)]
        extras["name"] = encode_name(value.name)
        names = [str(value.name)]
    else:
        parts = [values_of(value.iloc[:, i]) for i in range(value.shape[1])]
        extras["labels"] = _encode_labels(value.columns)
        names = [str(label) for label in value.columns]
    pairs = [encode_values(part) for part in parts]
    index_columns, index = encode_index(value.index)
    names += [f"__index_level_{i}__" for i in range(len(index_columns))]
    description = {"columns": [pair[1] for pair in pairs], "index": index, **extras}
    return _build([*(pair[0] for pair in pairs), *index_columns], names, description)


def _build(columns: list[pa.Array], names: list[str], description: Mapping[str, Any]) -> Encoded:
    schema = pa.schema(
        [pa.field(name, column.type) for name, column in zip(names, columns, strict=True)]
    )
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    return Encoded(schema, [batch], description)


def _encode_labels(labels: "pd.Index[Any]") -> str:
    """The index of the columns: an Arrow file of its own, since it has another length."""
    columns, description = encode_index(labels)
    encoded = _build(columns, [f"level_{i}" for i in range(len(columns))], {"index": description})
    segments = build_segments(
        encoded.schema, encoded.batches, codec=_LABELS_CODEC, metadata=encoded.metadata
    )
    return base64.b64encode(b"".join(segments)).decode()


def _decode_labels(text: str) -> "pd.Index[Any]":
    memory = memoryview(bytearray(base64.b64decode(text, validate=True)))
    return _decode_sole_index(ArrowFile(memory, codec=_LABELS_CODEC))


def _decode_sole_index(file: ArrowFile) -> "pd.Index[Any]":
    return decode_index(file.batch(0).columns, file.metadata["index"], file)


def decode(file: ArrowFile) -> object:
    """The frame, series or index; its columns are writable views of the file where possible."""
    description = file.metadata
    try:
        if "columns" not in description:
            return _decode_sole_index(file)
        arrays = file.batch(0).columns
        count = len(description["columns"])
        index = decode_index(arrays[count:], description["index"], file)
        columns = [
            decode_values(array, how, file)
            for array, how in zip(arrays[:count], description["columns"], strict=True)
        ]
        made = _build_value(columns, index, description)
        made.attrs = plain_reader.decode(description.get("attrs", "{}"))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptArtifactError(f"the description of a frame is damaged: {error!r}") from error
    return made.set_flags(allows_duplicate_labels=False) if "unique_labels" in description else made


def _build_value(columns: list[Values], index: "pd.Index[Any]", description: Any) -> Any:
    if "name" in description:
        dtype = object if columns[0].dtype == object else None
        name = plain_reader.decode(description["name"])
        return pd.Series(columns[0], index=index, name=name, dtype=dtype, copy=False)
    labels = _decode_labels(description["labels"])
    if create_dataframe_from_blocks is not None:
        return create_dataframe_from_blocks(_build_blocks(columns), index=index, columns=labels)
    frame = pd.DataFrame(dict(enumerate(columns)), index=index, copy=False)
    frame.columns = labels
    return frame


def _build_blocks(columns: Sequence[Values]) -> list[tuple[Values, Any]]:
    """pandas keeps columns of one dtype together, so neighbours in the file become one block."""
    blocks: list[tuple[Values, Any]] = []
    start = 0
    while start < len(columns):
        end = start + 1
        while end < len(columns) and _continues(columns[start:end], columns[end]):
            end += 1
        blocks.append((_join(columns[start:end]), np.arange(start, end)))
        start = end
    return blocks


def _continues(block: Sequence[Values], column: Values) -> bool:
    """Whether a column lies in memory as far behind a block's last one as the others do."""
    first = block[0]
    if not (isinstance(first, np.ndarray) and isinstance(column, np.ndarray)):
        return False
    if first.dtype != column.dtype or first.dtype == object or len(first) == 0:
        return False
    step = _address(column) - _address(block[-1])
    return step == _address(block[1]) - _address(first) if len(block) > 1 else step > 0


def _address(values: "np.ndarray[Any, Any]") -> int:
    return int(values.__array_interface__["data"][0])


def _join(columns: Sequence[Values]) -> Values:
    """One block for columns at equal distances in memory: a view of them all."""
    first = columns[0]
    if not isinstance(first, np.ndarray):
        return first
    step = _address(columns[1]) - _address(first) if len(columns) > 1 else first.nbytes
    return np.lib.stride_tricks.as_strided(
        first, shape=(len(columns), len(first)), strides=(step, first.itemsize)
    )


def summarise(value: "pd.DataFrame | pd.Series[Any] | pd.Index[Any]") -> Mapping[str, Any]:
    """A preview with dtypes, null counts and statistics."""
    return summarise_frame(value)
