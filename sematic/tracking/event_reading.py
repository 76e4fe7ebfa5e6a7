"""Recorded events, read back: the inverse of :mod:`sematic.tracking.event_json`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    Expanded,
    Expression,
    Failed,
    Input,
    Operate,
    Outcome,
    OutputOf,
    Select,
    Step,
    Succeeded,
)
from sematic.errors import RecordError, UnknownSchemaError
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    DriverChanged,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    LookedUp,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineAborted,
    PipelineStarted,
    Seed,
    TimePassed,
)
from sematic.function import Function
from sematic.options import CallOptions, options_from_json
from sematic.recorded_functions import RecordedFunction, recorded_class
from sematic.states import RunState
from sematic.tracking.event_json import SCHEMA, error_from_json

FunctionOf = Callable[[str], Function[..., Any]]
"""The function at an importable path; raises ImportError where there is none any more."""

Data = Mapping[str, Any]


class EventReader:
    """Turns the JSON text of recorded events back into events.

    What was never recorded is ``None``: exceptions themselves, and their pickled form.

    Args:
        artifacts: every artifact that the events name, by id.
        function_of: finds the functions; asked once for each. A :class:`RecordedFunction` that it
            gives becomes one for each source code and output type that its calls had.
        current_options: whether calls have the options that their functions have now, but for
            those that ``future.set`` gave them; else all that were recorded, where exceptions to
            retry for are only names.
    """

    def __init__(
        self,
        artifacts: Mapping[str, ArtifactRef],
        function_of: FunctionOf,
        *,
        current_options: bool = False,
    ) -> None:
        self._current_options = current_options
        self._root_id = ""
        self._artifacts = artifacts
        self._function_of = function_of
        self._functions: dict[str, Function[..., Any]] = {}
        self._recorded: dict[tuple[str | None, ...], RecordedFunction] = {}
        self._options: dict[tuple[str, str], CallOptions] = {}

    def read_event(self, kind: str, at: float, payload: str, root_id: str) -> Event:
        """An event of a pipeline run, from the columns of its row.

        Raises:
            UnknownSchemaError: it was recorded by a newer version.
            RecordError: an artifact that it names is not in the record.
            ImportError: a function is not where it was.
        """
        read = _EVENTS.get(kind)
        if read is None:
            raise UnknownSchemaError(
                f"This pipeline run was recorded by a newer version of sematic: {kind} is not "
                "known here. Upgrade: pip install -U sematic"
            )
        self._root_id = root_id
        return read(self, at, json.loads(payload))

    def _started(self, at: float, data: Data) -> PipelineStarted:
        if data["schema"] > SCHEMA:
            raise UnknownSchemaError(
                f"This pipeline run was recorded by a newer version of sematic (event schema "
                f"{data['schema']}, this version knows {SCHEMA}). Upgrade: pip install -U sematic"
            )
        return PipelineStarted(
            at,
            self._call(data["call"]),
            max_parallelism=data["max_parallelism"],
            on_failure=data["on_failure"],
            cache_namespace=data["cache_namespace"],
            seeds=tuple(map(self._seed, data.get("seeds", ()))),
            apart=data.get("apart", True),
        )

    def _seed(self, data: Data) -> Seed:
        inputs = data.get("inputs")  # older records do not have them; only displays miss them
        return Seed(
            call=self._call(data["call"]),
            state=RunState(data["state"]),
            inputs=None if inputs is None else self._artifacts_by_name(inputs),
            output=self._known_artifact(data["output"]),
            expansion=None if data["expansion"] is None else self._input(data["expansion"]),
            original_run_id=data["original_run_id"],
            again=data.get("again", False),
        )

    def _inputs_evaluated(self, at: float, data: Data) -> InputsEvaluated:
        return InputsEvaluated(at, data["run_id"], self._artifacts_by_name(data["inputs"]))

    def _output_evaluated(self, at: float, data: Data) -> OutputEvaluated:
        return OutputEvaluated(at, data["run_id"], self._artifact(data["output"]))

    def _outputs_looked_up(self, at: float, data: Data) -> OutputsLookedUp:
        return OutputsLookedUp(at, tuple(map(self._looked_up, data["answers"])))

    def _looked_up(self, data: Data) -> LookedUp:
        output = self._known_artifact(data["output"])
        return LookedUp(data["run_id"], output, data["original_run_id"])

    def _ended(self, at: float, data: Data) -> CallEnded:
        outcome = self._outcome(data)
        times = (data["started_at"], data["ended_at"])
        return CallEnded(at, data["run_id"], data["attempt"], outcome, *times)

    def _outcome(self, data: Data) -> Outcome:
        if "output" in data:
            return Succeeded(self._artifact(data["output"]))
        if "error" in data:
            return Failed(error_from_json(data["error"]))
        return Expanded(tuple(map(self._call, data["calls"])), self._input(data["output_of"]))

    def _call(self, data: Data) -> Call:
        function = self._function(data)
        return Call(
            data["run_id"],
            self._root_id,
            data["parent_id"],
            function,
            {name: self._input(value) for name, value in data["inputs"].items()},
            self._call_options(function, data["options"], data.get("set", ())),
            data.get("output_type"),  # older records do not have it
        )

    def _function(self, data: Data) -> Function[..., Any]:
        path = data["function"]
        function = self._functions.get(path)
        if function is None:
            function = self._functions[path] = self._function_of(path)
        if not isinstance(function, RecordedFunction):
            return function
        key = (path, data.get("source_hash"), data.get("output_type"), data.get("place"))
        recorded = self._recorded.get(key)
        if recorded is None:
            recorded = self._recorded[key] = function.of_call(*key[1:])
        return recorded

    def _call_options(
        self, function: Function[..., Any], data: Data, changed: Sequence[str]
    ) -> CallOptions:
        current = self._current_options and not isinstance(function, RecordedFunction)
        names = changed if current else None
        if names is not None and not names:
            return function.options
        key = (function.path, repr(data))  # most calls of a function have the same
        options = self._options.get(key)
        if options is None:
            class_of = None if current else recorded_class
            options = options_from_json(data, function.options, class_of=class_of, names=names)
            self._options[key] = options
        return options

    def _input(self, data: Data) -> Input:
        if "steps" in data:
            return Expression(tuple(map(self._step, data["steps"])))
        step = self._step(data)
        assert isinstance(step, (ArtifactRef, OutputOf))
        return step

    def _step(self, data: Data) -> Step:
        match data:
            case {"artifact": artifact_id}:
                return self._artifact(artifact_id)
            case {"run": run_id}:
                return OutputOf(run_id)
            case {"select": kind, "source": source, "key": key}:
                return Select(kind, source, key)
            case {"operate": operator, "operands": operands}:
                return Operate(operator, tuple(operands))
            case {"collect": template, "parts": parts}:
                return Collect(self._known_artifact(template), tuple(parts))
            case _:
                raise RecordError(f"An input is recorded in a form that is not known: {data}")

    def _artifacts_by_name(self, data: Mapping[str, str]) -> dict[str, ArtifactRef]:
        return {name: self._artifact(artifact_id) for name, artifact_id in data.items()}

    def _known_artifact(self, artifact_id: str | None) -> ArtifactRef | None:
        return None if artifact_id is None else self._artifact(artifact_id)

    def _artifact(self, artifact_id: str) -> ArtifactRef:
        try:
            return self._artifacts[artifact_id]
        except KeyError:
            raise RecordError(f"Artifact {artifact_id} is not in the record any more.") from None


_EVENTS: dict[str, Callable[[EventReader, float, Any], Event]] = {
    "PipelineStarted": EventReader._started,
    "InputsEvaluated": EventReader._inputs_evaluated,
    "OutputEvaluated": EventReader._output_evaluated,
    "OutputsLookedUp": EventReader._outputs_looked_up,
    # Of older records: one answer each.
    "OutputLookedUp": lambda reader, at, data: OutputsLookedUp(at, (reader._looked_up(data),)),
    "CallEnded": EventReader._ended,
    "EvaluationFailed": lambda _, at, data: EvaluationFailed(
        at, data["run_id"], error_from_json(data["error"])
    ),
    "CallLost": lambda _, at, data: CallLost(
        *(at, data["run_id"], data["attempt"], error_from_json(data["error"])),
        started_at=data.get("started_at"),  # older records do not have them
        ended_at=data.get("ended_at"),
    ),
    "CancelRequested": lambda _, at, data: CancelRequested(at, data["reason"]),
    "TimePassed": lambda _, at, data: TimePassed(at),
    "DriverChanged": lambda _, at, data: DriverChanged(
        at, data["alive_until"], tuple(data["changed_functions"])
    ),
    "PipelineAborted": lambda _, at, data: PipelineAborted(at, error_from_json(data["error"])),
}
