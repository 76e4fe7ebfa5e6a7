"""Roots whose arguments are recorded: those of pipeline runs that are resumed or rerun."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sematic.artifacts.comparison import same_values
from sematic.calls import ArtifactRef, Call, Input
from sematic.execution import build_root_call
from sematic.function import Function
from sematic.future import Future
from sematic.options import CallOptions
from sematic.ports import ArtifactStore


class RecordedRoot(Future):
    """A root that was put together from the record, with the artifacts of its arguments.

    They go on as they are: stored once more, the value of an artifact may have another id.
    """

    __slots__ = ("_artifacts",)

    def __init__(
        self,
        function: Function[..., Any],
        arguments: dict[str, Any],
        *,
        artifacts: Mapping[str, ArtifactRef],
        options: CallOptions,
    ) -> None:
        super().__init__(function, arguments, options=options)
        self._artifacts = artifacts


def build_call(root: Future, store: ArtifactStore) -> Call:
    """The call that a pipeline run starts with.

    Raises:
        As :func:`sematic.execution.build_root_call`.
    """
    call = build_root_call(root, store)
    if not isinstance(root, RecordedRoot):
        return call
    return replace(call, inputs={**call.inputs, **root._artifacts})


def take_recorded(call: Call, recorded: Mapping[str, Input], store: ArtifactStore) -> Call:
    """A root call with the recorded artifacts of those arguments that are the same as then.

    Equal ids tell that at once; where they differ, the values are read and compared, for pickles
    of the same value may have several.

    Raises:
        ArtifactError: one cannot be read.
    """
    same = {
        name: known
        for name, given in call.inputs.items()
        if isinstance(given, ArtifactRef)
        and isinstance(known := recorded.get(name), ArtifactRef)
        and _is_same(given, known, store)
    }
    return replace(call, inputs={**call.inputs, **same})


def _is_same(given: ArtifactRef, recorded: ArtifactRef, store: ArtifactStore) -> bool:
    if given.id == recorded.id:
        return True
    return given.type == recorded.type and same_values(store.get(given), store.get(recorded))
