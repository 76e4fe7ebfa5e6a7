"""Calls, artifacts, errors and events for tests, in a few words each."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    ErrorRecord,
    Expanded,
    Expression,
    Failed,
    Input,
    Outcome,
    OutputOf,
    Step,
    Succeeded,
)
from sematic.events import CallEnded, CallLost
from sematic.function import Function, func
from sematic.nesting import map_nested
from sematic.options import CallOptions
from sematic.ports import PipelineRunInfo
from sematic.retry import RetrySettings

ROOT = "root"


@func
def integer() -> int:
    return 1


@func
def real() -> float:
    return 1.0


def artifact(
    name: object = "value", *, type_: str = "int", payload: str | None = "1"
) -> ArtifactRef:
    digest = hashlib.sha1(f"{name}:{type_}".encode()).hexdigest()
    return ArtifactRef(id=digest, codec="plain", type=type_, size=1, payload=payload)


def call(
    run_id: str,
    *,
    parent: str | None = ROOT,
    needs: Iterable[str] = (),
    inputs: Mapping[str, Input] | None = None,
    function: Function[..., object] = integer,
    standalone: bool = False,
    retry: RetrySettings | None = None,
    cache: bool = False,
    timeout: float | None = None,
) -> Call:
    """A call; its inputs are the outputs of ``needs`` unless they are given."""
    return Call(
        run_id=run_id,
        root_id=ROOT,
        parent_id=None if run_id == ROOT else parent,
        function=function,
        inputs={f"x{i}": OutputOf(need) for i, need in enumerate(needs)}
        if inputs is None
        else inputs,
        options=CallOptions(*(run_id, standalone, cache), retry=retry, timeout_seconds=timeout),
    )


def list_of(*run_ids: str) -> Expression:
    """A list of outputs: what ``[f, g]`` is in the graph."""
    steps: list[Step] = [OutputOf(run_id) for run_id in run_ids]
    return Expression((*steps, Collect(None, tuple(range(len(run_ids))))))


def error(
    message: str = "broken", *, type_: str = "builtins.ValueError", ancestors: tuple[str, ...] = ()
) -> ErrorRecord:
    return ErrorRecord(type_, message, ancestors=ancestors or ("builtins.Exception",))


def with_ids(value: object) -> Any:
    """``value`` with ids in place of futures, so that it can be compared."""
    return map_nested(value, lambda future: future.id)


def ended(run_id: str, outcome: Outcome, *, at: float = 0.0, attempt: int = 1) -> CallEnded:
    return CallEnded(at, run_id, attempt, outcome, started_at=at - 2, ended_at=at - 1)


def succeeded(run_id: str, *, at: float = 0.0, attempt: int = 1) -> CallEnded:
    return ended(run_id, Succeeded(artifact(run_id)), at=at, attempt=attempt)


def failed(run_id: str, *, at: float = 0.0, attempt: int = 1) -> CallEnded:
    return ended(run_id, Failed(error()), at=at, attempt=attempt)


def expanded(
    run_id: str, calls: Iterable[Call], output: Input, *, at: float = 0.0, attempt: int = 1
) -> CallEnded:
    return ended(run_id, Expanded(tuple(calls), output), at=at, attempt=attempt)


def lost(run_id: str, *, at: float = 0.0, attempt: int = 1) -> CallLost:
    record = error("killed", type_="sematic.errors.WorkerLostError")
    return CallLost(at, run_id, attempt, record)


def info(root_id: str = ROOT, *, name: str = "pipeline") -> PipelineRunInfo:
    return PipelineRunInfo(
        root_id=root_id,
        name=name,
        function_path="tests.builders.integer",
        runner="LocalRunner",
        created_at=1.0,
        client_version="1.0",
    )
