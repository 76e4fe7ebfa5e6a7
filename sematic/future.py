"""Futures: values that are not known yet.

A :class:`Future` is a call that has not been executed. A :class:`Selection` (``f[0]``,
``f.attr``) and an :class:`Operation` (``f + 1``) on one are data too; the engine evaluates them
when what they depend on is known. None of them ever holds up the program that builds them.
"""

import math
import operator
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from sematic.containers import KNOWN
from sematic.errors import FutureUseError
from sematic.options import CallOptions, change_options
from sematic.states import RunState
from sematic.types.selection import (
    attribute_type,
    fixed_length,
    item_type,
    operation_type,
)

# How values are asked for of futures of other libraries; of this one's nobody has to ask.
_WORDS_OF_OTHERS = frozenset({"result", "get", "wait", "compute", "done", "join", "execute"})


class AbstractFuture:
    """Anything that stands for a value that is not known yet."""

    __slots__ = ("__weakref__", "_type")

    _type: Any
    # numpy and pandas ask for these: without them `array + future` is done element by element.
    __array_priority__ = 10_000.0
    __pandas_priority__ = 10_000

    def __getitem__(self, key: object) -> "Selection":
        return Selection(self, "item", _keep(key), item_type(self._type, _static_key(key)))

    def __getattr__(self, name: str) -> "Selection":
        if name.startswith("_"):  # protocols of Python, IPython, numpy; never a user's field
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            type_ = attribute_type(self._type, name)
        except AttributeError as error:
            if name not in _WORDS_OF_OTHERS:
                raise
            hint = f"Futures are not waited for. {self._way_out()}"
            raise AttributeError(f"{error}. {hint}") from None
        return Selection(self, "attribute", name, type_)

    def __iter__(self) -> "Iterator[Selection]":
        length = fixed_length(self._type)
        if length is None:
            raise FutureUseError(
                f"A future of {_type_name(self._type)} cannot be iterated: its length is not "
                "known before the pipeline runs. To call a function once per element write "
                "function.map(future); to loop over the elements pass the future to another "
                "@sematic.func. Only futures of tuples of fixed length can be unpacked."
                + self._way_out_of_scripts()
            )
        return iter([self[index] for index in range(length)])

    def __bool__(self) -> NoReturn:
        self._refuse("bool", "if, and, or, not, in, chained comparisons, min, max and sorted")

    def __len__(self) -> NoReturn:
        self._refuse("len", "len(...)")

    def __int__(self) -> NoReturn:
        self._refuse("int", "int(...)")

    def __float__(self) -> NoReturn:
        self._refuse("float", "float(...) and functions such as math.sqrt")

    def __complex__(self) -> NoReturn:
        self._refuse("complex", "complex(...)")

    def __index__(self) -> NoReturn:
        self._refuse("index", "range(...), indices of plain lists and what else takes an integer")

    def __str__(self) -> str:  # noqa: PLE0307 - it raises
        self._refuse("str", "print, str and f-strings (repr shows the future itself)")

    def __format__(self, spec: str) -> str:
        self._refuse("format", "f-strings and format (repr shows the future itself)")

    def __bytes__(self) -> bytes:  # noqa: PLE0308 - it raises
        self._refuse("bytes", "bytes(...)")

    def __fspath__(self) -> str:
        self._refuse("fspath", "open, os.path and pathlib")

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("array", "functions of numpy and of libraries that make arrays of their input")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self._refuse("setitem", "item assignment")

    def __delitem__(self, key: object) -> NoReturn:
        self._refuse("delitem", "deleting an item")

    def __reversed__(self) -> "Iterator[Selection]":
        return reversed(list(self))

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("contains", "in")

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("call", "calling it or one of its methods")

    def _refuse(self, name: str, use: str) -> NoReturn:
        raise FutureUseError(
            f"Future.__{name}__ is not supported: the value of {self!r} is not known yet, so it "
            f"does not work with {use}. {self._way_out()}"
        )

    def _way_out(self) -> str:
        """What to do where the value is needed."""
        return (
            "Pass the future to another @sematic.func and use its value there."
            f"{self._way_out_of_scripts()}"
        )

    def _way_out_of_scripts(self) -> str:
        """What else can be done where no pipeline is running: a sentence, or nothing."""
        if _is_executing() or not isinstance(self, Future):
            return ""
        return (
            " Outside of one, run it to get its value: "
            f"sematic.LocalRunner().run({self.function.__name__}(...))."
        )

    def __hash__(self) -> int:
        return id(self)

    def __copy__(self) -> "AbstractFuture":
        return self  # it stands for one call, however often it is passed on

    def __deepcopy__(self, memo: object) -> "AbstractFuture":
        return self

    def __reduce__(self) -> NoReturn:
        raise FutureUseError(
            f"{self!r} has no value to be stored. Futures are found, and replaced by their values, "
            f"only in {KNOWN}."
        )


class Selection(AbstractFuture):
    """An item or an attribute of a future's value."""

    __slots__ = ("_key", "_kind", "_source")

    def __init__(self, source: AbstractFuture, kind: str, key: object, type_: object) -> None:
        self._source = source
        self._kind = kind
        self._key = key
        self._type = type_

    def __repr__(self) -> str:
        suffix = f".{self._key}" if self._kind == "attribute" else f"[{self._key!r}]"
        return f"{self._source!r}{suffix}"


class Operation(AbstractFuture):
    """An operator of Python applied to futures and constants."""

    __slots__ = ("_operands", "_operator")

    def __init__(self, name: str, operands: tuple[object, ...], type_: object) -> None:
        self._operator = name
        self._operands = operands
        self._type = type_

    def __repr__(self) -> str:
        # Not the operands: sums of ten thousand futures are deep.
        return f"Operation({self._operator!r}, type={_type_name(self._type)})"


class Future(AbstractFuture):
    """A call that has not been executed yet; made by calling a function.

    Attributes:
        id: 32 hex digits, the id of the run that the call becomes.
        function: the :class:`sematic.function.Function` to execute.
        kwargs: its arguments by name, cast, futures among them.
        props: the call's options.
        state: the state of its run as far as this process knows.
        value: its output once it was run, else ``None``.
    """

    __slots__ = ("function", "id", "kwargs", "props", "state", "value")

    def __init__(
        self, function: Any, kwargs: Mapping[str, object], *, options: CallOptions
    ) -> None:
        self.id = os.urandom(16).hex()
        self.function = function
        self.kwargs = dict(kwargs)
        self.props = options
        self.state = RunState.CREATED
        self.value: Any = None
        self._type = function.output_type

    def set(self, **options: object) -> "Future":
        """Change options of this one call and return the future.

        Args:
            **options: fields of :class:`sematic.options.CallOptions`: ``name``, ``tags``,
                ``standalone``, ``cache``, ``cache_version``, ``retry``, ``timeout_mins``,
                ``timeout_seconds``, ``resource_requirements`` and ``base_image_tag``.

        Raises:
            InvalidOptionError: an option is unknown or its value is wrong; nothing is changed.
        """
        self.props = change_options(self.props, options)
        return self

    def run(self, *args: object, **kwargs: object) -> NoReturn:
        """Not supported: a runner runs a future, see :class:`sematic.Runner`."""
        raise FutureUseError(
            "Futures cannot run themselves. Write runner.run(future), for example "
            f"sematic.LocalRunner().run({self.function.__name__}(...))."
        )

    resolve = run

    def __repr__(self) -> str:
        return f"Future(id={self.id}, func={self.function!r}, state={self.state.value})"


def know_calls(*, keep: Callable[[Any], Any], is_executing: Callable[[], bool]) -> None:
    """Say what futures do not know themselves: which call is executing, and what it has kept.

    Called once, when the package is imported.

    Args:
        keep: gives a copy of a constant in an expression, which no later change reaches.
        is_executing: whether the calling thread executes a call.
    """
    global _keep, _is_executing
    _keep, _is_executing = keep, is_executing


def _as_it_is(constant: Any) -> Any:
    return constant


def _nowhere() -> bool:
    return False


_keep: Callable[[Any], Any] = _as_it_is
_is_executing: Callable[[], bool] = _nowhere


def _static_key(key: object) -> object:
    return key._type if isinstance(key, AbstractFuture) else key


def _type_name(type_: object) -> str:
    return getattr(type_, "__name__", None) or str(type_)


_UNARY = ("neg", "pos", "abs", "invert", "round", "floor", "ceil", "trunc")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
OPERATORS: dict[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in (
        *("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul"),
        *("lshift", "rshift", "and_", "or_", "xor", "neg", "pos", "abs", "invert"),
        *_COMPARISONS,
    )
}
OPERATORS |= {function.__name__: function for function in (pow, divmod, round)}  # pow: with modulo
OPERATORS |= {name: getattr(math, name) for name in ("floor", "ceil", "trunc")}


def _static_type(operand: object) -> object:
    return operand._type if isinstance(operand, AbstractFuture) else type(operand)


def _build_operator(name: str, *, reflected: bool) -> Callable[..., Operation]:
    def apply(self: AbstractFuture, *others: object) -> Operation:
        kept = map(_keep, others)
        operands = (*kept, self) if reflected else (self, *kept)
        type_ = operation_type(name, *map(_static_type, operands))
        return Operation(name, operands, type_)

    return apply


def _install_operators() -> None:
    for name in OPERATORS:
        stem = name.rstrip("_")
        setattr(AbstractFuture, f"__{stem}__", _build_operator(name, reflected=False))
        if name not in _UNARY and name not in _COMPARISONS:
            setattr(AbstractFuture, f"__r{stem}__", _build_operator(name, reflected=True))


_install_operators()
