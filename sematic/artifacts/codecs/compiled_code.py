"""Compiled code in values: only the version of Python that compiled it may execute it.

Functions and classes that other processes cannot import travel with a value, as bytecode. Another
version of Python takes the bytes for other instructions, and crashes: so the version goes with
them, and is compared before anything is made of them.
"""

import sys
from types import CodeType
from typing import Any

from sematic.errors import ForeignCodeError

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Bytecode is the same in all releases of this version."""

PYTHON = "python"
"""In a file's metadata: the version that compiled the code in it; not there where none is."""


def check_python(version: str | None) -> None:
    """Refuse code of another version of Python.

    Args:
        version: which compiled it, e.g. ``"3.11"``; ``None`` where there is no code, or where the
            value was stored before versions were.

    Raises:
        ForeignCodeError: it is not this one.
    """
    if version not in (None, THIS_PYTHON):
        raise ForeignCodeError(
            f"it has functions or classes in it that Python {version} compiled, and this is "
            f"Python {THIS_PYTHON}. Read it with Python {version}, or compute the value again."
        )


def build_code(version: str, *parts: Any) -> CodeType:
    """A code object, as pickles name it: neither this function's name nor its place changes.

    Raises:
        ForeignCodeError: another version of Python compiled it.
    """
    check_python(version)
    return CodeType(*parts)
