"""Exceptions as data, and back."""

import os
import pickle
import threading

import pytest

import sematic
from sematic.calls import ErrorRecord, Failed
from sematic.error_records import (
    RemoteTraceback,
    build_error_record,
    restore_exception,
    trim,
)
from sematic.execution import build_root_call, execute_call
from sematic.testing import MemoryStore
from sematic.types import names


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("has a lock")
        self.lock = threading.Lock()


class Lopsided(Exception):
    """Pickles, but does not unpickle: as many exceptions of real libraries."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Precise(ZeroDivisionError):
    pass


class Rude(Exception):
    """Ends the process of who wants to know what it says."""

    def __str__(self) -> str:
        raise self.args[0]


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_what_a_record_tells() -> None:
    record = build_error_record(raised(Precise("broken")))
    assert record.type == f"{__name__}.Precise"
    assert record.message == "broken"
    assert record.ancestors == (
        "builtins.ZeroDivisionError",
        "builtins.ArithmeticError",
        "builtins.Exception",
        "builtins.BaseException",
    )
    assert "raise error" in record.traceback
    assert record.traceback.endswith("Precise: broken\n")
    assert record.pickled is None


def test_chained_exceptions_are_in_the_traceback() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("second") from first
    except ValueError as second:
        record = build_error_record(second)
    assert "KeyError: 'first'" in record.traceback
    assert "direct cause" in record.traceback


def test_an_exception_whose_str_raises() -> None:
    record = build_error_record(raised(Mute()))
    assert record.message == "<Mute whose __str__ raised RuntimeError>"
    assert record.traceback


def test_frames_of_the_package_are_left_out() -> None:
    @sematic.func
    def broken() -> int:
        raise ValueError("here")

    store = MemoryStore()
    call = build_root_call(broken(), store)
    outcome = execute_call(call, call.inputs, store=store)
    error = outcome.exception  # type: ignore[union-attr]
    assert error.__traceback__.tb_frame.f_code.co_name == "broken"
    assert error.__traceback__.tb_next is None
    package = os.path.dirname(sematic.__file__)
    assert package not in outcome.error.traceback  # type: ignore[union-attr]
    assert 'raise ValueError("here")' in outcome.error.traceback  # type: ignore[union-attr]


def test_trimming_keeps_what_is_the_users() -> None:
    error = raised(ValueError())
    assert error.__traceback__ is not None
    assert trim(error.__traceback__).tb_frame is error.__traceback__.tb_frame  # type: ignore[union-attr]
    assert trim(None) is None


def test_an_exception_comes_back_with_its_traceback() -> None:
    record = build_error_record(raised(Precise("broken")), pickled=True)
    restored = restore_exception(record)
    assert type(restored) is Precise
    assert str(restored) == "broken"
    assert isinstance(restored.__cause__, RemoteTraceback)
    assert "raise error" in str(restored.__cause__)


def test_exceptions_of_local_classes_come_back() -> None:
    class Local(Exception):
        pass

    restored = restore_exception(build_error_record(raised(Local("x")), pickled=True))
    assert type(restored).__name__ == "Local"


@pytest.mark.parametrize("error", [Unpicklable(), Lopsided(3, "x")])
def test_what_cannot_be_pickled_whole_comes_back_in_part(error) -> None:
    record = build_error_record(raised(error), pickled=True)
    restored = restore_exception(record)
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert "raise error" in str(restored.__cause__)


def test_of_a_class_that_cannot_be_pickled_the_traceback_comes_back() -> None:
    guard = threading.Lock()

    class Closed(Exception):
        def __str__(self) -> str:
            return f"{guard}"

    restored = restore_exception(build_error_record(raised(Closed()), pickled=True))
    assert type(restored) is RemoteTraceback
    assert "raise error" in str(restored)


def test_our_own_errors_come_back_from_their_name() -> None:
    record = ErrorRecord("sematic.errors.WorkerLostError", "killed")
    restored = restore_exception(record)
    assert type(restored) is sematic.errors.WorkerLostError
    assert str(restored) == "killed"


@pytest.mark.parametrize(
    "type_", ["builtins.ValueError", "sematic.errors.Missing", "elsewhere.WorkerLostError"]
)
def test_others_do_not_come_back_from_their_name(type_) -> None:
    assert restore_exception(ErrorRecord(type_, "x")) is None


@pytest.mark.parametrize("pickled", [b"broken", pickle.dumps("no exception"), b""])
def test_damaged_pickles_do_no_harm(pickled) -> None:
    assert restore_exception(ErrorRecord("builtins.ValueError", "x", pickled=pickled)) is None


def test_exceptions_of_a_script_are_recorded_under_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(names, "_told_name", "my_script")
    base = type("Base", (Exception,), {"__module__": "__main__"})
    record = build_error_record(type("Own", (base,), {"__module__": "__mp_main__"})("broken"))
    assert record.type == "my_script.Own"
    assert record.ancestors[:2] == ("my_script.Base", "builtins.Exception")


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("remote", [False, True])
def test_what_the_text_of_an_exception_raises_ends_nothing(
    kind: type[BaseException], remote: bool
) -> None:
    @sematic.func
    def fail() -> int:
        raise Rude(kind(3))

    store = MemoryStore()
    outcome = execute_call(build_root_call(fail(), store), {}, store=store, remote=remote)
    assert isinstance(outcome, Failed)
    assert outcome.error.type == f"{__name__}.Rude"
    assert outcome.error.message == f"<Rude whose __str__ raised {kind.__name__}>"
    restored = restore_exception(outcome.error)
    assert restored is None or isinstance(restored, Rude | RemoteTraceback)
