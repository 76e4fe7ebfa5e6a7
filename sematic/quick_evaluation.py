"""Which inputs and outputs are put together sooner than another thread could be woken for it."""

import functools
import re
from collections.abc import Mapping

from sematic.calls import ArtifactRef, Collect, Expression, Input, OutputOf, Select, Step
from sematic.events import EvaluateInputs, EvaluateOutput

_MOST_STEPS = 200
_MOST_BYTES = 8 * 1024
"""Of text, in whatever is made on the way: so it is no file either."""

_CODECS_WITH_CODE = frozenset(("local", "pickle"))
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
    sizes: list[int] = []
    for step in value.steps:
        size = _size(step, sizes, outputs)
        if size is None or size > _MOST_BYTES:
            return False
        sizes.append(size)
    return sum(sizes) <= _MOST_BYTES


def _size(step: Step, sizes: list[int], outputs: Mapping[str, ArtifactRef]) -> int | None:
    """How long the text of a step's value is at most; ``None`` where it is not quick."""
    if isinstance(step, Collect):  # a part may be in it many times
        return None if step.template else sum(sizes[part] + 1 for part in step.parts) + 1
    if isinstance(step, Select):
        return None if step.kind == "attribute" else sizes[step.source]
    ref = outputs[step.run_id] if isinstance(step, OutputOf) else step
    if not isinstance(ref, ArtifactRef) or ref.payload is None or ref.codec != "plain":
        return None
    return None if needs_code(ref) else ref.size


def needs_code(ref: ArtifactRef) -> bool:
    """Whether more than built-in types may be needed to read a value: classes, for one."""
    if ref.codec != "plain" or ref.payload is None:
        return ref.codec in _CODECS_WITH_CODE
    return '"$"' in ref.payload  # objects of JSON with this key are what JSON does not have


@functools.lru_cache(maxsize=4096)
def _is_builtin(descriptor: str) -> bool:
    return _BUILTIN.issuperset(_WORDS.findall(descriptor))
