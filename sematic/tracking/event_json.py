"""Events as JSON text, for the record. Artifacts are named; their rows are elsewhere."""

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, TypeAlias

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    ErrorRecord,
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
from sematic.options import differing_options, options_to_json

SCHEMA = 1
"""Version of this format; part of every pipeline run's first event."""

_Kind: TypeAlias = tuple[int, int, str | None, str | None]
"""Which calls have all but their ids and inputs in common: function, options, type and parent."""

# Nothing in an event contains itself: to look for that takes a fifth of the time.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def event_to_json(event: Event) -> str:
    """An event without its time, which has a column of its own. ASCII."""
    # Nearly all are of these two kinds, and to build a dict for the encoder takes longer.
    if type(event) is CallEnded and type(event.outcome) is Succeeded:
        return _succeeded(event, event.outcome)
    if type(event) is CallEnded and type(event.outcome) is Expanded:  # of many calls
        return _expanded(event, event.outcome)
    if type(event) is OutputsLookedUp:
        return f'{{"answers":[{",".join(map(_looked_up, event.answers))}]}}'
    return _encode(_EVENTS[type(event)](event))


def error_to_json(error: ErrorRecord) -> dict[str, Any]:
    """An error without the pickled exception, which is never kept."""
    return {
        "type": error.type,
        "message": error.message,
        "ancestors": error.ancestors,
        "traceback": error.traceback,
    }


def error_from_json(data: Mapping[str, Any]) -> ErrorRecord:
    """An error again."""
    return ErrorRecord(
        type=data["type"],
        message=data["message"],
        ancestors=tuple(data["ancestors"]),
        traceback=data["traceback"],
    )


def _started(event: PipelineStarted) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "call": _call(event.call),
        "max_parallelism": event.max_parallelism,
        "on_failure": event.on_failure,
        "cache_namespace": event.cache_namespace,
        "apart": event.apart,
        "seeds": [_seed(seed) for seed in event.seeds],
    }


def _seed(seed: Seed) -> dict[str, Any]:
    return {
        **({"again": True} if seed.again else {}),
        "call": _call(seed.call),
        "state": seed.state.value,
        "inputs": None if seed.inputs is None else _named(seed.inputs),
        "output": seed.output.id if seed.output else None,
        "expansion": _input(seed.expansion) if seed.expansion else None,
        "original_run_id": seed.original_run_id,
    }


def _named(artifacts: Mapping[str, ArtifactRef]) -> dict[str, str]:
    return {name: ref.id for name, ref in artifacts.items()}


def _ended(event: CallEnded) -> dict[str, Any]:
    return {
        "run_id": event.run_id,
        "attempt": event.attempt,
        "started_at": event.started_at,
        "ended_at": event.ended_at,
        **_outcome(event.outcome),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Succeeded(output):
            return {"output": output.id}
        case Expanded(_, value):
            return {"output_of": _input(value)}
        case Failed(error):
            return {"error": error_to_json(error)}


def _expanded(event: CallEnded, outcome: Expanded) -> str:
    """Put together from texts: what many calls have in common is encoded once."""
    known: dict[_Kind, str] = {}
    calls = ",".join([_call_text(call, known) for call in outcome.calls])
    return f'{_encode(_ended(event))[:-1]},"calls":[{calls}]}}'


def _call_text(call: Call, known: dict[_Kind, str]) -> str:
    kind = (id(call.function), id(call.options), call.recorded_type, call.parent_id)
    common = known.get(kind)
    if common is None:
        common = known[kind] = _encode(_common(call))[:-1]
    inputs = ",".join([f"{_quote(name)}:{_input_text(v)}" for name, v in call.inputs.items()])
    return f'{common},"run_id":{_quote(call.run_id)},"inputs":{{{inputs}}}}}'


def _input_text(value: Input) -> str:
    if type(value) is ArtifactRef:
        return f'{{"artifact":{_quote(value.id)}}}'
    return _encode(_input(value))


def _succeeded(event: CallEnded, outcome: Succeeded) -> str:
    times = f'"started_at":{_number(event.started_at)},"ended_at":{_number(event.ended_at)}'
    run_id, output = _quote(event.run_id), _quote(outcome.output.id)
    return f'{{"run_id":{run_id},"attempt":{event.attempt},{times},"output":{output}}}'


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def _looked_up(answer: LookedUp) -> str:
    run_id, original_id = _quote(answer.run_id), answer.original_run_id
    output = _quote(answer.output.id) if answer.output else "null"
    original = "null" if original_id is None else _quote(original_id)
    return f'{{"run_id":{run_id},"output":{output},"original_run_id":{original}}}'


def _call(call: Call) -> dict[str, Any]:
    return {
        **_common(call),
        "run_id": call.run_id,
        "inputs": {name: _input(value) for name, value in call.inputs.items()},
    }


def _common(call: Call) -> dict[str, Any]:
    """What is the same for all calls that one call makes of a function with the same options."""
    changed = differing_options(call.options, call.function.options)
    return {
        **({"set": changed} if changed else {}),
        "parent_id": call.parent_id,
        "function": call.function.path,
        "source_hash": call.function.source_hash,
        **({"place": call.function.place or ""} if call.options.cache else {}),
        "output_type": call.output_descriptor,
        "options": options_to_json(call.options),
    }


def _input(value: Input) -> Any:
    if isinstance(value, Expression):
        return {"steps": [_step(step) for step in value.steps]}
    return _step(value)


def _step(step: Step) -> dict[str, Any]:
    match step:
        case ArtifactRef():
            return {"artifact": step.id}
        case OutputOf(run_id):
            return {"run": run_id}
        case Select(kind, source, key):
            return {"select": kind, "source": source, "key": key}
        case Operate(operator, operands):
            return {"operate": operator, "operands": operands}
        case Collect(template, parts):
            return {"collect": template.id if template else None, "parts": parts}


_EVENTS: dict[type, Callable[[Any], dict[str, Any]]] = {
    PipelineStarted: _started,
    CallEnded: _ended,
    InputsEvaluated: lambda event: {"run_id": event.run_id, "inputs": _named(event.inputs)},
    OutputEvaluated: lambda event: {"run_id": event.run_id, "output": event.output.id},
    EvaluationFailed: lambda event: {
        "run_id": event.run_id,
        "error": error_to_json(event.error),
    },
    CallLost: lambda event: {
        "run_id": event.run_id,
        "attempt": event.attempt,
        "error": error_to_json(event.error),
        "started_at": event.started_at,
        "ended_at": event.ended_at,
    },
    CancelRequested: lambda event: {"reason": event.reason},
    TimePassed: lambda event: {},
    DriverChanged: lambda event: {
        "alive_until": event.alive_until,
        "changed_functions": event.changed_functions,
    },
    PipelineAborted: lambda event: {"error": error_to_json(event.error)},
}
