"""Functions without a return annotation, with and without source to look at."""

from collections.abc import Callable
from typing import Any

import pytest

import sematic
from sematic.errors import InvalidFunctionError

HEAD = "def f(x: int = 1):\n"


def without_source(body: str) -> Callable[..., Any]:
    names: dict[str, Any] = {"cm": None}
    exec(HEAD + body, names)  # as `python -c` and notebooks' magics do
    function: Callable[..., Any] = names["f"]
    function.__module__ = "no_such_module"
    return function


@pytest.mark.parametrize(
    "body",
    [
        "    return x",
        "    return 5",
        "    return x or None",
        "    return None if x else x",
        "    return x if x else None",
        "    if x: return\n    return [x]",
        "    with cm: return x",
        "    try: return x\n    finally: print(x)",
        "    for i in range(x): return i",
    ],
)
def test_a_value_is_found_in_the_code(body: str) -> None:
    with pytest.raises(
        InvalidFunctionError, match=r"returns a value\. Say what it returns: `def f"
    ):
        sematic.func(without_source(body))


@pytest.mark.parametrize(
    "body",
    [
        "    pass",
        "    return",
        "    return None",
        "    if x: return\n    print(x)",
        "    with cm: return",
        "    with cm: print(x)",
        "    try: print(x)\n    except ValueError: return\n    finally: print(x)",
        "    for i in range(x):\n        if i: return\n    raise ValueError",
        "    while True: print(x)",
        "    def g(): return 5\n    g()",
    ],
)
def test_code_that_returns_nothing_needs_no_annotation(body: str) -> None:
    assert sematic.func(without_source(body)).output_type is type(None)


def test_lambdas_are_told_that_they_have_no_place_for_annotations() -> None:
    for function in (lambda: 5, [lambda: [1]][0]):
        with pytest.raises(InvalidFunctionError, match="A lambda has no place for type annot"):
            sematic.func(function)
    assert sematic.func(lambda: None).output_type is type(None)
