"""``execute_call``: the only place where functions run."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from sematic.calls import (
    ArtifactRef,
    Call,
    Expanded,
    Failed,
    Input,
    Outcome,
    OutputOf,
    Succeeded,
)
from sematic.containers import KNOWN
from sematic.error_records import build_error_record
from sematic.errors import FutureUseError, UnusedFutureError
from sematic.expressions import Put, evaluate, put_once
from sematic.forked_children import children_end_here
from sematic.function import Function
from sematic.future import Future, Operation, Selection
from sematic.hidden_futures import explain_mistaken, find_holder
from sematic.nesting import ATOMS, holds_future, iter_nested
from sematic.ports import ArtifactStore
from sematic.run_context import ExecutingCall, SematicContext, executing, executing_call
from sematic.stored_values import build_argument, build_output, store_argument, store_output

_UNGUARDED: AbstractContextManager[object] = nullcontext()


class CallInterrupted(BaseException):
    """Raised inside of user code to end it. Not an Exception, so that ``except`` lets it pass."""


def execute_call(
    call: Call,
    inputs: Mapping[str, ArtifactRef],
    *,
    store: ArtifactStore,
    attempt: int = 1,
    interruptible: AbstractContextManager[object] = _UNGUARDED,
    remote: bool = False,
) -> Outcome:
    """Execute a call's function on its inputs.

    Args:
        call: what to execute.
        inputs: the artifact of each argument.
        store: where inputs come from and the output goes.
        attempt: 1 for the first execution; tells the logs of attempts apart.
        interruptible: entered for just as long as the user's code runs.
        remote: whether the outcome leaves this process, so that exceptions must be pickled.

    Raises:
        CallInterrupted: the call is to end early; whoever interrupted it knows why.
    """
    created: list[Future] = []
    try:
        with executing(SematicContext(call.run_id, call.root_id), attempt) as current:
            created = current.created_futures
            with interruptible:  # casts and unpickling are user code too
                arguments = load_inputs(call.function, inputs, store)
                with children_end_here():
                    returned = call.function.execute(arguments)
                value = call.function.cast_output(returned)
            return _build_outcome(call, value, current, store=store)
    except CallInterrupted:
        raise
    except BaseException as error:  # noqa: BLE001
        # SystemExit too: it must not end the driver or the worker.
        explain_mistaken(error, created)
        return Failed(build_error_record(error, pickled=remote), error)


def load_inputs(
    function: Function[..., object], inputs: Mapping[str, ArtifactRef], store: ArtifactStore
) -> dict[str, object]:
    """The arguments of a function: fresh copies, cast where another type was stored.

    Raises:
        TypeError: it does not take one of them any more.
        CastError: one does not fit its annotation any more.
    """
    arguments = {name: store.get(ref) for name, ref in inputs.items()}
    descriptors = function.input_descriptors
    recast = {n: v for n, v in arguments.items() if inputs[n].type != descriptors.get(n)}
    return {**arguments, **_cast_inputs(function, recast)} if recast else arguments


def _cast_inputs(
    function: Function[..., object], arguments: dict[str, object]
) -> dict[str, object]:
    """Arguments, cast. A call from the record may have others than its function takes now."""
    for name in arguments:
        if name not in function.input_types:
            takes = ", ".join(map(repr, function.input_types)) or "none"
            raise TypeError(
                f"'{function!r}' does not take the argument {name!r} any more, which this call of "
                f"it was made with. It takes: {takes}."
            )
    return function.cast_inputs(arguments)


def build_root_call(future: Future, store: ArtifactStore) -> Call:
    """The call that a pipeline run starts with.

    Raises:
        ValueError: an argument is, or holds, a future.
        ArtifactError: an argument cannot be stored.
    """
    for name, value in future.kwargs.items():
        if holds_future(value):
            raise ValueError(
                "All input arguments of your root function should be concrete. Argument "
                f"{name!r} of {future.function!r} is, or holds, a future. Call both functions "
                "in a third @sematic.func and run that one."
            )
    _prepare_identities([future])
    return _build_call(future, root_id=future.id, parent_id=None, put=store.put)


def evaluate_inputs(
    call: Call, outputs: Mapping[str, ArtifactRef], store: ArtifactStore
) -> dict[str, ArtifactRef]:
    """The artifacts of a call's arguments, those computed that are made of other outputs."""
    known: dict[str, ArtifactRef] = {}
    for name, value in call.inputs.items():
        if isinstance(value, ArtifactRef):
            known[name] = value
        elif isinstance(value, OutputOf):  # it may be large, and is cast where it is loaded
            known[name] = outputs[value.run_id]
        else:
            with children_end_here():
                computed = _concrete(evaluate(value, outputs, store))
                cast = _concrete(_cast_inputs(call.function, {name: computed})[name])
            known[name] = store_argument(call.function, name, cast, store.put)
    return known


def evaluate_output(
    call: Call, output: Input, *, outputs: Mapping[str, ArtifactRef], store: ArtifactStore
) -> ArtifactRef:
    """The artifact of the output of a call that returned futures."""
    with children_end_here():
        computed = _concrete(evaluate(output, outputs, store))
        value = _concrete(call.function.cast_output(computed))
    return store_output(call.function, value, store.put)


def _concrete(value: object) -> object:
    """The value, unless a future was made on the way to it: there is nobody to execute that."""
    call = executing_call()
    if call is None or not call.created_futures:
        return value
    raise FutureUseError(
        f"{call.created_futures[0].function.__name__!r} was called by an operator, a property or a "
        "constructor while the inputs or the output of a call were put together. Calls that are "
        "made there are not executed: make them in a @sematic.func."
    )


def _build_outcome(
    call: Call, value: object, current: ExecutingCall, *, store: ArtifactStore
) -> Outcome:
    created = current.created_futures
    if not created and not holds_future(value):
        return Succeeded(store_output(call.function, value, store.put))
    reached = _reachable(value)
    # What threads made is this call's own if it is used; else it may well be somebody else's.
    created = created + [stray for stray in current.stray_futures if stray.id in reached]
    _refuse_foreign(reached.values(), created)
    _refuse_unused(created, reached, value, function=call.function)
    if not reached:
        return Succeeded(store_output(call.function, value, store.put))
    put = put_once(store)
    output = build_output(call.function, value, put)
    _prepare_identities(created)
    calls = tuple(
        _build_call(future, root_id=call.root_id, parent_id=call.run_id, put=put)
        for future in created
    )
    return Expanded(calls, output)


def _prepare_identities(futures: Iterable[Future]) -> None:
    for function in {future.function for future in futures if future.props.cache}:
        function.prepare_identity()


def _build_call(future: Future, *, root_id: str, parent_id: str | None, put: Put) -> Call:
    function, kwargs = future.function, future.kwargs
    inputs = {name: build_argument(function, name, kwargs[name], put) for name in kwargs}
    return Call(
        run_id=future.id,
        root_id=root_id,
        parent_id=parent_id,
        function=future.function,
        inputs=inputs,
        options=future.props,
    )


def _reachable(value: object) -> dict[str, Future]:
    """Every call that ``value`` depends on, by id."""
    found: dict[str, Future] = {}
    seen: set[int] = set()
    stack: list[object] = [value]
    while stack:
        for node in iter_nested(stack.pop()):
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, Future):
                found[node.id] = node
                stack.extend([part for part in node.kwargs.values() if type(part) not in ATOMS])
            elif isinstance(node, Selection):
                stack.extend((node._source, node._key))
            elif isinstance(node, Operation):
                stack.extend(node._operands)
    return found


def _refuse_foreign(futures: Iterable[Future], created: list[Future]) -> None:
    own = {future.id for future in created}
    for future in futures:
        if future.id not in own:
            raise FutureUseError(
                f"The future of {future.function!r} (id {future.id}) was not created by this "
                "function. A future belongs to the function that calls it: make the call in here, "
                "or pass the value in as an argument."
            )


def _refuse_unused(
    created: list[Future],
    reached: Mapping[str, Future],
    value: object,
    *,
    function: Function[..., object],
) -> None:
    unused = [future for future in created if future.id not in reached]
    if not unused:
        return
    hidden = find_holder([value, *reached.values()], {future.id for future in unused})
    if hidden is not None:
        future, holder = hidden
        raise FutureUseError(
            f"The future of {future.function.__name__!r} is inside of a {type(holder).__name__}, "
            f"where futures are not found: only in {KNOWN}. In {function.__name__!r}, put it into "
            "one of these, e.g. with list(...) around a generator or dict.values(), or pass it to "
            f"another @sematic.func and make the {type(holder).__name__} there."
        )
    # Not one that another unused one needs: that is not where the mistake is.
    needed = _reachable([list(future.kwargs.values()) for future in unused])
    name = next(f.function.__name__ for f in unused if f.id not in needed)
    raise UnusedFutureError(
        f"The output of {function.__name__!r} does not depend on the output of {name!r}, "
        f"thus {name!r} will not be executed. See https://docs.sematic.dev/diving-deeper/"
        "future-algebra#unused-futures for details on what you can do in this situation: pass the "
        "future to another call, return it with the others, or leave the call out."
    )
