"""Exceptions as data: rendered for people, without this package's own frames."""

import os
import pickle
import traceback
from types import TracebackType

from sematic import errors
from sematic.calls import ErrorRecord

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
        type=_path(type(error)),
        message=_message(error),
        ancestors=tuple(_path(kind) for kind in type(error).__mro__[1:-1]),
        traceback="".join(traceback.format_exception(error)),
        pickled=_pickle(error) if pickled else None,
    )


def restore_exception(record: ErrorRecord) -> BaseException | None:
    """The exception that another process raised, its traceback chained as text.

    ``None`` where it did not survive the way: its class may not be importable here. What this
    package itself has to say of a lost call becomes one of its own exceptions.
    """
    if record.pickled is None:
        module, _, name = record.type.rpartition(".")
        ours = getattr(errors, name, None) if module == errors.__name__ else None
        return ours(record.message) if ours is not None else None
    try:
        error = pickle.loads(record.pickled)
    except Exception:  # noqa: BLE001
        # Whatever a foreign __setstate__ raises; the record still tells it all.
        return None
    if not isinstance(error, BaseException):
        return None
    error.__cause__ = RemoteTraceback(record.traceback)
    return error


def trim(frames: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this package."""
    kept = []
    while frames is not None:
        if not _is_ours(frames.tb_frame.f_code.co_filename):
            kept.append(frames)
        frames = frames.tb_next
    trimmed: TracebackType | None = None
    for frame in reversed(kept):
        trimmed = TracebackType(trimmed, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return trimmed


def _is_ours(filename: str) -> bool:
    return filename.startswith(_PACKAGE) and not filename.startswith(_EXAMPLES)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ must not hide that there was an error
        return f"<{type(error).__name__} whose __str__ raised {type(broken).__name__}>"


def _pickle(error: BaseException) -> bytes | None:
    import cloudpickle  # classes of __main__ go by value

    try:
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)  # many exceptions pickle but do not unpickle
    except Exception:  # noqa: BLE001 - the record's text is what remains
        return None
    return bytes(pickled)
