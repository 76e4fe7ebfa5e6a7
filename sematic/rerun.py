"""Rerunning: a recorded pipeline run becomes the seeds of a new one. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from sematic.calls import ArtifactRef, Call, Expression, Input, OutputOf, Step, dependencies
from sematic.errors import CastError, InvalidOptionError
from sematic.events import Seed
from sematic.recorded_functions import RecordedFunction
from sematic.states import RunState
from sematic.wording import short_id


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run of an earlier pipeline run.

    Attributes:
        call: what was called, with the function as it is now; a :class:`RecordedFunction` where
            there is none any more.
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


class Fate(Enum):
    """What becomes of a recorded run when its pipeline run is rerun."""

    REUSED = "reused"
    """Its output is taken over."""
    KEPT = "kept"
    """It does not execute again, but what it is made of does: its output is made anew."""
    EXECUTES = "executes"
    """Its function executes again."""
    ANEW = "called anew"
    """It is nested in one that executes, which makes its own calls."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a recorded run, and why, in words."""

    fate: Fate
    why: str = ""


@dataclass(frozen=True, slots=True)
class RerunPlan:
    """How a pipeline run is rerun.

    Attributes:
        seeds: the runs that the new pipeline run starts with, in the order of their creation;
            empty where everything executes again.
        decisions: what becomes of each run of the earlier one, by its id.
    """

    seeds: tuple[Seed, ...]
    decisions: Mapping[str, Decision]


Bind: TypeAlias = Callable[[Call, Mapping[str, ArtifactRef]], Call]
"""Gives a recorded call the arguments that its function takes now, given the outputs that they are
made of as far as these are known. Raises CastError where they do not fit."""


def plan_rerun(
    recorded: Sequence[RecordedRun],
    run_id: str,
    *,
    root: Call,
    new_id: Callable[[], str],
    bind: Bind = lambda call, outputs: call,
) -> RerunPlan:
    """The runs that a new pipeline run starts with.

    ``run_id`` executes again, and so does what is downstream of it or of one of its ancestors;
    what was nested in those comes anew. Its ancestors keep what they had returned. Everything
    else is taken over with its output.

    Args:
        recorded: every run of the earlier pipeline run, in the order of their creation.
        run_id: the one to start from.
        root: the root call of the new pipeline run.
        new_id: makes ids of runs.
        bind: see :data:`Bind`.

    Raises:
        InvalidOptionError: it cannot start from this run; the text says why.
        ImportError: a function that is to execute is only known from the record.
    """
    runs = {run.call.run_id: run for run in recorded}
    old_root = recorded[0].call
    _check_root(old_root, root, from_root=run_id == old_root.run_id)
    decisions = _decide(recorded, runs, run_id)
    if run_id == old_root.run_id:  # as if begun anew, but that the cache is not asked for it
        seeds = (Seed(root, RunState.CREATED, again=True),) if root.options.cache else ()
        return RerunPlan(seeds, decisions)
    _check_inputs(runs[run_id], runs)
    _check_code(recorded, runs, decisions)
    kept = [run for run in recorded if decisions[run.call.run_id].fate is not Fate.ANEW]
    ids = {run.call.run_id: new_id() for run in kept}
    ids[old_root.run_id] = root.run_id
    outputs = {
        id_: run.output
        for id_, run in runs.items()
        if decisions[id_].fate is Fate.REUSED and run.output is not None
    }

    def sow(run: RecordedRun) -> Seed:
        old_id = run.call.run_id
        fate = decisions[old_id].fate
        if fate is Fate.EXECUTES:
            call = _rebound(run.call, runs, outputs, bind)
            again = old_id == run_id
            return Seed(_renamed(call, ids, root.run_id), RunState.CREATED, again=again)
        if fate is Fate.KEPT and run.expansion is None:
            raise InvalidOptionError(
                f"Cannot start from {run_id}: it is not recorded what {run.call.function.path} "
                f"returned, which it is nested in. Start from that one: {old_id}."
            )
        call = _renamed(run.call, ids, root.run_id)
        expansion = None if run.expansion is None else _renamed_input(run.expansion, ids)
        if fate is Fate.KEPT:
            return Seed(call, RunState.RAN, inputs=run.inputs, expansion=expansion)
        return Seed(
            call,
            RunState.RESOLVED,
            inputs=run.inputs,
            output=run.output,
            expansion=expansion,
            original_run_id=run.original_run_id or old_id,
        )

    return RerunPlan(tuple(map(sow, kept)), decisions)


def _decide(
    recorded: Sequence[RecordedRun], runs: Mapping[str, RecordedRun], run_id: str
) -> dict[str, Decision]:
    ancestors = set(_ancestors(runs, run_id))
    causes = _downstream(recorded, {run_id} | ancestors)
    decisions: dict[str, Decision] = {}
    for run in recorded:  # parents come before what is nested in them
        id_, parent_id = run.call.run_id, run.call.parent_id
        parent = decisions.get(parent_id or "")
        if parent_id and parent and parent.fate in (Fate.EXECUTES, Fate.ANEW):
            decision = Decision(Fate.ANEW, f"by {_name(runs[parent_id])}")
        elif id_ == run_id:
            decision = Decision(Fate.EXECUTES, "the rerun starts here")
        elif id_ in ancestors:
            decision = Decision(Fate.KEPT, "its calls stay, its output is made anew")
        elif id_ in causes:
            decision = Decision(Fate.EXECUTES, f"needs {_name(runs[causes[id_]])}")
        elif run.state is RunState.RESOLVED:
            decision = Decision(Fate.REUSED)
        else:
            decision = Decision(Fate.EXECUTES, f"was {run.state.value}")
        decisions[id_] = decision
    return decisions


def _name(run: RecordedRun) -> str:
    return f"{run.call.options.name} {short_id(run.call.run_id)}"


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


def _rebound(
    call: Call,
    runs: Mapping[str, RecordedRun],
    outputs: Mapping[str, ArtifactRef],
    bind: Bind,
) -> Call:
    """A recorded call with the arguments that its function takes now."""
    parameters = call.function.__signature__.parameters
    needed = [name for name, found in parameters.items() if found.default is found.empty]
    changes = [f"{name!r} is gone" for name in call.inputs if name not in parameters]
    changes += [f"{name!r} is new" for name in needed if name not in call.inputs]
    if not changes:
        try:
            return bind(call, outputs)
        except CastError as error:
            changes = [str(error)]
    advice = ""
    if call.parent_id is not None:
        parent = runs[call.parent_id].call
        advice = (
            " Start from the run that calls it, so that it is called anew: "
            f"rerun_from={parent.run_id!r} ({parent.function.path})."
        )
    raise InvalidOptionError(
        f"The arguments of {call.function.path} have changed since it was recorded: "
        f"{', '.join(changes)}.{advice}"
    )


def _ancestors(runs: Mapping[str, RecordedRun], run_id: str) -> Iterable[str]:
    parent = runs[run_id].call.parent_id
    while parent is not None:
        yield parent
        parent = runs[parent].call.parent_id


def _downstream(recorded: Sequence[RecordedRun], sources: set[str]) -> dict[str, str]:
    """The calls that need the output of a source, directly or not, and which one they need."""
    dependents: dict[str, list[str]] = {}
    for run in recorded:
        for value in run.call.inputs.values():
            for need in dependencies(value):
                dependents.setdefault(need, []).append(run.call.run_id)
    found: dict[str, str] = {}
    stack = list(sources)
    while stack:
        need = stack.pop()
        for dependent in dependents.get(need, ()):
            if dependent not in found:
                found[dependent] = need
                stack.append(dependent)
    return found


def _check_inputs(run: RecordedRun, runs: Mapping[str, RecordedRun]) -> None:
    for value in run.call.inputs.values():
        for need in dependencies(value):
            if runs[need].state is not RunState.RESOLVED:
                raise InvalidOptionError(
                    f"Cannot start from {run.call.run_id}: upstream runs did not succeed. Start "
                    f"from {need} ({runs[need].call.function.path}) instead."
                )


def _check_code(
    recorded: Sequence[RecordedRun],
    runs: Mapping[str, RecordedRun],
    decisions: Mapping[str, Decision],
) -> None:
    """Only what executes, or whose output is made anew, needs its function as it is now."""
    for run in recorded:
        if not isinstance(run.call.function, RecordedFunction):
            continue
        fate = decisions[run.call.run_id].fate
        if fate is Fate.EXECUTES or (fate is Fate.KEPT and _casts(run, runs)):
            raise run.call.function.missing()


def _casts(run: RecordedRun, runs: Mapping[str, RecordedRun]) -> bool:
    """Whether the output of a run that is kept is more than that of a nested one, as it is."""
    if not isinstance(run.expansion, OutputOf):
        return True
    nested = runs[run.expansion.run_id].call.function
    return nested.output_descriptor != run.call.function.output_descriptor


def _renamed(call: Call, ids: Mapping[str, str], root_id: str) -> Call:
    return replace(
        call,
        recorded_type=None,  # what is decided anew is decided by the code as it is now
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
