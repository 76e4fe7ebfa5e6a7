"""Which functions can be units of work: plain ones, with a type for everything."""

import inspect
from collections.abc import Callable
from typing import Any

from sematic.errors import InvalidFunctionError
from sematic.returned_values import refuse_unannotated_return
from sematic.types.annotations import check_annotation, resolve_annotations

_DOCS = "https://docs.sematic.dev/diving-deeper/future-algebra"


def check_kind(func: object) -> None:
    """Refuse what is no plain function: methods, classes, generators, async functions.

    Raises:
        InvalidFunctionError: with what to write instead.
    """
    if isinstance(func, (staticmethod, classmethod)):
        _refuse_method(func.__func__)
    if not inspect.isfunction(func):
        raise InvalidFunctionError(
            f"@sematic.func can only be used with functions. But {func!r} is a "
            f"{type(func).__name__!r}."
        )
    if (
        inspect.iscoroutinefunction(func)
        or inspect.isgeneratorfunction(func)
        or inspect.isasyncgenfunction(func)
    ):
        raise InvalidFunctionError(
            "@sematic.func can't be used with async functions, generators, or coroutines. "
            f"But {func!r} is one of these. Write a plain function, which returns a list or calls "
            "asyncio.run(...)."
        )
    if next(iter(inspect.signature(func).parameters), None) in ("self", "cls"):
        _refuse_method(func)


def _refuse_method(func: object) -> None:
    raise InvalidFunctionError(
        f"@sematic.func can only be used with functions, not methods. But {func!r} is a method. "
        "Instead, consider defining a function where the first argument is the object currently "
        "being passed as 'self' or 'cls'. You should also rename that parameter to something "
        "more descriptive"
    )


def checked_types(
    func: Callable[..., object], signature: inspect.Signature
) -> tuple[dict[str, Any], Any]:
    """The resolved annotation of each argument, in order, and of what a function returns.

    Raises:
        InvalidFunctionError: one is missing or no type, or there are variadic arguments.
    """
    parameters = signature.parameters
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise InvalidFunctionError(
                f"Variadic arguments are not supported. {func.__name__!r} has variadic argument "
                f"{name!r}. Please see {_DOCS}#variadic-arguments for more details. Write an "
                "argument that is a list or a dict."
            )
    missing = sorted(n for n, p in parameters.items() if p.annotation is p.empty)
    if missing:
        raise InvalidFunctionError(
            "Missing function type annotations. The following arguments are not annotated: "
            f"{', '.join(map(repr, missing))}. {_how_to_annotate(func, missing)}"
        )
    if signature.return_annotation is signature.empty:
        refuse_unannotated_return(func)
    annotations = resolve_annotations(func)
    for name, annotation in annotations.items():
        check_annotation(func, name, annotation)
    return {n: annotations[n] for n in parameters}, annotations.get("return", type(None))


def _how_to_annotate(func: Callable[..., object], names: list[str]) -> str:
    if func.__name__ == "<lambda>":
        return "A lambda has no place for them: write a function instead."
    return f"Write {', '.join(f'`{name}: <type>`' for name in names)}."
