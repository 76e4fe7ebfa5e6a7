"""Ports that live in memory: for runs that leave nothing behind, and for tests."""

import functools
import hashlib
import io
import pickle
from collections.abc import Collection
from typing import Any

from sematic.calls import ArtifactRef
from sematic.errors import MissingArtifactError, UnserializableValueError
from sematic.ports import Batch, PipelineRunInfo
from sematic.types.descriptors import describe_type
from sematic.types.unstorable import advise, refuse

_IMMUTABLE = frozenset({int, float, str, bool, bytes, complex, type(None)})


class MemoryStore:
    """An ArtifactStore in memory. Values are copied in and out, as with every store."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bool, Any]] = {}  # (whether it is pickled, value)

    def put(self, value: Any, type_: Any) -> ArtifactRef:
        """Keep a copy of a value.

        Raises:
            UnserializableValueError: it cannot be copied.
        """
        data = _dump(value)
        descriptor = describe_type(type_)
        digest = hashlib.sha1(descriptor.encode() + b"\0" + data).hexdigest()
        # Immutable values need no copy; this is what most values of a pipeline are.
        pickled = type(value) not in _IMMUTABLE
        self._values[digest] = (pickled, data if pickled else value)
        return ArtifactRef(id=digest, codec="memory", type=descriptor, size=len(data))

    def check(self, ref: ArtifactRef) -> None:
        """Look whether a value was put.

        Raises:
            MissingArtifactError: it never was.
        """
        if ref.id not in self._values:
            raise MissingArtifactError(f"Artifact {ref.id} is not in memory.")

    def get(self, ref: ArtifactRef) -> Any:
        """A copy of a value that was put.

        Raises:
            MissingArtifactError: it never was.
        """
        self.check(ref)
        pickled, kept = self._values[ref.id]
        return pickle.loads(kept) if pickled else kept


def _dump(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001
        stream = io.BytesIO()  # for what is slower, and takes classes of __main__ too

    try:
        _slow_pickler()(stream, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
        return stream.getvalue()
    except Exception as error:
        too_deep = isinstance(error.__cause__ or error, RecursionError)
        why = "it is nested too deeply" if too_deep else str(error).rstrip(".")
        raise UnserializableValueError(
            f"A value of type {type(value).__qualname__} cannot be stored: {why}. {advise(value)}"
        ) from error


@functools.cache
def _slow_pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # it has no types
        """cloudpickle's, which would make something else of open files."""

        def reducer_override(self, obj: Any) -> Any:
            refuse(obj)
            return super().reducer_override(obj)

    return Pickler


class ForgetfulTracker:
    """A Tracker that keeps nothing: for runs that are not tracked."""

    is_quick = True

    def begin(self, info: PipelineRunInfo, *, after_epoch: int = 0) -> int:
        """Whoever asks is the next one."""
        return after_epoch + 1

    def record(self, batch: Batch) -> None:
        """Forget a batch."""

    def find_outputs(self, cache_keys: Collection[str]) -> dict[str, list[tuple[str, ArtifactRef]]]:
        """Nothing is remembered."""
        return {}

    def close(self) -> None:
        """Nothing is open."""
