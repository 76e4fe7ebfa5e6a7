"""What it takes to execute parts of an earlier pipeline run again."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sematic.calls import ArtifactRef, Call, Input, OutputOf
from sematic.errors import CastError, InvalidOptionError, NotFoundError
from sematic.function import Function
from sematic.future import Future
from sematic.ports import ArtifactStore
from sematic.recorded_functions import RecordedFunction
from sematic.rerun import RecordedRun, RerunPlan, plan_rerun
from sematic.runners.recorded_roots import RecordedRoot, take_recorded
from sematic.shipping import locate_function
from sematic.tracking.queries import open_queries
from sematic.tracking.recorded_graph import read_recorded_runs
from sematic.types.assignability import can_cast_type


@dataclass(frozen=True)
class Rerun:
    """A recorded pipeline run, and the run to start from.

    Attributes:
        run_id: the run to start from.
        recorded: every run of its pipeline run, in the order of their creation.
    """

    run_id: str
    recorded: tuple[RecordedRun, ...]

    def plan(self, root: Call, store: ArtifactStore) -> RerunPlan:
        """What executes again and what is taken over.

        Args:
            root: the root call of the new pipeline run.
            store: where recorded arguments are, and those go that are new.

        Raises:
            InvalidOptionError: it cannot start from this run; the text says why.
            ImportError: a function that is to execute is not where it was.
            ArtifactError: an argument cannot be read.
        """
        if self.run_id != self.recorded[0].call.run_id:  # else its arguments may be any
            root = take_recorded(root, self.recorded[0].call.inputs, store)
        binder = _Binder(self.recorded, store)
        new_id = lambda: uuid.uuid4().hex  # noqa: E731
        return plan_rerun(self.recorded, self.run_id, root=root, new_id=new_id, bind=binder.bind)

    def build_root_future(self, store: ArtifactStore) -> Future:
        """The root as it was called, with its recorded arguments, for a new pipeline run.

        Raises:
            InvalidOptionError: its function does not take them any more.
            ImportError: it is not where it was.
        """
        root = self.recorded[0]
        function = root.call.function
        if isinstance(function, RecordedFunction):
            raise function.missing()
        arguments = {name: store.get(ref) for name, ref in root.inputs.items()}
        positional = [
            arguments.pop(name)
            for name, parameter in function.__signature__.parameters.items()
            if parameter.kind is parameter.POSITIONAL_ONLY and name in arguments
        ]
        try:
            future: Future = function(*positional, **arguments)
        except TypeError as error:  # CastError too
            raise InvalidOptionError(
                f"{function.path} does not take its recorded arguments any more: {error} Run it "
                "with new ones."
            ) from error
        types = function.input_descriptors
        same = {name: ref for name, ref in root.inputs.items() if ref.type == types.get(name)}
        return RecordedRoot(function, future.kwargs, artifacts=same, options=root.call.options)


def find_rerun(url: str, run_id: str) -> Rerun:
    """The pipeline run to rerun from the run with an id, or its first digits.

    Args:
        url: of the record.
        run_id: of the run to start from.

    Raises:
        InvalidOptionError: there is no such run.
    """
    try:
        found = open_queries(url).resolve_run_id(run_id)
    except NotFoundError as error:
        raise InvalidOptionError(
            f"Cannot rerun from {run_id!r}: run cannot be found. {error} "
            "`sematic runs` lists pipeline runs, `sematic show` their runs."
        ) from error
    return Rerun(found, read_recorded_runs(url, found, function_of=_find_function))


def _find_function(path: str) -> Function[..., Any]:
    """The function as it is now, or else, for what is taken over, as it was."""
    try:
        return locate_function(path)
    except ImportError as error:
        return RecordedFunction(path, because=error)


class _Binder:
    """Gives recorded calls the arguments that their functions take now."""

    def __init__(self, recorded: Iterable[RecordedRun], store: ArtifactStore) -> None:
        self._functions = {run.call.run_id: run.call.function for run in recorded}
        self._store = store
        self._defaults: dict[tuple[str, str], ArtifactRef] = {}

    def bind(self, call: Call, outputs: Mapping[str, ArtifactRef]) -> Call:
        """A call with every argument; those that it was recorded without have their defaults.

        Raises:
            CastError: what is recorded does not fit the annotations any more.
        """
        function = call.function
        for name, value in call.inputs.items():
            self._check(function, name, value, outputs)
        new = [name for name in function.input_types if name not in call.inputs]
        if not new:
            return call
        inputs = {
            name: self._default(function, name) if name in new else call.inputs[name]
            for name in function.input_types
        }
        return replace(call, inputs=inputs)

    def _check(
        self,
        function: Function[..., object],
        name: str,
        value: Input,
        outputs: Mapping[str, ArtifactRef],
    ) -> None:
        known = outputs.get(value.run_id) if isinstance(value, OutputOf) else value
        if isinstance(known, ArtifactRef):
            if known.type != function.input_descriptors[name]:
                function.cast_inputs({name: self._store.get(known)})
        elif isinstance(value, OutputOf):  # what it is made of executes too
            source = self._functions[value.run_id]
            if isinstance(source, RecordedFunction):  # or has returned calls that do
                return
            from_type, to_type = source.output_type, function.input_types[name]
            fits, reason = can_cast_type(from_type, to_type)
            if not fits:
                raise CastError(
                    f"argument {name!r}: cannot cast {from_type} to {to_type}: {reason}"
                )

    def _default(self, function: Function[..., object], name: str) -> ArtifactRef:
        key = (function.path, name)
        if key not in self._defaults:
            default = function.__signature__.parameters[name].default
            value = function.cast_inputs({name: default})[name]
            self._defaults[key] = self._store.put(value, function.input_types[name])
        return self._defaults[key]
