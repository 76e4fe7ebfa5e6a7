"""Any other value as a pickle of protocol 5, with its buffers beside it.

The file's first row is the pickle, the second holds short buffers, and each further row is one
long buffer, so that arrays in objects are neither copied when written nor when read.
"""

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from sematic.artifacts.arrow_file import BLOB_SCHEMA, ArrowFile, build_blob
from sematic.artifacts.codecs.codec import Encoded
from sematic.artifacts.codecs.compiled_code import PYTHON, THIS_PYTHON
from sematic.artifacts.codecs.culprits import explain
from sematic.artifacts.codecs.pickler import Pickler
from sematic.artifacts.codecs.sorted_sets import dump_sorted, has_sets, load_sorted
from sematic.artifacts.summaries import build_tree
from sematic.errors import ArtifactError, CorruptArtifactError, UnserializableValueError

_LONG = 64 * 1024
_ALIGNMENT = 64


def accepts(value: object) -> bool:
    """See :class:`sematic.artifacts.codecs.codec.Codec`, as for the other functions here."""
    return True


def encode(value: object) -> Encoded:
    """Takes whatever cloudpickle takes; classes that others cannot import go with the value."""
    buffers: list[memoryview] = []
    content, facts = _dump(value, buffers)
    short = [buffer for buffer in buffers if len(buffer) < _LONG]
    long = [buffer for buffer in buffers if len(buffer) >= _LONG]
    rows = [content, _pack(short), *long]
    lengths = [len(buffer) for buffer in buffers]
    return Encoded(
        BLOB_SCHEMA,
        [build_blob(row) for row in rows],
        {"buffers": lengths, **facts},
    )


def _dump(value: object, buffers: list[memoryview]) -> tuple[bytes, dict[str, Any]]:
    """The pickle of a value, and what is to be known of it: sets in order, code of this Python."""

    def keep(buffer: pickle.PickleBuffer) -> None:
        buffers.append(buffer.raw())

    stream = io.BytesIO()
    try:
        pickler = Pickler(stream, protocol=5, buffer_callback=keep)
        pickler.dump(value)
        content = stream.getvalue()
        facts = {PYTHON: THIS_PYTHON} if pickler.has_code else {}
        if not has_sets(pickler, content):
            return content, facts
        first = buffers.copy()
        buffers.clear()
        in_order = dump_sorted(value, content, keep)
    except MemoryError:
        raise
    except Exception as error:
        raise UnserializableValueError(explain(value, error)) from error
    if in_order is None:
        buffers[:] = first
        return content, facts
    return in_order, {"sorted_sets": True, **facts}


def _pack(buffers: list[memoryview]) -> bytearray:
    packed = bytearray()
    for buffer in buffers:
        packed += buffer
        packed += bytes(-len(packed) % _ALIGNMENT)
    return packed


def _unpack(file: ArrowFile) -> Iterator[memoryview]:
    packed = file.blob(1)
    start = 0
    row = 2
    for length in file.metadata["buffers"]:
        if length >= _LONG:
            yield file.blob(row)
            row += 1
        else:
            yield packed[start : start + length]
            start += length + -length % _ALIGNMENT


def decode(file: ArrowFile) -> object:
    """The unpickled value; its buffers are writable views of the file."""
    try:
        if file.metadata.get("sorted_sets"):
            return load_sorted(file.blob(0), _unpack(file))
        return pickle.loads(file.blob(0), buffers=_unpack(file))
    except ArtifactError:
        raise
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError) as error:
        raise CorruptArtifactError(f"its pickle is damaged: {error!r}") from error
    except (ImportError, AttributeError) as error:
        raise ArtifactError(
            f"This value needs code that this process does not find: {error}. Install what is "
            "missing in the version that wrote the value, or compute the value again."
        ) from error
    except Exception as error:
        raise ArtifactError(
            f"This value could not be put together again: {type(error).__name__}: {error}. Look "
            "at what its class does when it is unpickled."
        ) from error


def summarise(value: object) -> Mapping[str, Any]:
    """A tree of what is in the value."""
    return build_tree(value)
