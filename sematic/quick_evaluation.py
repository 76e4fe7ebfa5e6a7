"""Which inputs and outputs are put together sooner than another thread could be woken for it."""

import functools
import re
from collections.abc import Mapping

from sematic.calls import ArtifactRef, Collect, Expression, Input, OutputOf, Select, Step
from sematic.events import EvaluateInputs, EvaluateOutput

_MOST_STEPS = 200
_MOST_BYTES = 8 * 1024
"""Of payloads in one expression: what is made of them is no file either."""

_WORDS = re.compile(r"[^\W\d][\w.]*")
_BUILTIN = frozenset(
    ("int", "float", "bool", "str", "None", "list", "tuple", "dict", "set", "frozenset")
)


def is_quick(instruction: EvaluateInputs | EvaluateOutput) -> bool:
    """Whether it takes microseconds and calls no code of the user's, whatever becomes of it.

    So it is with lists of a few small values of builtin types, and with items of them. Operators
    may take any time, and operators, attributes, casts and constructors of classes may do anything.
    """
    call, outputs = instruction.call, instruction.outputs
    function = call.function
    if isinstance(instruction, EvaluateOutput):
        return _is_quick(instruction.output, function.output_descriptor, outputs)
    return all(
        _is_quick(value, function.input_descriptors.get(name, "object"), outputs)
        for name, value in call.inputs.items()
        if isinstance(value, Expression)
    )


def _is_quick(value: Input, descriptor: str, outputs: Mapping[str, ArtifactRef]) -> bool:
    if not isinstance(value, Expression):  # an output of another type, which is cast to this one
        value = Expression((value,))
    if len(value.steps) > _MOST_STEPS or not _is_builtin(descriptor):
        return False
    size = 0
    for step in value.steps:
        ref = _quick_ref(step, outputs)
        if ref is not None:
            size += ref.size
        elif not _is_quick_step(step):
            return False
    return size <= _MOST_BYTES


def _quick_ref(step: Step, outputs: Mapping[str, ArtifactRef]) -> ArtifactRef | None:
    """The artifact that a step is, where it is text of what JSON has."""
    ref = outputs[step.run_id] if isinstance(step, OutputOf) else step
    if not isinstance(ref, ArtifactRef) or ref.payload is None or ref.codec != "plain":
        return None
    return None if '"$"' in ref.payload else ref


def _is_quick_step(step: Step) -> bool:
    if isinstance(step, Select):
        return step.kind != "attribute"
    return isinstance(step, Collect) and step.template is None


@functools.lru_cache(maxsize=4096)
def _is_builtin(descriptor: str) -> bool:
    return _BUILTIN.issuperset(_WORDS.findall(descriptor))
