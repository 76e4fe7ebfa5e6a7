"""Exceptions as data: rendered for people, without this package's own frames."""

import os
import pickle
import traceback
from types import TracebackType
from typing import Any

from sematic import errors
from sematic.calls import ErrorRecord
from sematic.types.names import qualified_name

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "examples") + os.sep  # user code, as far as readers care


class RemoteTraceback(Exception):
    """Carries the traceback of another process; the cause of the exception raised there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


def build_error_record(error: BaseException, *, pickled: bool = False) -> ErrorRecord:
    """An exception as data.

    Args:
        error: the exception; frames of this package are taken out of its traceback.
        pickled: whether to keep the exception itself too, for a driver in another process.
    """
    error.__traceback__ = trim(error.__traceback__)
    return ErrorRecord(
        type=qualified_name(type(error)),
        message=_message(error),
        ancestors=tuple(qualified_name(kind) for kind in type(error).__mro__[1:-1]),
        traceback="".join(traceback.format_exception(error)),
        pickled=_pickle(error) if pickled else None,
    )


def restore_exception(record: ErrorRecord) -> BaseException | None:
    """The exception that another process raised, its traceback chained as text.

    Where it did not survive the way, its class not being importable here, the traceback alone; and
    ``None`` where there is none. What this package itself has to say of a lost call becomes one of
    its own exceptions.
    """
    traceback = RemoteTraceback(record.traceback) if record.traceback else None
    if record.pickled is None:
        module, _, name = record.type.rpartition(".")
        ours = getattr(errors, name, None) if module == errors.__name__ else None
        return ours(record.message) if ours is not None else traceback
    try:
        error = pickle.loads(record.pickled)
    except BaseException:  # noqa: BLE001
        # Whatever a foreign __setstate__ raises; the record still tells it all.
        return traceback
    if not isinstance(error, BaseException):
        return traceback
    error.__cause__ = traceback
    return error


def trim(frames: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this package."""
    kept = []
    while frames is not None:
        if not is_ours(frames.tb_frame.f_code.co_filename):
            kept.append(frames)
        frames = frames.tb_next
    trimmed: TracebackType | None = None
    for frame in reversed(kept):
        trimmed = TracebackType(trimmed, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return trimmed


def trim_causes(error: BaseException) -> None:
    """Take the frames of this package out of the tracebacks of what an error comes from."""
    seen: set[int] = set()
    cause = error.__cause__ or error.__context__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause.__traceback__ = trim(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


def is_ours(filename: str) -> bool:
    """Whether code of this package is in a file; its examples are a user's code."""
    return filename.startswith(_PACKAGE) and not filename.startswith(_EXAMPLES)


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as broken:  # noqa: BLE001
        # A user's __str__ must not hide that there was an error, whatever it raises itself.
        return f"<{type(error).__name__} whose __str__ raised {type(broken).__name__}>"


def _pickle(error: BaseException) -> bytes | None:
    pickled = _try_to_pickle(error)
    if pickled is None:
        pickled = _try_to_pickle(_Likeness(error))
    return pickled  # the record's text is what remains in any case


def _try_to_pickle(value: object) -> bytes | None:
    import cloudpickle  # classes of __main__ go by value

    try:
        pickled = cloudpickle.dumps(value)
        str(pickle.loads(pickled))  # many exceptions pickle but do not unpickle
    except BaseException:  # noqa: BLE001 - whatever the methods of a foreign class raise
        return None
    return bytes(pickled)


class _Likeness:
    """Pickles as an exception of the same class, made of those parts that can be pickled.

    With it ``except`` and ``isinstance`` work in the driver for exceptions that hold a lock or a
    connection, and for those that cannot be made from their ``args`` again.
    """

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self._error
        arguments = tuple(a if _try_to_pickle(a) is not None else repr(a) for a in error.args)
        kept = {n: v for n, v in vars(error).items() if _try_to_pickle(v) is not None}
        return _make_without_constructor, (type(error), arguments, kept)


def _make_without_constructor(
    kind: type[BaseException], arguments: tuple[Any, ...], attributes: dict[str, Any]
) -> BaseException:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error
