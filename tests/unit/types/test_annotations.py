import collections
import functools
import io
from typing import (
    IO,
    Annotated,
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    ClassVar,
    Counter,
    Deque,
    Dict,
    FrozenSet,
    Generic,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    NamedTuple,
    NewType,
    NoReturn,
    Optional,
    Protocol,
    Sequence,
    Set,
    TextIO,
    Tuple,
    Type,
    TypedDict,
    TypeVar,
    Union,
    runtime_checkable,
)

import numpy.typing
import pytest

from sematic.errors import InvalidFunctionError
from sematic.types.annotations import resolve_annotations, validate_annotation

T = TypeVar("T")
UserId = NewType("UserId", int)


class Point(NamedTuple):
    x: int
    y: float


class Options(TypedDict):
    depth: int


class Sized(Protocol):
    size: int


@runtime_checkable
class Closable(Protocol):
    def close(self) -> None: ...


class AnyModel:
    callback: Any


SUPPORTED = [
    *(int, float, bool, str, bytes, complex, object, None, type(None), AnyModel),
    *(List[int], list[int], Dict[str, List[int]], Set[int], FrozenSet[int], frozenset[str]),
    *(Tuple[int, str], Tuple[int, ...], tuple[()], Tuple[()]),
    *(Optional[int], Union[int, str], int | None, list[int | str]),
    *(Literal["a", 1, None], Annotated[List[int], ["metadata"]], UserId, Type[int], type[int]),
    *(Sequence[int], Mapping[str, int], Iterable[int], collections.abc.Set[int]),
    *(Deque[int], Counter[str], collections.OrderedDict[str, int], collections.deque, type),
    *(Point, Options, Closable, numpy.typing.NDArray[numpy.float64]),
]


@pytest.mark.parametrize("annotation", SUPPORTED, ids=str)
def test_supported(annotation):
    validate_annotation(annotation)


@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: Dict[str, List[Optional[t]]]])
def test_any_is_refused_at_any_depth(wrap):
    with pytest.raises(InvalidFunctionError) as caught:
        validate_annotation(wrap(Any))
    assert str(caught.value) == "'Any' is not a Sematic-supported type. Use 'object' instead."


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (List, "List"),
        (list, "list"),
        (Dict, "Dict"),
        (tuple, "tuple"),
        (Tuple, "Tuple"),
        (frozenset, "frozenset"),
        (Sequence, "Sequence"),
        (collections.abc.Mapping, "Mapping"),
        (Union, "Union"),
        (Optional, "Optional"),
        (Literal, "Literal"),
        (List[Dict], "Dict"),
        (Tuple[int, list], "list"),
        (list | None, "list"),
        (Annotated[List, 1], "List"),
        (Deque[set], "set"),
        (NewType("Names", list), "list"),
    ],
    ids=str,
)
def test_bare_generics_are_refused(annotation, name):
    with pytest.raises(InvalidFunctionError) as caught:
        validate_annotation(annotation)
    assert str(caught.value) == f"{name} must be parametrized ({name}[...] instead of {name})."


FUNCTIONS = "Use 'object' instead, and any value passes, functions too."
FILES = "Use 'pathlib.Path' and pass where the file is, or 'str' or 'bytes' for what is in it."
BOUND = TypeVar("BOUND", bound=Sequence[int])


@pytest.mark.parametrize(
    ("annotation", "refused", "instead"),
    [
        (Callable, Callable, FUNCTIONS),
        (Callable[[int], str], Callable[[int], str], FUNCTIONS),
        (collections.abc.Callable, collections.abc.Callable, FUNCTIONS),
        (List[Callable[..., int]], Callable[..., int], FUNCTIONS),
        (T, T, "Use 'object' instead, or the type that it stands for."),
        (Dict[str, T], T, "Use 'object' instead, or the type that it stands for."),
        (BOUND, BOUND, f"Use '{Sequence[int]}' instead, or the type that it stands for."),
        (Iterator[int], Iterator[int], "Use 'list[int]' instead: looking at the values would"),
        (AsyncIterator[int], AsyncIterator[int], "Use 'list[int]' instead: looking at the values"),
        (Awaitable[int], Awaitable[int], "Wait for it in the function, e.g. with asyncio.run(.."),
        (NoReturn, NoReturn, "Use 'None' for a function that returns nothing."),
        (IO[str], IO[str], FILES),
        (Optional[TextIO], TextIO, FILES),
        (io.TextIOWrapper, io.TextIOWrapper, FILES),
        ("int", "int", "It is a text in something that is no text: write int without quotes."),
        (3, 3, "Use 'Literal[3]' or 'int' instead."),
        ((int, str), (int, str), "Use 'tuple[int, str]' or 'int | str' instead."),
        (NamedTuple, NamedTuple, "Define a class with the fields, and write its name."),
        (Generic, Generic, "Define a class of it, and write its name."),
        (Protocol, Protocol, "Define a class of it, and write its name."),
        (ClassVar[int], ClassVar[int], "It belongs into a class. Use 'int' instead."),
        (numpy.array, numpy.array, "'array' is a function: write the type of what it returns."),
        (tuple[...], ..., "'...' has a meaning only at the end of 'tuple[X, ...]'."),
        ({}, {}, "Write a class, or what typing makes of classes, e.g. 'int', 'list[int]'"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),  # no addresses
)
def test_what_cannot_be_checked_is_refused_with_what_to_write(annotation, refused, instead):
    with pytest.raises(InvalidFunctionError) as caught:
        validate_annotation(annotation)
    assert str(caught.value).startswith(
        f"Expected a Sematic-supported type here, but got: {refused}. {instead}"
    )


def test_files_in_memory_are_types_like_others():
    for annotation in (io.BytesIO, io.StringIO, io.IOBase):
        validate_annotation(annotation)


def test_a_protocol_must_be_checkable():
    with pytest.raises(InvalidFunctionError, match="runtime_checkable"):
        validate_annotation(List[Sized])


def test_resolve_strings_and_none():
    def f(a: "int", b: "List['Point']", c: list["Point"], d: "int | None") -> None: ...

    assert resolve_annotations(f) == {
        "a": int,
        "b": List[Point],
        "c": list[Point],
        "d": int | None,
        "return": type(None),
    }


def test_a_default_of_none_makes_nothing_optional():
    def f(a: int = None): ...  # noqa: RUF013

    assert resolve_annotations(f) == {"a": int}


def test_metadata_is_kept():
    def f(a: "Annotated[int, 'metadata']"): ...

    assert resolve_annotations(f) == {"a": Annotated[int, "metadata"]}


def test_names_of_the_functions_around_are_found():
    class Local:
        pass

    def f(a: "Local", b: "Dict[str, Local]") -> "Local": ...

    def middle():
        def g(a: "Local"): ...

        return resolve_annotations(g)

    assert resolve_annotations(f) == {"a": Local, "b": Dict[str, Local], "return": Local}
    assert middle() == {"a": Local}


def test_names_in_the_closure_are_found_when_the_function_around_has_returned():
    def around():
        class Local:
            pass

        def f(a: "Local"):
            return Local()

        return f, Local

    f, local = around()
    assert resolve_annotations(f) == {"a": local}


def test_local_names_go_before_global_ones():
    class Point:
        pass

    def f(a: "Point"): ...

    assert resolve_annotations(f) == {"a": Point}


def test_a_wrapped_function_is_looked_up_where_it_was_defined():
    def f(a: "Point"): ...

    @functools.wraps(f)
    def wrapper(*args): ...

    assert resolve_annotations(wrapper) == {"a": Point}


def test_a_name_that_is_not_there():
    def f(a: int, b: "List[Nowhere]"): ...  # noqa: F821

    with pytest.raises(InvalidFunctionError) as caught:
        resolve_annotations(f)
    assert str(caught.value) == (
        f"Invalid type annotation for argument 'b' of {__name__}.f: 'List[Nowhere]' cannot be "
        "looked up (NameError: name 'Nowhere' is not defined). Define or import what it names "
        "before the function, and not only under `if TYPE_CHECKING:`."
    )


@pytest.mark.parametrize(
    ("annotation", "part"),
    [
        (dict[list[int], int], "list[int]"),
        (Dict[Tuple[int, List[int]], int], "typing.Tuple[int, typing.List[int]]"),
        (set[dict[str, int]], "dict[str, int]"),
        (list[FrozenSet[Set[int]]], "typing.Set[int]"),
        (Mapping[Deque[int], int], "typing.Deque[int]"),
    ],
    ids=str,
)
def test_what_no_value_can_be_in_is_refused(annotation, part):
    with pytest.raises(InvalidFunctionError) as caught:
        validate_annotation(annotation)
    assert f"values of {part} have no hash. Use tuples and frozensets" in str(caught.value)


@pytest.mark.parametrize(
    "annotation",
    [
        dict[Union[List[int], str], int],
        dict[Sequence[int], int],
        set[collections.abc.Set[int]],
        set[Mapping[str, int]],
        set[Tuple[List[int], ...]],  # one without elements has a hash
        FrozenSet[FrozenSet[int]],
        dict[object, list[int]],
    ],
    ids=str,
)
def test_what_some_value_can_be_in_is_not(annotation):
    validate_annotation(annotation)


def test_literals_of_what_has_no_hash_are_refused():
    with pytest.raises(InvalidFunctionError, match=r"there is \[1\]\. Write its type instead"):
        validate_annotation(Literal[1, [1]])  # type: ignore[valid-type]
