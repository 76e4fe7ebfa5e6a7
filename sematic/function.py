"""``@sematic.func``: turns a typed Python function into a unit of work."""

import functools
import hashlib
import inspect
import json
import operator
import sys
import textwrap
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar, overload

from sematic.binding import bind_arguments, bind_value, fan_out_signature
from sematic.closures import Named, is_told_by_name, place_in_closure
from sematic.code_places import file_of, find_place, place_of_source
from sematic.errors import CastError, InvalidFunctionError, SematicError
from sematic.future import Future
from sematic.option_names import checks_names
from sematic.options import OPTION_HINTS, build_options
from sematic.run_context import note_created, take_snapshots
from sematic.signatures import check_kind, checked_types
from sematic.types.casting import caster
from sematic.types.descriptors import describe_type
from sematic.types.names import canonical_module

P = ParamSpec("P")
R = TypeVar("R")

pickling_by_value: ContextVar[bool] = ContextVar("sematic_pickling_by_value", default=False)
"""Set while code travels to a process that cannot import it; see :mod:`sematic.shipping`."""

NO_SOURCE = "# Source code not available"
"""In place of source code where there is none to be had."""

NO_SOURCE_HASH = hashlib.sha1(NO_SOURCE.encode()).hexdigest()


class Function(Generic[P, R]):
    """A decorated function. Calling it gives a :class:`sematic.future.Future`.

    Attributes:
        func: the plain function; ``f.func(1)`` calls it at once.
        input_types: the resolved annotation of each argument, in order.
        output_type: the resolved annotation of what it returns.
        options: the :class:`sematic.options.CallOptions` that its calls start with.
    """

    def __init__(self, func: Callable[P, R], options: dict[str, object]) -> None:
        if isinstance(func, Function):
            raise InvalidFunctionError(f"{func!r} is decorated with @sematic.func twice.")
        check_kind(func)
        functools.update_wrapper(self, func)
        self.__name__: str = func.__name__
        self.__qualname__: str = func.__qualname__
        self.func = func
        self._file = file_of(func)
        self._told_by_name = is_told_by_name(func, self._file, _describe)
        self.options = build_options(func.__name__, options)
        self.__signature__ = inspect.signature(func)
        self.input_types, self.output_type = checked_types(func, self.__signature__)
        self._casters = {name: caster(type_) for name, type_ in self.input_types.items()}
        self._cast_output = caster(self.output_type)
        self._names = tuple(self.input_types)
        kinds = {parameter.kind for parameter in self.__signature__.parameters.values()}
        keyword_only = inspect.Parameter.KEYWORD_ONLY in kinds
        self._plain_arity = -1 if keyword_only else len(self._names)
        self._positional = tuple(
            name
            for name, parameter in self.__signature__.parameters.items()
            if parameter.kind is parameter.POSITIONAL_ONLY
        )

    @property
    def path(self) -> str:
        """Module and qualified name. ``__main__`` has its real name."""
        return f"{canonical_module(self.__module__)}.{self.__qualname__}"

    @functools.cached_property
    def output_descriptor(self) -> str:
        """The type descriptor of its output, as artifacts have it."""
        return describe_type(self.output_type)

    @functools.cached_property
    def input_descriptors(self) -> dict[str, str]:
        """The type descriptor of each argument."""
        return {name: describe_type(type_) for name, type_ in self.input_types.items()}

    @functools.cached_property
    def source(self) -> str:
        """The function's source code, or a comment where there is none to be had."""
        try:
            return textwrap.dedent(inspect.getsource(self.func))
        except (OSError, TypeError):
            return NO_SOURCE

    @functools.cached_property
    def source_hash(self) -> str:
        """40 hex digits that change with the source code."""
        return hashlib.sha1(self.source.encode("utf-8", "surrogatepass")).hexdigest()

    @functools.cached_property
    def _place_of_file(self) -> str | None:
        """The place of its file, or of its source; ``None`` where there is neither."""
        if self._file is not None:
            return find_place(self._file)
        return None if self.source_hash == NO_SOURCE_HASH else place_of_source(self.source_hash)

    @property
    def place(self) -> str | None:
        """What tells it from functions of the same path: the same everywhere.

        As :mod:`sematic.code_places` has it; ``None`` where nothing does. Asks git when it is first
        needed for a script. Where the path is not enough, the variables are looked at each time.
        """
        place = self._place_of_file
        if place is None:
            return None
        return place_in_closure(self.func, place, _describe, by_name=self._told_by_name)

    @property
    def identity(self) -> tuple[str, str] | None:
        """Its path, its place and the type of its output as one ASCII text; and its place.

        ``None`` without a place. Every look-up in the cache needs it.
        """
        place = self.place
        return (
            None if place is None else (_identity(self.path, place, self.output_descriptor), place)
        )

    def prepare_identity(self) -> None:
        """Find out what :attr:`identity` needs to know, so that it takes no time from now on.

        To be called wherever a call that may be cached is made: the first time may ask git, and
        keys are made in the state machine's turn, where nothing may take a while.
        """
        _ = self.identity

    @functools.cached_property
    def map(self) -> "Function[..., list[R]]":
        """Call the function once per element of a list: ``f.map(items)`` gives a future of a list.

        The list may be a future: its length is then known only when the pipeline runs. The first
        argument is the mapped one; the others are the same in every call.
        """
        mapped = Function(fan_out_signature(self), {"name": f"{self.__name__}.map"})
        mapped._told_by_name = self._told_by_name
        return mapped

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Make a future of this function's output; nothing is executed.

        Raises:
            TypeError: the arguments do not fit the signature.
            CastError: an argument does not fit its annotation.
        """
        if not kwargs and len(args) == self._plain_arity:
            arguments: dict[str, object] = dict(zip(self._names, args, strict=True))
        else:
            arguments = bind_arguments(self.__name__, self.__signature__, args, kwargs)
        arguments = take_snapshots(self.cast_inputs(arguments))
        future = Future(self, arguments, options=self.options)
        note_created(future)
        return future

    def execute(self, arguments: dict[str, Any]) -> object:
        """Call the plain function with its arguments by name."""
        if not self._positional:
            return self.func(**arguments)  # type: ignore[call-arg]
        first = [arguments[name] for name in self._positional]
        rest = {n: value for n, value in arguments.items() if n not in self._positional}
        return self.func(*first, **rest)

    def cast_inputs(self, arguments: dict[str, object]) -> dict[str, object]:
        """Arguments as the annotations want them; futures inside are checked by their types.

        Raises:
            CastError: naming the argument that does not fit.
        """
        cast = {}
        for name, value in arguments.items():
            try:
                cast[name] = bind_value(value, self.input_types[name], self._casters[name])
            except (CastError, RecursionError) as error:
                hint = ". Where it may be None, add `| None` to the annotation."
                raise CastError(
                    f"Invalid input type for argument {name!r} when calling '{self!r}'. "
                    f"{_why_no_cast(value, error)}{hint if value is None else ''}"
                ) from None
        return cast

    def cast_output(self, value: object) -> object:
        """What the function returned, as its annotation wants it; futures inside are checked.

        Raises:
            CastError: it does not fit.
        """
        try:
            return bind_value(value, self.output_type, self._cast_output)
        except (CastError, RecursionError) as error:
            reason = _why_no_cast(value, error)
            hint = self._hint_at_return(value)
            raise CastError(f"Invalid output type for '{self!r}'. {reason}{hint}") from None

    def _hint_at_return(self, value: object) -> str:
        """What is probably wrong where nothing meets something: a sentence, or nothing."""
        if value is None:
            return (
                ". It returned nothing: is a `return` missing? Where it may return None, add "
                "`| None` to the annotation."
            )
        if self.output_type is type(None):
            return ". It is annotated as returning nothing: write the type after `->`."
        return ""

    def state(self) -> dict[str, Any]:
        """Everything it is made of, to be pickled by value; see :mod:`sematic.shipping`."""
        made_anew = {"_casters", "_cast_output", "_file", "_place_of_file", "map"}
        state = {name: part for name, part in self.__dict__.items() if name not in made_anew}
        return {**state, "source": self.source}

    @classmethod
    def restore(cls, state: dict[str, Any]) -> "Function[..., Any]":
        """The function that gave ``state``, in another process."""
        function = object.__new__(cls)
        function.__dict__.update(state)
        function._file = file_of(function.func)
        function._casters = {name: caster(t) for name, t in function.input_types.items()}
        function._cast_output = caster(function.output_type)
        return function

    def is_importable(self) -> bool:
        """Whether another process finds it by importing its module."""
        module = sys.modules.get(self.__module__)
        if module is None or self.__module__ == "__main__":
            return False
        try:
            return operator.attrgetter(self.__qualname__)(module) is self
        except AttributeError:
            return False

    def __reduce__(self) -> Any:
        if pickling_by_value.get() and not self.is_importable():
            return Function.restore, (self.state(),)
        return self.__qualname__  # by name, like the plain function that it wraps

    def __repr__(self) -> str:
        return f"{self.__module__}.{self.__qualname__}"


_PER_CALL = "Set it for one call: function(...).set({}=...)."
_HINTS = {**OPTION_HINTS, **{name: _PER_CALL.format(name) for name in ("name", "tags")}}


@overload
def func(func: Callable[P, R], /) -> Function[P, R]: ...
@overload
def func(
    *,
    standalone: bool = ...,
    cache: bool = ...,
    resource_requirements: Any = ...,
    retry: Any = ...,
    base_image_tag: str | None = ...,
    timeout_mins: int | None = ...,
    timeout_seconds: float | None = ...,
    cache_version: str | int | None = ...,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
@checks_names(_HINTS, name="sematic.func")
def func(  # noqa: PLR0917 - the positions are those of the API
    func: Any = None,
    standalone: bool = False,
    cache: bool = False,
    resource_requirements: Any = None,
    retry: Any = None,
    base_image_tag: str | None = None,
    timeout_mins: int | None = None,
    *,
    timeout_seconds: float | None = None,
    cache_version: str | int | None = None,
) -> Any:
    """Make a function a unit of work that is tracked, and that runs where a runner says.

    Works as ``@func``, ``@func()`` and ``@func(...)``. The function needs a type annotation on
    every argument, and on what it returns unless that is nothing.

    Args:
        func: the function; usually left to the decorator syntax.
        standalone: execute in a process of its own, in parallel with other such calls.
        cache: reuse the output under the runner's ``cache_namespace``. Not for functions whose
            output differs from one time to the next.
        resource_requirements: a ``ResourceRequirements``; standalone functions only.
        retry: a ``RetrySettings``: which failures are followed by another attempt.
        base_image_tag: which container image to use on a cluster.
        timeout_mins: an integer of at least 1; most minutes from when the call is handed to an
            executor until its output is known, nested calls included.
        timeout_seconds: the same in seconds, for fast functions and for tests.
        cache_version: a text or a number to change when outputs that were cached before the code
            changed are not to be reused any more. 1 and ``"1"`` are the same.

    Raises:
        InvalidFunctionError: the function cannot be a unit of work; the message says why.
        InvalidOptionError: an option has a wrong type or value, or does not exist.
    """
    options = {
        "standalone": standalone,
        "cache": cache,
        "resource_requirements": resource_requirements,
        "retry": retry,
        "base_image_tag": base_image_tag,
        "timeout_mins": timeout_mins,
        "timeout_seconds": timeout_seconds,
        "cache_version": cache_version,
    }
    if func is None:
        build_options("function", options)  # a wrong option fails at its own line
        return functools.partial(_decorate, options=options)
    return _decorate(func, options)


def _decorate(func: Callable[P, R], options: dict[str, object]) -> Function[P, R]:
    try:
        return Function(func, options)
    except SematicError as error:
        error.__traceback__ = None  # its way through this package tells users nothing
        raise error


@functools.lru_cache(maxsize=4096)
def _identity(*parts: str) -> str:
    return json.dumps(parts)


def _describe(value: object) -> Named | None:
    if not isinstance(value, Function):
        return None
    return Named(value.path, value._place_of_file, value.func, by_name=value._told_by_name)


def _why_no_cast(value: object, error: Exception) -> str:
    if isinstance(error, CastError):
        return str(error)
    return f"The {type(value).__name__} is nested too deeply, or contains itself."
