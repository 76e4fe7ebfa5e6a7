"""polars frames and series as Arrow tables."""

from collections.abc import Mapping
from typing import Any, cast

import polars as pl
import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile, canonical_batches
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.table_summaries import ROWS, describe_sample, sample_step, shown_columns
from sematic.errors import CorruptArtifactError

# The types of columns that every version of Arrow has: files are read by others too.
_COMPATIBLE = pl.CompatLevel.oldest()
_FOREIGN = (pl.Object, pl.Int128)


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return type(value) in (pl.DataFrame, pl.Series)


def encode(value: "pl.DataFrame | pl.Series") -> Encoded:
    """Columns of numbers are not copied if they are in one piece; texts are.

    Takes what comes back as it was, which frames with columns of Python objects do not.
    """
    frame = value.to_frame() if isinstance(value, pl.Series) else value
    try:
        table = frame.rechunk().to_arrow(compat_level=_COMPATIBLE)
        comes_back = _read(table.slice(0, 0)).schema == frame.schema
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise NotEncodable from error  # Arrow does not have the type: Int128
    if not comes_back:
        raise NotEncodable
    kind = "series" if isinstance(value, pl.Series) else "frame"
    return Encoded(table.schema, canonical_batches(table), {"container": kind})


def _read(table: pa.Table) -> "pl.DataFrame":
    frame: Any = pl.from_arrow(table)
    frame.columns = table.schema.names  # an empty one gets another name
    return cast(pl.DataFrame, frame)


def decode(file: ArrowFile) -> object:
    """The frame or series; numbers are views of the file until they are written to."""
    batches = [file.batch(i) for i in range(file.batch_count)]
    frame = _read(pa.Table.from_batches(batches, schema=file.schema))
    match file.metadata.get("container"):
        case "frame":
            return frame
        case "series" if frame.width == 1:
            return frame.to_series()
        case other:
            raise CorruptArtifactError(f"a container of kind {other!r} is unknown")


def summarise(value: "pl.DataFrame | pl.Series") -> Mapping[str, Any]:
    """A preview with dtypes, null counts and statistics."""
    frame = value.to_frame() if isinstance(value, pl.Series) else value
    shown = frame[:, : shown_columns(frame.width)]
    return describe_sample(
        _as_table(shown.head(ROWS)),
        _as_table(shown.gather_every(sample_step(*frame.shape))),
        shape=frame.shape,
        type_name=f"polars.{type(value).__name__}",
        dtypes=[str(dtype) for dtype in shown.dtypes],
    )


def _as_table(frame: "pl.DataFrame") -> pa.Table:
    """A short frame for Arrow, with texts in place of what Arrow does not have."""
    texts = [
        pl.Series(column.name, [None if item is None else str(item) for item in column])
        for column in frame
        if column.dtype in _FOREIGN
    ]
    return frame.with_columns(texts).to_arrow(compat_level=_COMPATIBLE)
