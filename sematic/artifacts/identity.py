"""The id of an artifact: a hash of codec, type descriptor and payload."""

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from blake3 import blake3

PIECE_BYTES = 4 * 1024 * 1024
"""Long payloads are hashed and written in pieces of this size."""

# Below, starting a thread costs more than hashing.
_THREAD_FROM = 1024 * 1024
_DIGEST_BYTES = 20
# Part of every id: whoever changes how values become bytes can move to new ids on purpose.
_SCHEME = b"sematic-artifact-1"


@lru_cache(maxsize=4096)
def _prefix(codec: str, descriptor: str) -> blake3:
    """A hasher that has seen codec and type; with their lengths, so that nothing is ambiguous."""
    hasher = blake3(_SCHEME)
    for part in (codec.encode(), descriptor.encode("utf-8", "surrogatepass")):
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher


def build_id(codec: str, descriptor: str, payload: Any) -> str:
    """The id of a payload (bytes or a buffer): 40 hex digits."""
    hasher = _prefix(codec, descriptor).copy()
    hasher.update(payload)
    return hasher.hexdigest(length=_DIGEST_BYTES)


def iter_pieces(segments: Sequence[Any]) -> Iterator[memoryview]:
    """The bytes of all segments in order, as views of at most :data:`PIECE_BYTES`."""
    for segment in segments:
        view = memoryview(segment)
        for start in range(0, len(view), PIECE_BYTES):
            yield view[start : start + PIECE_BYTES]


class Hashing:
    """Computes the id of a payload: beside what the caller does, if the payload is long."""

    def __init__(self, codec: str, descriptor: str, segments: Sequence[Any]) -> None:
        self._hasher = _prefix(codec, descriptor).copy()
        self._segments = segments
        self._cancelled = False
        self._id: str | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        if sum(len(segment) for segment in segments) < _THREAD_FROM:
            self._run()
        else:
            self._thread = threading.Thread(target=self._run, name="sematic-hash", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            for piece in iter_pieces(self._segments):
                if self._cancelled:
                    return
                self._hasher.update(piece)
            self._id = self._hasher.hexdigest(length=_DIGEST_BYTES)
        except BaseException as error:  # noqa: BLE001  raised again where the id is asked for
            self._error = error

    @property
    def id_if_known(self) -> str | None:
        """The id, or None while it is being computed."""
        return self._id

    def wait(self) -> str:
        """The id."""
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        if self._id is None:
            raise RuntimeError("Hashing was cancelled.")
        return self._id

    def cancel(self) -> None:
        """Stop: nobody will ask for the id. The payload is not touched after this returns."""
        self._cancelled = True
        if self._thread is not None:
            self._thread.join()
