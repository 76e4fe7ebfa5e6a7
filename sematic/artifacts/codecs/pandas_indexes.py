"""A pandas index as Arrow columns and back. A range has no column, a multi-index one per level."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile
from sematic.artifacts.codecs import plain, plain_reader
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.codecs.pandas_columns import (
    Description,
    build_index,
    decode_codes,
    decode_values,
    encode_codes,
    encode_values,
    values_of,
)
from sematic.errors import CorruptArtifactError

INDEX_TYPES: tuple[type, ...] = (
    pd.Index,
    pd.RangeIndex,
    pd.MultiIndex,
    pd.DatetimeIndex,
    pd.TimedeltaIndex,
    pd.PeriodIndex,
    pd.CategoricalIndex,
    pd.IntervalIndex,
)


def encode_name(name: object) -> str:
    """The text of a name: any plain, hashable value.

    Raises:
        NotEncodable: the name is something else.
    """
    text = plain.encode(name)
    if text.is_local:
        raise NotEncodable
    return text.text


def encode_index(index: "pd.Index[Any]") -> tuple[list[pa.Array], Description]:
    """The columns of an index, and what else there is to it.

    Raises:
        NotEncodable: the index would not come back as it is.
    """
    if isinstance(index, pd.RangeIndex):
        bounds = [index.start, index.stop, index.step]
        return [], {"kind": "range", "bounds": bounds, "name": encode_name(index.name)}
    if isinstance(index, pd.MultiIndex):
        return _encode_levels(index)
    if type(index) not in INDEX_TYPES:
        raise NotEncodable
    column, values = encode_values(values_of(index))
    description = {"kind": "values", "values": values, "name": encode_name(index.name)}
    freq = getattr(index, "freq", None)
    if freq is not None and not isinstance(index, pd.PeriodIndex):
        if pd.tseries.frequencies.to_offset(freq.freqstr) != freq:
            raise NotEncodable
        description["freq"] = freq.freqstr
    return [column], description


def _encode_levels(index: pd.MultiIndex) -> tuple[list[pa.Array], Description]:
    columns, levels = [], []
    for codes, level in zip(index.codes, index.levels, strict=True):
        column, values = encode_values(values_of(level))
        columns.append(encode_codes(codes, column))
        levels.append(values)
    names = [encode_name(name) for name in index.names]
    return columns, {"kind": "levels", "levels": levels, "names": names}


def decode_index(
    columns: Sequence[pa.Array], description: Description, file: ArrowFile
) -> "pd.Index[Any]":
    """The index of these columns.

    Raises:
        CorruptArtifactError: columns and description do not fit.
    """
    try:
        if description["kind"] == "range":
            name: Any = plain_reader.decode(description["name"])
            start, stop, step = description["bounds"]
            return pd.RangeIndex(start, stop, step, name=name)
        if description["kind"] == "levels":
            return _decode_levels(columns, description, file)
        return _decode_single(columns[0], description, file)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CorruptArtifactError(f"an index is damaged: {error!r}") from error


def _decode_single(column: pa.Array, description: Description, file: ArrowFile) -> "pd.Index[Any]":
    index = build_index(decode_values(column, description["values"], file))
    index.name = plain_reader.decode(description["name"])
    if "freq" in description:
        index.freq = description["freq"]  # type: ignore[attr-defined]
    return index


def _decode_levels(
    columns: Sequence[pa.Array], description: Description, file: ArrowFile
) -> pd.MultiIndex:
    levels: Any = [
        build_index(decode_values(column.dictionary, values, file))
        for column, values in zip(columns, description["levels"], strict=True)
    ]
    return pd.MultiIndex(
        levels=levels,
        codes=[decode_codes(column, file) for column in columns],
        names=[plain_reader.decode(name) for name in description["names"]],
        copy=False,
        verify_integrity=False,
    )
