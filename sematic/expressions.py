"""Values with futures inside as flat programs: built before, evaluated when outputs are known."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sematic.calls import (
    ArtifactRef,
    Collect,
    Expression,
    Hole,
    Input,
    Operate,
    OutputOf,
    Select,
    Step,
)
from sematic.future import OPERATORS, AbstractFuture, Future, Operation, Selection
from sematic.nesting import holds_future, iter_nested, map_nested
from sematic.ports import ArtifactStore

Put: TypeAlias = Callable[[Any, Any], ArtifactRef]
"""Stores a value under its declared type, as :meth:`sematic.ports.ArtifactStore.put` does."""


def put_once(store: ArtifactStore) -> Put:
    """Store each object once, however often it is put.

    For as long as nobody changes the objects: while the calls that a function made are built, say.
    """
    known: dict[tuple[int, int], tuple[ArtifactRef, Any, Any]] = {}  # kept, so ids stay theirs

    def put(value: Any, type_: Any) -> ArtifactRef:
        if type(value) in _SMALL:
            return store.put(value, type_)
        key = (id(value), id(type_))
        if key not in known:
            known[key] = (store.put(value, type_), value, type_)
        return known[key][0]

    return put


# Quicker to store again than to look up.
_SMALL = frozenset({int, float, str, bool, type(None)})


def build_input(value: object, type_: object, put: Put) -> Input:
    """What stands for ``value`` in the graph; constants in it are stored.

    Args:
        value: a plain value, a future, or a container with futures inside.
        type_: its declared type.
        put: stores constants.
    """
    if isinstance(value, Future):
        return OutputOf(value.id)
    if not holds_future(value):
        return put(value, type_)
    return _Builder(put).build(value)


def evaluate(value: Input, outputs: Mapping[str, ArtifactRef], store: ArtifactStore) -> Any:
    """The value that ``value`` stands for.

    Args:
        value: what to compute.
        outputs: the output of every run that it depends on.
        store: where their values are.

    Raises:
        Exception: whatever an item, an attribute or an operator of the values raises.
    """
    if isinstance(value, ArtifactRef):
        return store.get(value)
    if isinstance(value, OutputOf):
        return store.get(outputs[value.run_id])
    results: list[Any] = []
    for step, finished in zip(value.steps, _last_uses(value.steps), strict=True):
        results.append(_evaluate_step(step, results, outputs, store))
        for index in finished:
            results[index] = None  # a sum of a thousand arrays holds two of them at a time
    return results[-1]


def _last_uses(steps: Sequence[Step]) -> list[list[int]]:
    """For each step the earlier ones whose results nobody needs after it."""
    last_uses: list[list[int]] = [[] for _ in steps]
    seen: set[int] = set()
    for index in range(len(steps) - 1, -1, -1):
        for needed in _needs(steps[index]):
            if needed not in seen:
                seen.add(needed)
                last_uses[index].append(needed)
    return last_uses


def _needs(step: Step) -> tuple[int, ...]:
    match step:
        case Select():
            return step.source, step.key
        case Operate():
            return step.operands
        case Collect():
            return step.parts
        case _:
            return ()


def _evaluate_step(
    step: Step, results: list[Any], outputs: Mapping[str, ArtifactRef], store: ArtifactStore
) -> Any:
    match step:
        case ArtifactRef():
            return store.get(step)
        case OutputOf():
            return store.get(outputs[step.run_id])
        case Select():
            return _select(step.kind, results[step.source], results[step.key])
        case Operate():
            return OPERATORS[step.operator](*(results[index] for index in step.operands))
        case Collect():
            return _collect(step, [results[index] for index in step.parts], store)


def _select(kind: str, source: Any, key: Any) -> Any:
    if kind == "attribute":
        return getattr(source, key)
    return source[slice(*key) if kind == "slice" else key]


def _collect(step: Collect, parts: list[Any], store: ArtifactStore) -> Any:
    if step.template is None:
        return parts
    return map_nested(store.get(step.template), lambda hole: parts[hole.index], leaf=Hole)


class _Builder:
    """Flattens a value into steps, depth first, each shared part once, without recursion."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._steps: list[Step] = []
        self._index: dict[int, int] = {}
        self._keys: dict[int, object] = {}  # by the id of their selections; kept

    def build(self, value: object) -> Expression:
        stack = [value]
        while stack:
            node = stack[-1]
            missing = [part for part in self._parts(node) if id(part) not in self._index]
            if any(type(part) is not Future for part in missing):
                stack.extend(reversed(missing))
                continue
            for future in missing:  # which have no parts; often there are thousands
                if id(future) not in self._index:
                    self._add(future, self._step(future))
            stack.pop()
            if id(node) not in self._index:
                self._add(node, self._step(node))
        return Expression(tuple(self._steps))

    def _add(self, node: object, step: Step) -> None:
        self._index[id(node)] = len(self._steps)
        self._steps.append(step)

    def _parts(self, node: object) -> list[object]:
        if isinstance(node, Future):
            return []
        if isinstance(node, Selection):
            return [node._source, self._key(node)]
        if isinstance(node, Operation):
            return list(node._operands)
        return list(iter_nested(node))

    def _key(self, node: Selection) -> object:
        """The key; of a slice its parts, which are quicker to store."""
        key = node._key
        if not isinstance(key, slice):
            return key
        return self._keys.setdefault(id(node), (key.start, key.stop, key.step))

    def _step(self, node: object) -> Step:
        if isinstance(node, Future):
            return OutputOf(node.id)
        if isinstance(node, Selection):
            kind: Any = "slice" if isinstance(node._key, slice) else node._kind
            return Select(kind, self._index[id(node._source)], self._index[id(self._key(node))])
        if isinstance(node, Operation):
            return Operate(node._operator, tuple(self._index[id(o)] for o in node._operands))
        return self._collect(node)

    def _collect(self, node: object) -> Step:
        parts = list(iter_nested(node))
        if not parts:
            return self._put(node, type(node))
        indices = tuple(self._index[id(part)] for part in parts)
        if type(node) is list and len(node) == len(parts) and _all_futures(node):
            return Collect(None, indices)
        counter = iter(range(len(parts)))
        template = map_nested(node, lambda _: Hole(next(counter)))
        return Collect(self._put(template, type(node)), indices)


def _all_futures(items: list[object]) -> bool:
    return all(isinstance(item, AbstractFuture) for item in items)
