"""The calls of recorded pipeline runs, read back from their events."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    Expression,
    Input,
    Operate,
    OutputOf,
    Select,
    Step,
)
from sematic.errors import RecordError, UnknownSchemaError
from sematic.function import Function
from sematic.options import options_from_json
from sematic.tracking.event_json import SCHEMA

FunctionOf = Callable[[str], Function[..., Any]]
"""The function at an importable path; raises ImportError where there is none any more."""


class EventReader:
    """Turns the JSON text of events back into calls.

    Args:
        artifacts: every artifact that the events name, by id.
        function_of: finds the functions.
    """

    def __init__(self, artifacts: Mapping[str, ArtifactRef], function_of: FunctionOf) -> None:
        self._artifacts = artifacts
        self._function_of = function_of

    def read_calls(self, kind: str, payload: str, *, root_id: str) -> Iterator[Call]:
        """The calls that an event brought, in order; none for most events.

        Raises:
            UnknownSchemaError: the events were written by a newer version.
            RecordError: an artifact that they name is not in the record.
            ImportError: a function is not where it was.
        """
        data = json.loads(payload)
        if kind == "PipelineStarted":
            self._check_schema(data)
            seeds = [seed["call"] for seed in data.get("seeds", ())]
            yield from (self._call(call, root_id) for call in seeds or [data["call"]])
        elif kind == "CallEnded":
            yield from (self._call(call, root_id) for call in data.get("calls", ()))

    def read_expansions(self, kind: str, payload: str) -> Iterator[tuple[str, Input]]:
        """The runs that returned futures in an event, and what their outputs are made of."""
        data = json.loads(payload)
        if kind == "PipelineStarted":
            for seed in data.get("seeds", ()):
                if seed["expansion"] is not None:
                    yield seed["call"]["run_id"], self._input(seed["expansion"])
        elif kind == "CallEnded" and "output_of" in data:
            yield data["run_id"], self._input(data["output_of"])

    def _check_schema(self, data: Mapping[str, Any]) -> None:
        if data["schema"] > SCHEMA:
            raise UnknownSchemaError(
                f"This pipeline run was recorded by a newer version of sematic (event schema "
                f"{data['schema']}, this version knows {SCHEMA}). Upgrade: pip install -U sematic"
            )

    def _call(self, data: Mapping[str, Any], root_id: str) -> Call:
        function = self._function_of(data["function"])
        return Call(
            run_id=data["run_id"],
            root_id=root_id,
            parent_id=data["parent_id"],
            function=function,
            inputs={name: self._input(value) for name, value in data["inputs"].items()},
            options=options_from_json(data["options"], function.options),
        )

    def _input(self, data: Mapping[str, Any]) -> Input:
        if "steps" in data:
            return Expression(tuple(self._step(step) for step in data["steps"]))
        step = self._step(data)
        assert isinstance(step, (ArtifactRef, OutputOf))
        return step

    def _step(self, data: Mapping[str, Any]) -> Step:
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
                kept = None if template is None else self._artifact(template)
                return Collect(kept, tuple(parts))
            case _:
                raise RecordError(f"An input is recorded in a form that is not known: {data}")

    def _artifact(self, artifact_id: str) -> ArtifactRef:
        try:
            return self._artifacts[artifact_id]
        except KeyError:
            raise RecordError(f"Artifact {artifact_id} is not in the record any more.") from None
