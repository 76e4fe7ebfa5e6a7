"""What a codec is: one way to turn values into Arrow data and back.

A codec is a module of this folder with the four functions of :class:`Codec` and a line in the
tables of ``registry.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from sematic.artifacts.arrow_file import ArrowFile


@dataclass(frozen=True)
class Encoded:
    """A value as Arrow data, ready to be written as one Arrow IPC file.

    Attributes:
        schema: the schema of the file.
        batches: its record batches. Their buffers are views of the value wherever possible.
        metadata: plain data that the decoder needs; kept in the schema's metadata.
    """

    schema: pa.Schema
    batches: list[pa.RecordBatch]
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Codec(Protocol):
    """The functions of a codec's module."""

    def accepts(self, value: object) -> bool:
        """Whether the value is of a type that this codec is made for. Cheap, and never raises."""

    def encode(self, value: Any) -> Encoded:
        """The value as Arrow data; it is neither changed nor kept.

        Raises:
            NotEncodable: the value is special, and a more general codec should take it.
            UnserializableValueError: no codec can.
        """

    def decode(self, file: ArrowFile) -> object:
        """A fresh value. It may be made of views into the file's memory, which is its own.

        Raises:
            CorruptArtifactError: the data is not what ``encode`` makes.
            ArtifactError: the data is fine, but something that the value needs is missing here.
        """

    def summarise(self, value: Any) -> Mapping[str, Any]:
        """Plain data for people. Costs a few milliseconds at most, whatever the value's size."""
