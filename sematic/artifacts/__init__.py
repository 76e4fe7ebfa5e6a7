"""Artifacts: values become bytes, bytes find a place, references name them.

``FileSystemStore`` is all that the rest of the package needs. ``codecs/`` turns values into bytes,
``local_place`` and ``remote_place`` keep them, ``summaries`` makes what people see.
"""

from sematic.artifacts.store import FileSystemStore

__all__ = ["FileSystemStore"]
