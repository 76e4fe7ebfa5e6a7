"""What crosses borders: calls, references to artifacts, outcomes. Data only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeGuard

from sematic.function import Function
from sematic.options import CallOptions


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """A stored value, named by the hash of its content.

    Attributes:
        id: 40 hex digits; the hash of codec, type descriptor and payload.
        codec: name of the codec that wrote the payload.
        type: type descriptor, e.g. ``"list[int]"``; see :func:`sematic.types.describe_type`.
        size: bytes of the payload.
        payload: the payload itself, JSON text, where it is small; ``None`` where it is a file.
        summary: JSON text made for people where the payload is not fit to be shown.
    """

    id: str
    codec: str
    type: str
    size: int
    payload: str | None = None
    summary: str | None = None

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        # Half the time that dataclasses take to pickle; every call and outcome holds some.
        return ArtifactRef, (
            *(self.id, self.codec, self.type, self.size, self.payload, self.summary),
        )


@dataclass(frozen=True, slots=True)
class OutputOf:
    """The output of another call of the same pipeline run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Select:
    """Step: an item, a slice or an attribute. ``source`` and ``key`` are earlier steps."""

    kind: Literal["item", "slice", "attribute"]
    source: int
    key: int


@dataclass(frozen=True, slots=True)
class Operate:
    """Step: an operator of :data:`sematic.future.OPERATORS` applied to earlier steps."""

    operator: str
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Collect:
    """Step: a container filled with earlier steps.

    Attributes:
        template: the container with a :class:`Hole` for each part; ``None`` for a plain list.
        parts: the steps that fill the holes, by index.
    """

    template: ArtifactRef | None
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hole:
    """The place of a part in a :class:`Collect` template."""

    index: int


Step: TypeAlias = ArtifactRef | OutputOf | Select | Operate | Collect


@dataclass(frozen=True, slots=True)
class Expression:
    """A value computed from outputs and constants.

    A flat program rather than a tree, so that neither depth nor sharing costs anything: each step
    may refer to the steps before it, and the last one is the value.
    """

    steps: tuple[Step, ...]


Input: TypeAlias = ArtifactRef | OutputOf | Expression


def dependencies(value: Input) -> Iterator[str]:
    """The ids of the runs whose outputs ``value`` is made of; one may come more than once."""
    if isinstance(value, OutputOf):
        yield value.run_id
    elif isinstance(value, Expression):
        for step in value.steps:
            if isinstance(step, OutputOf):
                yield step.run_id


def are_artifacts(inputs: Mapping[str, Input]) -> TypeGuard[Mapping[str, ArtifactRef]]:
    """Whether nothing has to be computed to know all of them."""
    for value in inputs.values():  # noqa: SIM110 - a generator takes three times as long
        if type(value) is not ArtifactRef:
            return False
    return True


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function in a pipeline run.

    Attributes:
        run_id: 32 hex digits, the id of its future.
        root_id: the ``run_id`` of the pipeline run's root call.
        parent_id: the call whose function made this one; ``None`` for the root.
        function: what to execute.
        inputs: each argument, known or still to come.
        options: how to execute it.
        recorded_type: descriptor of its function's output type when the call was made, where it
            comes from the record; the code may have changed since.
    """

    run_id: str
    root_id: str
    parent_id: str | None
    function: Function[..., object]
    inputs: Mapping[str, Input]
    options: CallOptions
    recorded_type: str | None = field(default=None, compare=False, repr=False)

    @property
    def output_descriptor(self) -> str:
        """The type of its output when it was made: what was decided by it then stays decided."""
        return self.recorded_type or self.function.output_descriptor

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return Call, (
            *(self.run_id, self.root_id, self.parent_id),
            *(self.function, self.inputs, self.options),
        )


def needs_of(call: Call) -> list[str]:
    """The ids of the runs whose outputs a call waits for; one may come more than once."""
    if are_artifacts(call.inputs):  # as in most fan-outs
        return []
    return [need for value in call.inputs.values() for need in dependencies(value)]


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """An exception as data.

    Attributes:
        type: importable path of its class, e.g. ``"builtins.ValueError"``.
        message: ``str`` of it.
        ancestors: importable paths of its base classes, nearest first, for retry settings.
        traceback: the rendered traceback, frames of this package left out; may be empty.
        pickled: the exception itself; opened only in the driver that its user started.
    """

    type: str
    message: str
    ancestors: tuple[str, ...] = ()
    traceback: str = ""
    pickled: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The function returned a value."""

    output: ArtifactRef


@dataclass(frozen=True, slots=True)
class Expanded:
    """The function returned futures: more calls, and what its output is made of."""

    calls: tuple[Call, ...]
    output: Input


@dataclass(frozen=True, slots=True)
class Failed:
    """The function raised, or what it returned could not be used.

    ``exception`` is the very exception where the call ran in this process.
    """

    error: ErrorRecord
    exception: BaseException | None = field(default=None, compare=False)


Outcome: TypeAlias = Succeeded | Expanded | Failed
