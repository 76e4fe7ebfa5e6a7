"""Functions whose code is replaced by mocks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

from sematic.function import Function


@dataclass(frozen=True)
class SematicFuncMock:
    """A mocked function.

    Attributes:
        mock: what is called in place of the function's code; set its ``return_value``.
        original: the function's own code.
    """

    mock: MagicMock
    original: Callable[..., Any]


@contextmanager
def mock_sematic_funcs(
    funcs: list[Function[..., Any]],
) -> Iterator[dict[Function[..., Any], SematicFuncMock]]:
    """Replace the code of functions while the block runs; their types are still checked.

    Args:
        funcs: the functions to mock.

    Yields:
        The mock of each function.

    Raises:
        ValueError: one of ``funcs`` is not decorated with ``@sematic.func``.
    """
    for function in funcs:
        if not isinstance(function, Function):
            raise ValueError(
                "mock_sematic_funcs(funcs=[...]) must be given a list of functions decorated with "
                f"@sematic.func, but one of the elements was: {function!r}"
            )
    mocks = {f: SematicFuncMock(MagicMock(name=f.__name__), f.func) for f in funcs}
    try:
        for function, mocked in mocks.items():
            function.func = mocked.mock
        yield mocks
    finally:
        for function, mocked in mocks.items():
            function.func = mocked.original
