"""Plain values from their JSON text. The kinds of object are in ``_READERS``."""

import base64
import importlib
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sematic.artifacts.codecs.classes import resolve_class
from sematic.artifacts.codecs.models import build_model
from sematic.artifacts.codecs.records import build_dataclass, build_enum, build_named_tuple
from sematic.errors import ArtifactError, CorruptArtifactError


def decode(text: str, definitions: Mapping[str, str] | None = None) -> object:
    """The value of a text.

    Args:
        text: what :func:`sematic.artifacts.codecs.plain.encode` made.
        definitions: the classes that came with it. They are unpickled if need be, which
            executes code: only for texts of the ``local`` codec.

    Raises:
        CorruptArtifactError: the text is damaged.
        ArtifactError: a class in it is not to be found in this process.
    """
    try:
        if not definitions:
            return _decoder.decode(text)
        return _build_decoder(definitions).decode(text)
    except ArtifactError:
        raise
    except ZoneInfoNotFoundError as error:
        raise ArtifactError(
            f"This machine does not know the time zone {error.args[0]!r}. Install the package "
            "tzdata."
        ) from error
    except (KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise CorruptArtifactError(f"its text is damaged: {error!r}") from error


def _build_decoder(definitions: Mapping[str, str]) -> json.JSONDecoder:
    def revive(content: dict[str, Any]) -> Any:
        if "$" not in content:
            return content
        if "class" in content:
            return _CLASS_READERS[content["$"]](
                resolve_class(content["class"], definitions), content
            )
        return _READERS[content["$"]](content)

    return json.JSONDecoder(object_hook=revive)


def _float(content: dict[str, Any]) -> float:
    return float(content["value"])


def _str(content: dict[str, Any]) -> str:
    return base64.b64decode(content["value"]).decode("utf-8", "surrogatepass")


def _moment(moment: Any, content: dict[str, Any]) -> Any:
    if "zone" not in content and "fold" not in content:
        return moment
    return moment.replace(tzinfo=content.get("zone"), fold=content.get("fold", 0))


def _timedelta(content: dict[str, Any]) -> timedelta:
    days, seconds, microseconds = content["value"]
    return timedelta(days, seconds, microseconds)


def _numpy(content: dict[str, Any]) -> Any:
    numpy = importlib.import_module("numpy")
    dtype = numpy.dtype(content["dtype"])
    if "data" in content:
        return numpy.frombuffer(content["data"], dtype)[0]
    return dtype.type(content["value"])


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "int": lambda c: int(c["value"], 16),
    "float": _float,
    "str": _str,
    "bytes": lambda c: base64.b64decode(c["value"], validate=True),
    "tuple": lambda c: tuple(c["items"]),
    "dict": lambda c: {key: value for key, value in c["items"]},  # noqa: C416  pairs are lists
    "set": lambda c: set(c["items"]),
    "frozenset": lambda c: frozenset(c["items"]),
    "complex": lambda c: complex(*c["value"]),
    "range": lambda c: range(*c["value"]),
    "decimal": lambda c: Decimal(c["value"]),
    "uuid": lambda c: UUID(c["value"]),
    "date": lambda c: date.fromisoformat(c["value"]),
    "datetime": lambda c: _moment(datetime.fromisoformat(c["value"]), c),
    "time": lambda c: _moment(time.fromisoformat(c["value"]), c),
    "timedelta": _timedelta,
    "timezone": lambda c: timezone(*c["value"]),
    "zoneinfo": lambda c: ZoneInfo(c["key"]),
    "path": lambda c: Path(c["value"]),
    "pure_posix_path": lambda c: PurePosixPath(c["value"]),
    "pure_windows_path": lambda c: PureWindowsPath(c["value"]),
    "numpy": _numpy,
}

_CLASS_READERS: dict[str, Callable[[type, dict[str, Any]], Any]] = {
    "enum": build_enum,
    "dataclass": lambda cls, c: build_dataclass(cls, c["fields"]),
    "model": build_model,
    "namedtuple": lambda cls, c: build_named_tuple(cls, c["fields"]),
}

_decoder = _build_decoder({})
