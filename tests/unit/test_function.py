"""``@sematic.func``: what it takes, what it refuses and with which words, what it leaves alone."""

import collections.abc
import copy
import inspect
import pickle
import traceback
import typing
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set, Tuple, TypeVar, Union

import pytest

import sematic
from sematic import SilentRunner
from sematic.errors import CastError, InvalidFunctionError
from sematic.function import Function
from sematic.future import Future


@sematic.func
def add(a: float, b: float = 2) -> float:
    """Add two numbers."""
    return a + b


@sematic.func
def identity(value: int) -> int:
    return value


def run(future: Future) -> object:
    return SilentRunner().run(future)


# --- all forms


def test_the_three_forms_of_the_decorator() -> None:
    def plain(x: int) -> int:
        return x

    for decorated in (sematic.func(plain), sematic.func()(plain), sematic.func(cache=True)(plain)):
        assert isinstance(decorated, Function)
        assert decorated.func is plain
        assert run(decorated(3)) == 3


def test_a_function_looks_like_the_undecorated_one() -> None:
    assert (add.__name__, add.__qualname__, add.__module__) == ("add", "add", __name__)
    assert add.__doc__ == "Add two numbers."
    assert inspect.signature(add) == inspect.signature(add.func)
    assert inspect.unwrap(add) is add.func
    assert inspect.getdoc(add) == "Add two numbers."
    assert repr(add) == f"{__name__}.add"


def test_arguments_that_may_be_none_are_told_how_to_say_so() -> None:
    with pytest.raises(CastError, match=r"Cannot cast None to .*add `\| None` to the annotation"):
        identity(None)


def test_a_forgotten_return_is_told() -> None:
    @sematic.func
    def double(x: int) -> int:
        x * 2

    with pytest.raises(sematic.PipelineRunError) as caught:
        run(double(2))
    message = str(caught.value.__cause__)
    assert f"Invalid output type for '{double!r}'. Cannot cast None to <class 'int'>. It" in message
    assert "It returned nothing: is a `return` missing?" in message


def test_returning_something_where_nothing_was_annotated_is_told() -> None:
    @sematic.func
    def double(x: int) -> None:
        return x * 2  # type: ignore[return-value]

    with pytest.raises(sematic.PipelineRunError) as caught:
        run(double(2))
    message = str(caught.value.__cause__)
    assert "Cannot cast 4 to <class 'NoneType'>. It is annotated as returning nothing: " in message


def test_the_plain_function_can_be_called() -> None:
    assert add.func(1, 2) == 3
    assert add.func("a", "b") == "ab"


def test_types_are_resolved_in_order() -> None:
    assert add.input_types == {"a": float, "b": float}
    assert list(add.input_types) == ["a", "b"]
    assert add.output_type is float


def test_path_and_source() -> None:
    assert add.path == f"{__name__}.add"
    assert add.source.startswith("@sematic.func\ndef add(")
    assert len(add.source_hash) == 40
    assert add.source_hash != identity.source_hash


def test_a_function_without_source() -> None:
    function = defined_nowhere("@sematic.func\ndef f() -> int:\n    return 1")
    assert function.source == "# Source code not available"
    assert run(function()) == 1


def defined_nowhere(code: str) -> Function:
    scope: dict = {"sematic": sematic}
    exec(compile(code, "<nowhere>", "exec"), scope)
    return scope["f"]


def test_descriptors_tell_the_types() -> None:
    assert add.input_descriptors == {"a": "float", "b": "float"}
    assert add.output_descriptor == "float"


def test_lambdas_without_arguments() -> None:
    assert run(sematic.func(lambda: None)()) is None


def test_functions_inside_of_functions() -> None:
    offset = 3

    @sematic.func
    def inner(x: int) -> int:
        return x + offset

    assert run(inner(1)) == 4
    assert inner.path.endswith("<locals>.inner")


# --- calls


@pytest.mark.parametrize(
    "call",
    [
        lambda: add(1, 2),
        lambda: add(1),
        lambda: add(a=1),
        lambda: add(b=2, a=1),
        lambda: add(1, b=2),
    ],
)
def test_arguments_in_every_way(call) -> None:
    assert call().kwargs == {"a": 1.0, "b": 2.0}
    assert run(call()) == 3.0


def test_defaults_are_cast_too() -> None:
    value = add(1).kwargs["b"]
    assert (value, type(value)) == (2.0, float)


def test_positional_only_and_keyword_only_arguments() -> None:
    @sematic.func
    def mixed(a: int, /, b: int, *, c: int, d: int = 4) -> List[int]:
        return [a, b, c, d]

    assert run(mixed(1, 2, c=3)) == [1, 2, 3, 4]
    assert run(mixed(1, b=2, d=5, c=3)) == [1, 2, 3, 5]
    with pytest.raises(TypeError, match="missing a required"):
        mixed(1, 2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="too many positional"):
        mixed(1, 2, 3, 4)  # type: ignore[misc]
    with pytest.raises(TypeError):
        mixed(a=1, b=2, c=3)  # type: ignore[call-arg]


def test_a_positional_only_argument_may_share_its_name() -> None:
    @sematic.func
    def only(a: int, /) -> int:
        return a

    assert run(only(1)) == 1
    with pytest.raises(TypeError, match=r"^only\(\) .*positional"):
        only(a=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: add(), r"^add\(\) missing a required argument: 'a'$"),
        (
            lambda: add(1, 2, 3),
            r"^add\(\) got too many positional arguments: it takes from 1 to 2 but 3 were given$",
        ),
        (
            lambda: identity(1, 2),
            r"^identity\(\) got too many positional arguments: it takes 1 but 2 were given$",
        ),
        (lambda: add(1, zz=3), r"^add\(\) got an unexpected keyword argument 'zz'$"),
        (lambda: identity(val=1), r"^identity\(\) got an .* 'val'\. Did you mean 'value'\?$"),
        (lambda: add(1, a=1), r"^add\(\) got multiple values for argument 'a'$"),
        (lambda: add.map([1], 2, 3), r"^add\.map\(\) got too many positional arguments: it takes "),
    ],
)
def test_arguments_that_do_not_fit_the_signature(call, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_arguments_are_cast() -> None:
    assert identity(3.0).kwargs == {"value": 3}
    assert add("1.5").kwargs["a"] == 1.5


def test_an_argument_that_does_not_fit_is_named() -> None:
    with pytest.raises(CastError) as caught:
        add("abc", 1)
    assert str(caught.value) == (
        f"Invalid input type for argument 'a' when calling '{__name__}.add'. "
        "Cannot cast 'abc' to <class 'float'>"
    )
    assert isinstance(caught.value, TypeError)
    assert caught.value.__cause__ is None


def test_a_future_of_another_type_is_named() -> None:
    @sematic.func
    def text() -> str:
        return ""

    with pytest.raises(CastError) as caught:
        add(1, text())
    assert str(caught.value) == (
        f"Invalid input type for argument 'b' when calling '{__name__}.add'. "
        "Cannot cast <class 'str'> to <class 'float'>: Cannot cast <class 'str'> to float"
    )


def test_an_output_that_does_not_fit_is_named() -> None:
    @sematic.func
    def wrong() -> int:
        return "abc"  # type: ignore[return-value]

    with pytest.raises(sematic.PipelineRunError) as caught:
        run(wrong())
    assert isinstance(caught.value.__cause__, CastError)
    assert str(caught.value.__cause__).startswith(f"Invalid output type for '{wrong!r}'. Cannot")


def test_outputs_are_cast() -> None:
    @sematic.func
    def whole() -> float:
        return 1

    assert type(run(whole())) is float


def test_none_outputs() -> None:
    @sematic.func
    def explicit() -> None:
        pass

    @sematic.func
    def silent():
        return

    assert (explicit.output_type, silent.output_type) == (type(None), type(None))
    assert run(explicit()) is run(silent()) is None


# --- refusals at decoration, in the words of the reference


def refusal(function: object, **options: object) -> str:
    with pytest.raises(InvalidFunctionError) as caught:
        sematic.func(function, **options)  # type: ignore[call-overload]
    return str(caught.value)


def test_missing_annotations() -> None:
    def f(b, a, c: int) -> None: ...

    assert refusal(f) == (
        "Missing function type annotations. The following arguments are not annotated: 'a', 'b'. "
        "Write `a: <type>`, `b: <type>`."
    )
    assert refusal(lambda x: x).endswith(
        "not annotated: 'x'. A lambda has no place for them: write a function instead."
    )


@pytest.mark.parametrize("options", [{}, {"cache": True}, {"standalone": 3}])
def test_what_is_wrong_is_the_last_line_of_the_users_code(options: dict[str, Any]) -> None:
    def f(a) -> None: ...

    with pytest.raises(sematic.SematicError) as caught:
        sematic.func(**options)(f) if options else sematic.func(f)
    here, *ours = traceback.extract_tb(caught.value.__traceback__)
    assert here.filename == __file__
    assert len(ours) == 1


def test_missing_annotations_of_keyword_only_and_positional_only_arguments() -> None:
    def f(a, /, *, k) -> None: ...

    assert "not annotated: 'a', 'k'. " in refusal(f)


def test_missing_annotations_are_value_errors_too() -> None:
    with pytest.raises(ValueError, match="Missing function type annotations"):
        sematic.func(lambda x: x)


def test_variadic_arguments() -> None:
    def positional(*abc: int) -> None: ...
    def keywords(a: int, **options: int) -> None: ...

    assert refusal(positional) == (
        "Variadic arguments are not supported. 'positional' has variadic argument 'abc'. Please "
        "see https://docs.sematic.dev/diving-deeper/future-algebra#variadic-arguments for more "
        "details. Write an argument that is a list or a dict."
    )
    assert "'keywords' has variadic argument 'options'" in refusal(keywords)


def test_methods() -> None:
    class Steps:
        def method(self, x: int) -> int:
            return x

        def on_class(cls, x: int) -> int:
            return x

    for method in (Steps.method, Steps.on_class):
        assert refusal(method) == (
            f"@sematic.func can only be used with functions, not methods. But {method!r} is a "
            "method. Instead, consider defining a function where the first argument is the object "
            "currently being passed as 'self' or 'cls'. You should also rename that parameter to "
            "something more descriptive"
        )


def test_class_methods_and_static_methods() -> None:
    class Steps:
        @classmethod
        def on_class(cls, x: int) -> int:
            return x

        @staticmethod
        def static(x: int) -> int:
            return x

    assert "not methods" in refusal(vars(Steps)["on_class"])
    assert "can only be used with functions" in refusal(vars(Steps)["static"])
    assert "can only be used with functions" in refusal(Steps().on_class)
    assert run(sematic.func(Steps.static)(3)) == 3


def test_async_functions_and_generators() -> None:
    async def coroutine(x: int) -> int:
        return x

    def generator() -> typing.Iterator[int]:
        yield 1

    async def both() -> typing.AsyncIterator[int]:
        yield 1

    for function in (coroutine, generator, both):
        assert refusal(function) == (
            "@sematic.func can't be used with async functions, generators, or coroutines. "
            f"But {function!r} is one of these. Write a plain function, which returns a list or "
            "calls asyncio.run(...)."
        )


def test_what_is_no_function() -> None:
    assert refusal("abc") == "@sematic.func can only be used with functions. But 'abc' is a 'str'."
    for thing in (int, len, 3, object()):
        assert refusal(thing).startswith("@sematic.func can only be used with functions. But ")


def test_double_decoration() -> None:
    assert refusal(add) == f"{__name__}.add is decorated with @sematic.func twice."
    with pytest.raises(InvalidFunctionError, match="twice"):
        sematic.func(cache=True)(add)


T = TypeVar("T")


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Any, "'Any' is not a Sematic-supported type. Use 'object' instead."),
        (List, "List must be parametrized (List[...] instead of List)."),
        (list, "list must be parametrized (list[...] instead of list)."),
        (Dict, "Dict must be parametrized (Dict[...] instead of Dict)."),
        (Union, "Union must be parametrized (Union[...] instead of Union)."),
        (Optional, "Optional must be parametrized (Optional[...] instead of Optional)."),
        (
            Callable[[int], int],
            "Expected a Sematic-supported type here, but got: typing.Callable[[int], int]. Use "
            "'object' instead, and any value passes, functions too.",
        ),
        (T, "Expected a Sematic-supported type here, but got: ~T. Use 'object' instead"),
        (3, "Expected a Sematic-supported type here, but got: 3. Use 'Literal[3]' or"),
        (collections.abc.Iterator[int], "Expected a Sematic-supported type here, but got: col"),
        (List[Any], "'Any' is not a Sematic-supported type. Use 'object' instead."),
        (Optional[List], "List must be parametrized"),
    ],
)
def test_unsupported_annotations(annotation, message: str) -> None:
    def argument(x: annotation) -> None: ...
    def output() -> annotation: ...

    where = f"Invalid type annotation for argument 'x' of {__name__}.argument: "
    assert refusal(argument).startswith(where + message)
    where = f"Invalid type annotation for output of {__name__}.output: "
    assert refusal(output).startswith(where + message)


def test_a_wrong_annotation_is_a_type_error() -> None:
    def f(x: Any) -> None: ...

    with pytest.raises(TypeError, match="'Any' is not"):
        sematic.func(f)


@dataclass
class Config:
    rate: float


@pytest.mark.parametrize(
    "annotation",
    [
        *(int, float, str, bool, bytes, None, object, Config, Exception),
        *(List[int], list[int], Tuple[int, str], Tuple[int, ...], Set[str], Dict[str, List[int]]),
        *(Optional[int], Union[int, str], int | None, Dict[str, Optional[Config]]),
        collections.abc.Sequence[int],
    ],
)
def test_supported_annotations(annotation) -> None:
    def f(x: annotation) -> annotation:
        return x

    assert sematic.func(f).input_types == {"x": type(None) if annotation is None else annotation}


# --- string annotations


class Later:
    """Known by name only, in the annotations below."""


@sematic.func
def by_name(x: "Later", y: "List[Optional[int]]") -> "Later":
    return x


def test_string_annotations() -> None:
    assert by_name.input_types == {"x": Later, "y": List[Optional[int]]}
    assert by_name.output_type is Later


def test_string_annotations_of_local_classes() -> None:
    class Local:
        pass

    @sematic.func
    def f(x: "Local", y: "list[Local]") -> "Optional[Local]":
        return x

    assert f.input_types == {"x": Local, "y": list[Local]}


def test_a_name_that_is_not_there() -> None:
    def f(x: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    message = refusal(f)
    assert "argument 'x'" in message
    assert "'Missing' cannot be looked up (NameError" in message


def test_string_annotations_are_validated() -> None:
    def f(x: "List") -> None: ...

    assert "List must be parametrized" in refusal(f)


# --- what is returned must be annotated


def returns_later():
    if add:
        for _ in range(3):
            return add.options
    return None


def returns_in_a_nested_function():
    def inner():
        return 3

    class Inner:
        def method(self):
            return 4

    print(inner, Inner, lambda: 5)


def returns_nothing():
    if add:
        return
    return


def test_a_value_without_a_return_annotation_is_refused() -> None:
    assert refusal(returns_later) == (
        f"{__name__}.returns_later has no return annotation but has `return add.options` in it. "
        "Say what it returns: `def returns_later(...) -> <type of add.options>:`"
    )


def test_a_value_without_a_return_annotation_inside_of_a_function() -> None:
    def inner(x: int):
        """It

        has blank lines.
        """
        return x

    assert "`return x`" in refusal(inner)

    with pytest.raises(InvalidFunctionError, match="has no return annotation"):

        @sematic.func(cache=True)
        def decorated(x: int):
            return x


@pytest.mark.parametrize("function", [returns_in_a_nested_function, returns_nothing])
def test_functions_that_return_nothing_need_no_annotation(function) -> None:
    assert sematic.func(function).output_type is type(None)


# --- pickling


def test_functions_pickle_by_name() -> None:
    assert pickle.loads(pickle.dumps(add)) is add
    assert copy.copy(add) is add
    assert copy.deepcopy(add) is add


def test_functions_that_cannot_be_imported_do_not_pickle_by_name() -> None:
    @sematic.func
    def local() -> None: ...

    assert add.is_importable()
    assert not local.is_importable()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(local)


def test_a_shadowed_function_is_not_importable() -> None:
    assert not sematic.func(add.func).is_importable()


# --- map


@sematic.func
def scale(x: int, factor: int = 10) -> int:
    return x * factor


@sematic.func
def numbers(count: int) -> List[int]:
    return list(range(count))


def test_map_over_a_list() -> None:
    assert run(scale.map([1, 2, 3])) == [10, 20, 30]
    assert run(scale.map([1, 2], factor=2)) == [2, 4]
    assert run(scale.map([1, 2], 3)) == [3, 6]
    assert run(scale.map([])) == []


def test_map_over_a_list_that_is_not_known_yet() -> None:
    @sematic.func
    def pipeline(count: int) -> List[int]:
        return scale.map(numbers(count), factor=identity(2))

    assert run(pipeline(4)) == [0, 2, 4, 6]
    assert run(pipeline(0)) == []


def test_map_over_a_list_of_futures() -> None:
    @sematic.func
    def pipeline() -> List[int]:
        return scale.map([identity(1), 2])

    assert run(pipeline()) == [10, 20]


def test_maps_can_follow_one_another() -> None:
    @sematic.func
    def total(values: List[int]) -> int:
        return sum(values)

    @sematic.func
    def pipeline() -> int:
        return total(scale.map(scale.map(numbers(4))))

    assert run(pipeline()) == 600


def test_map_checks_types() -> None:
    with pytest.raises(CastError, match="argument 'x'"):
        scale.map(["a"])
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        scale.map()
    with pytest.raises(CastError):
        scale.map(identity(3))


def test_map_is_a_function_itself() -> None:
    assert scale.map is scale.map
    assert scale.map.path == f"{__name__}.scale.map"
    assert scale.map.input_types == {"x": list[int], "factor": int}
    assert scale.map.output_type == list[int]
    assert scale.map([1]).props.name == "scale.map"
    assert scale.map.is_importable()
    assert pickle.loads(pickle.dumps(scale.map)) is scale.map


def test_mapped_calls_have_the_options_of_the_function() -> None:
    made: List[Future] = []

    @sematic.func(cache=True)
    def cached(x: int) -> int:
        return x

    original = cached.map.func

    def spy(*args: object, **kwargs: object) -> object:
        made.extend(original(*args, **kwargs))
        return made

    cached.map.func = spy
    run(cached.map([1, 2]))
    assert [future.props.cache for future in made] == [True, True]


def test_map_of_functions_with_positional_only_and_keyword_only_arguments() -> None:
    @sematic.func
    def positional(x: int, /, y: int) -> int:
        return x * y

    @sematic.func
    def keyword(*, x: int, y: int = 2) -> int:
        return x * y

    assert run(positional.map([1, 2], 3)) == [3, 6]
    assert run(keyword.map(x=[1, 2])) == [2, 4]


def test_map_needs_an_argument() -> None:
    @sematic.func
    def nothing() -> int:
        return 1

    with pytest.raises(InvalidFunctionError, match="has no argument, so it cannot be mapped"):
        _ = nothing.map
