"""Rerunning: a recorded pipeline run becomes the seeds of a new one. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sematic.calls import ArtifactRef, Call, Expression, Input, OutputOf, Step, dependencies
from sematic.errors import InvalidOptionError
from sematic.events import Seed
from sematic.states import RunState


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run of an earlier pipeline run.

    Attributes:
        call: what was called, with the function as it is now.
        inputs: the artifacts of its arguments as far as they were known.
        output: the artifact of its output, if it has one.
        expansion: what its output is made of, if its function returned futures.
        original_run_id: the run that computed the output, if it was not this one.
    """

    call: Call
    state: RunState
    inputs: Mapping[str, ArtifactRef]
    output: ArtifactRef | None
    expansion: Input | None
    original_run_id: str | None


def plan_rerun(
    recorded: Sequence[RecordedRun], run_id: str, *, root: Call, new_id: Callable[[], str]
) -> tuple[Seed, ...]:
    """The runs that a new pipeline run starts with.

    ``run_id`` executes again, and so does what is downstream of it or of one of its ancestors;
    what was nested in those comes anew. Its ancestors keep what they had returned. Everything
    else is taken over with its output.

    Args:
        recorded: every run of the earlier pipeline run, in the order of their creation.
        run_id: the one to start from.
        root: the root call of the new pipeline run.
        new_id: makes ids of runs.

    Returns:
        The new runs in the same order; empty where everything executes again.

    Raises:
        InvalidOptionError: it cannot start from this run; the text says why.
    """
    runs = {run.call.run_id: run for run in recorded}
    old_root = recorded[0].call
    _check_root(old_root, root, from_root=run_id == old_root.run_id)
    if run_id == old_root.run_id:
        return ()
    ancestors = set(_ancestors(runs, run_id))
    again = _downstream(recorded, {run_id} | ancestors) | {run_id}
    # What did not come to an end executes again too, and what was nested in it comes anew.
    unfinished = {run.call.run_id for run in recorded if run.state is not RunState.RESOLVED}
    anew = again | (unfinished - ancestors)
    kept = [run for run in recorded if not anew.intersection(_ancestors(runs, run.call.run_id))]
    ids = {run.call.run_id: new_id() for run in kept}
    ids[old_root.run_id] = root.run_id
    seeds = []
    for run in kept:
        old_id = run.call.run_id
        if old_id in anew:
            _check_parameters(run.call, runs)
        if old_id in again:
            _check_inputs(run, runs, run_id)
            seeds.append(Seed(_renamed(run.call, ids, root.run_id), RunState.CREATED))
        elif old_id in ancestors:
            assert run.expansion is not None
            seeds.append(
                Seed(
                    _renamed(run.call, ids, root.run_id),
                    RunState.RAN,
                    inputs=run.inputs,
                    expansion=_renamed_input(run.expansion, ids),
                )
            )
        elif run.state is RunState.RESOLVED:
            seeds.append(
                Seed(
                    _renamed(run.call, ids, root.run_id),
                    RunState.RESOLVED,
                    inputs=run.inputs,
                    output=run.output,
                    original_run_id=run.original_run_id or old_id,
                )
            )
        else:  # it did not come to an end: it waits for its inputs, like anything new
            seeds.append(Seed(_renamed(run.call, ids, root.run_id), RunState.CREATED))
    return tuple(seeds)


def _check_root(old: Call, new: Call, *, from_root: bool) -> None:
    if old.function.path != new.function.path:
        raise InvalidOptionError(
            f"rerun_from is a run of {old.function.path}, but the runner was given a future of "
            f"{new.function.path}. Run the same function again."
        )
    if from_root:
        return
    for name, value in old.inputs.items():
        given = new.inputs.get(name)
        same = isinstance(value, ArtifactRef) and isinstance(given, ArtifactRef)
        if not same or value.id != given.id:  # type: ignore[union-attr]
            raise InvalidOptionError(
                f"Argument {name!r} of {new.function.path} differs from the recorded one. Pass "
                f"the same value, or start from the root: rerun_from={old.run_id!r} executes "
                "everything again with the new arguments."
            )


def _check_parameters(call: Call, runs: Mapping[str, RecordedRun]) -> None:
    """Refuse to execute a function with recorded arguments that it does not take any more."""
    parameters = call.function.__signature__.parameters
    needed = [name for name, found in parameters.items() if found.default is found.empty]
    gone = [name for name in call.inputs if name not in parameters]
    new = [name for name in needed if name not in call.inputs]
    if call.parent_id is None or not (gone or new):
        return
    parent = runs[call.parent_id].call
    changes = [f"{name!r} is gone" for name in gone] + [f"{name!r} is new" for name in new]
    raise InvalidOptionError(
        f"The arguments of {call.function.path} have changed since it was recorded: "
        f"{', '.join(changes)}. Start from the run that calls it, so that it is called anew: "
        f"rerun_from={parent.run_id!r} ({parent.function.path})."
    )


def _ancestors(runs: Mapping[str, RecordedRun], run_id: str) -> Iterable[str]:
    parent = runs[run_id].call.parent_id
    while parent is not None:
        yield parent
        parent = runs[parent].call.parent_id


def _downstream(recorded: Sequence[RecordedRun], sources: set[str]) -> set[str]:
    """The calls that need the output of a source, directly or not."""
    dependents: dict[str, list[str]] = {}
    for run in recorded:
        for value in run.call.inputs.values():
            for need in dependencies(value):
                dependents.setdefault(need, []).append(run.call.run_id)
    found: set[str] = set()
    stack = list(sources)
    while stack:
        for dependent in dependents.get(stack.pop(), ()):
            if dependent not in found:
                found.add(dependent)
                stack.append(dependent)
    return found


def _check_inputs(run: RecordedRun, runs: Mapping[str, RecordedRun], run_id: str) -> None:
    if run.call.run_id != run_id:
        return
    for value in run.call.inputs.values():
        for need in dependencies(value):
            if runs[need].state is not RunState.RESOLVED:
                raise InvalidOptionError(
                    f"Cannot start from {run_id}: upstream runs did not succeed. Start from "
                    f"{need} ({runs[need].call.function.path}) instead."
                )


def _renamed(call: Call, ids: Mapping[str, str], root_id: str) -> Call:
    return replace(
        call,
        run_id=ids[call.run_id],
        root_id=root_id,
        parent_id=ids[call.parent_id] if call.parent_id else None,
        inputs={name: _renamed_input(value, ids) for name, value in call.inputs.items()},
    )


def _renamed_input(value: Input, ids: Mapping[str, str]) -> Input:
    if isinstance(value, Expression):
        return Expression(tuple(_renamed_step(step, ids) for step in value.steps))
    return OutputOf(ids[value.run_id]) if isinstance(value, OutputOf) else value


def _renamed_step(step: Step, ids: Mapping[str, str]) -> Step:
    return OutputOf(ids[step.run_id]) if isinstance(step, OutputOf) else step
