"""Plain values whose text is too long for the record: the same text, as one row of bytes."""

from collections.abc import Mapping
from typing import Any

from sematic.artifacts.arrow_file import BLOB_SCHEMA, ArrowFile, build_blob
from sematic.artifacts.codecs import plain, plain_reader
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.fallback import NotEncodable
from sematic.artifacts.summaries import build_tree
from sematic.errors import CorruptArtifactError


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return True


def encode(value: object) -> Encoded:
    """Takes plain values without classes that only this process has."""
    written = plain.encode(value)
    if written.is_local:
        raise NotEncodable
    return encode_text(written.text)


def encode_text(text: str) -> Encoded:
    """The same for a text that was written already."""
    return Encoded(BLOB_SCHEMA, [build_blob(text.encode())])


def decode(file: ArrowFile) -> object:
    """The value, made anew."""
    try:
        text = str(file.blob(0), "utf-8")
    except UnicodeDecodeError as error:
        raise CorruptArtifactError(f"its text is damaged: {error}") from error
    return plain_reader.decode(text)


def summarise(value: object) -> Mapping[str, Any]:
    """A tree of what is in the value."""
    return build_tree(value)
