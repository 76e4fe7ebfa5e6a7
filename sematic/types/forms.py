"""What an annotation is, once aliases, wrappers and spellings are taken away.

Everything else in this package asks :func:`form_of` and decides by :class:`Kind`, so that a way
to write a type (``List[int]``, ``list[int]``, ``Annotated[list[int], ...]``) is known here only.
"""

import collections
import collections.abc
import dataclasses
import enum
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin


class Unchecked:
    """Static type of a value that nothing is known of before the pipeline runs.

    It fits every annotation: the check is left to the value. It is not for users' annotations.
    """


class Kind(enum.Enum):
    """The families of types that are cast and compared in ways of their own."""

    ANYTHING = enum.auto()
    """``object``: no check."""
    CLASS = enum.auto()
    """Any class; its instances are the values."""
    ENUM = enum.auto()
    LITERAL = enum.auto()
    """``args`` are the values."""
    UNION = enum.auto()
    """``args`` are the members, in the order of declaration."""
    TUPLE = enum.auto()
    """A tuple of fixed length; ``args`` are its elements' types."""
    COLLECTION = enum.auto()
    """Any number of elements of one type, ``args[0]``."""
    MAPPING = enum.auto()
    """``args`` are the types of keys and values."""
    TYPED_DICT = enum.auto()
    NAMED_TUPLE = enum.auto()
    DATACLASS = enum.auto()
    """``args`` are the parameters of a generic one."""
    MODEL = enum.auto()
    """A pydantic model."""
    TYPE = enum.auto()
    """``type[X]``; ``args[0]`` is X."""


@dataclass(frozen=True, slots=True)
class Form:
    """An annotation in its plain form.

    Attributes:
        kind: its family.
        cls: the class that its values are instances of; ``object`` for unions and literals.
        args: its parameters; what they mean depends on ``kind``.
    """

    kind: Kind
    cls: type
    args: tuple[Any, ...] = ()


# Abstract collections say what a value can do, so a value keeps its class when it is cast to one.
ABSTRACT_COLLECTIONS = frozenset(
    {
        collections.abc.Sequence,
        collections.abc.MutableSequence,
        collections.abc.Set,
        collections.abc.MutableSet,
        collections.abc.Collection,
        collections.abc.Iterable,
    }
)
ABSTRACT_MAPPINGS = frozenset({collections.abc.Mapping, collections.abc.MutableMapping})
_COLLECTIONS = ABSTRACT_COLLECTIONS | {list, set, frozenset, collections.deque}
_MAPPINGS = ABSTRACT_MAPPINGS | {dict, collections.OrderedDict, collections.defaultdict}
_WRAPPERS = frozenset({"Required", "NotRequired", "ReadOnly", "ClassVar", "Final"})
_ANYTHING = Form(Kind.ANYTHING, object)


def is_class(annotation: object) -> bool:
    """Whether this is a class. ``list[int]`` is none, though Python 3.10 takes it for one."""
    return isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)


def is_bare(annotation: Any) -> bool:
    """Whether this has no parameters: ``Tuple`` has none, ``Tuple[()]`` has, though it is empty."""
    return not hasattr(annotation, "__args__")


def form_of(annotation: Any) -> Form:
    """The plain form of an annotation. What means nothing to us takes any value."""
    plain = strip(annotation)
    origin = get_origin(plain)
    if origin is typing.Union or origin is types.UnionType:
        return Form(Kind.UNION, object, get_args(plain))
    if origin is typing.Literal:
        return Form(Kind.LITERAL, object, get_args(plain))
    if isinstance(plain, TypeVar):
        return _type_variable_form(plain)
    if (origin or plain) is tuple and is_bare(plain):
        return Form(Kind.COLLECTION, tuple, (object,))
    cls = origin or plain
    if not is_class(cls) or cls in (object, Any, Unchecked):
        return _ANYTHING
    return _class_form(cls, get_args(plain))


def strip(annotation: Any) -> Any:
    """The annotation without aliases, ``Annotated``, ``NewType`` and qualifiers of fields."""
    while True:
        inner = unwrap(annotation)
        if inner is annotation:
            return annotation
        annotation = inner


def unwrap(annotation: Any) -> Any:
    """The annotation without its outermost wrapper; itself where there is none."""
    if annotation is None:
        return type(None)
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return annotation.__origin__
    if is_alias(annotation):
        return annotation.__value__
    if is_alias(origin):
        return origin.__value__[get_args(annotation)]
    if getattr(origin, "_name", None) in _WRAPPERS or origin in (typing.ClassVar, typing.Final):
        return get_args(annotation)[0]
    if is_new_type(annotation):
        return annotation.__supertype__
    if isinstance(annotation, dataclasses.InitVar):
        return annotation.type
    return annotation


def is_new_type(annotation: object) -> bool:
    """Whether this was made by ``typing.NewType``, or the one of ``typing_extensions``."""
    return not is_class(annotation) and hasattr(annotation, "__supertype__")


def is_alias(annotation: object) -> bool:
    """Whether this is what ``type X = ...`` makes."""
    return type(annotation).__name__ == "TypeAliasType"


def is_open_tuple_part(annotation: object) -> bool:
    """Whether this element of a tuple stands for any number of them."""
    unpack = getattr(typing, "Unpack", None)
    return getattr(annotation, "__unpacked__", False) is True or (
        unpack is not None and get_origin(annotation) is unpack
    )


def is_model(cls: type) -> bool:
    """Whether a class is a pydantic model; does not import pydantic."""
    # The class of a user's model exists only where this module was executed.
    model = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    return model is not None and issubclass(cls, model)


def _type_variable_form(variable: Any) -> Form:
    if variable.__constraints__:
        return Form(Kind.UNION, object, variable.__constraints__)
    return form_of(object if variable.__bound__ is None else variable.__bound__)


def _class_form(cls: type, args: tuple[Any, ...]) -> Form:
    if cls is tuple:
        return _tuple_form(args)
    if cls in _COLLECTIONS:
        return Form(Kind.COLLECTION, cls, args or (object,))
    if cls in _MAPPINGS:
        return Form(Kind.MAPPING, cls, args or (object, object))
    if cls is collections.Counter:
        return Form(Kind.MAPPING, cls, (*(args or (object,)), int))
    if cls is type and args:
        return Form(Kind.TYPE, cls, args)
    return Form(_kind_of_class(cls), cls, args)


def _kind_of_class(cls: type) -> Kind:
    if issubclass(cls, enum.Enum):
        return Kind.ENUM
    if issubclass(cls, dict) and hasattr(cls, "__total__"):
        return Kind.TYPED_DICT
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return Kind.NAMED_TUPLE
    if dataclasses.is_dataclass(cls):
        return Kind.DATACLASS
    return Kind.MODEL if is_model(cls) else Kind.CLASS


def _tuple_form(args: tuple[Any, ...]) -> Form:
    if args == ((),):  # Tuple[()] in Python 3.10
        return Form(Kind.TUPLE, tuple)
    if len(args) == 2 and args[1] is Ellipsis:
        return Form(Kind.COLLECTION, tuple, args[:1])
    if any(map(is_open_tuple_part, args)):
        return Form(Kind.COLLECTION, tuple, (object,))
    return Form(Kind.TUPLE, tuple, args)
