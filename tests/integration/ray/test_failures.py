"""What fails in a worker, or with it, and what the caller and the record are told."""

import builtins
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import sematic
from sematic.error_records import RemoteTraceback
from sematic.errors import UnserializableValueError, WorkerLostError
from sematic.states import RunState
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result
from tests.integration.ray.functions import LockedError, PictureError, TwoPartError
from tests.integration.ray.processes import wait_until_gone

pytestmark = pytest.mark.ray

Run = Callable[..., Result]


@sematic.func
def pipeline(kind: str) -> list[int]:
    return [functions.fail(kind), functions.add(1, 2)]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("picture", PictureError(3, 4)),
        ("locked", LockedError("it has a lock")),
        ("two parts", TwoPartError("one", "two")),
        ("exit", SystemExit(3)),
        ("interrupt", KeyboardInterrupt("by the user's code")),
        ("chain", ValueError("the cause is a KeyError")),
        ("plain", ValueError("plain")),
    ],
)
def test_the_users_exception_reaches_the_caller(run: Run, kind: str, error: BaseException) -> None:
    result = run(pipeline(kind))
    assert isinstance(result.error, sematic.PipelineRunError)
    cause = result.error.__cause__
    assert type(cause) is type(error)
    assert str(cause) == str(error)
    failed = result.run("fail")
    assert failed.state is RunState.FAILED
    assert failed.error is not None
    module = "builtins" if hasattr(builtins, type(error).__name__) else functions.__name__
    assert failed.error.type == f"{module}.{type(error).__name__}"
    assert failed.error.message == str(error)


def test_attributes_of_an_exception_survive_as_far_as_they_can(run: Run) -> None:
    picture = run(pipeline("picture")).error
    assert isinstance(picture, sematic.PipelineRunError)
    assert isinstance(picture.__cause__, PictureError)
    assert picture.__cause__.width == 3
    locked = run(pipeline("locked")).error
    assert isinstance(locked, sematic.PipelineRunError)
    assert isinstance(locked.__cause__, LockedError)
    assert locked.__cause__.code == 7


def test_the_whole_remote_traceback_without_our_frames(run: Run) -> None:
    error = run(pipeline("chain")).error
    assert error is not None
    shown = "".join(traceback.format_exception(error))
    assert "KeyError: 'missing'" in shown
    assert "direct cause of the following exception" in shown
    assert "in _raise" in shown
    assert "return _raise(kind)" in shown
    assert isinstance(error.__cause__, BaseException)
    remote = error.__cause__.__cause__
    assert isinstance(remote, RemoteTraceback)
    package = str(Path(sematic.__file__).parent)
    assert package not in remote.text
    assert "ray" not in [Path(line).name for line in remote.text.split('"')]


@pytest.mark.parametrize("how", ["SIGKILL", "os._exit", "segmentation fault"])
def test_a_worker_that_dies(
    run: Run, tmp_path: Path, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    counter = tmp_path / "counter"
    result = run(functions.die(how, str(counter)))
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, WorkerLostError)
    died = result.run("die")
    assert died.state is RunState.FAILED
    assert died.error is not None
    assert died.error.type == "sematic.errors.WorkerLostError"
    words = "Segmentation fault" if how == "segmentation fault" else "killed from outside"
    assert words in died.error.message
    time.sleep(1)  # Ray would have started it again by now, and had its say
    assert counter.read_text() == "once\n"
    assert "raylet" not in capfd.readouterr().out


def test_a_worker_that_dies_before_a_child_that_it_has_forked(run: Run, tmp_path: Path) -> None:
    began = time.monotonic()
    result = run(functions.die_before_a_child(str(tmp_path / "child")))
    assert time.monotonic() - began < 50
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, WorkerLostError)
    wait_until_gone([int((tmp_path / "child").read_text())], 5)


def test_the_last_words_of_a_worker_that_crashed(run: Run, tmp_path: Path) -> None:
    result = run(functions.die("segmentation fault", str(tmp_path / "counter")))
    log = result.log(result.run("die"))
    assert log is not None
    assert log.startswith("on the way down\n")
    assert "ctypes.string_at" in log or "string_at" in log


def test_what_is_lost_can_be_retried(run: Run, tmp_path: Path) -> None:
    retry = sematic.RetrySettings(exceptions=(WorkerLostError,), retries=1)
    future = functions.lose_worker(str(tmp_path / "counter")).set(retry=retry)
    result = run(future)
    assert result.value == 1
    assert result.run("lose_worker").attempt == 2


def test_an_output_that_cannot_be_stored(run: Run) -> None:
    result = run(functions.unstorable())
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, UnserializableValueError)
    assert "lock" in str(result.error)


def test_a_closure_that_cannot_be_sent(run: Run) -> None:
    guard = threading.Lock()

    @sematic.func(standalone=True)
    def guarded(x: int) -> int:
        with guard:
            return x

    @sematic.func(standalone=True)
    def nested(x: int) -> int:
        return guarded(x)

    error = run(guarded(1)).error
    assert isinstance(error, sematic.PipelineRunError)
    assert isinstance(error.__cause__, UnserializableValueError)
    assert "'guard'" in str(error)
    assert "guarded" in str(error)
    assert "'guarded'" in str(run(nested(1)).error)


def test_a_module_that_workers_cannot_import(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vanishing.py").write_text(
        "import sematic\n\n@sematic.func(standalone=True)\ndef work(x: int) -> int:\n    return x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import vanishing  # type: ignore[import-not-found]

    (tmp_path / "vanishing.py").unlink()
    result = run(vanishing.work(1))
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, ImportError)
    assert "vanishing.work" in str(result.error)
    assert result.states() == {"work": "FAILED"}


def test_a_terminal_is_missed_at_once(run: Run) -> None:
    for future in (functions.ask(), functions.stop_here()):
        start = time.monotonic()
        error = run(future).error
        assert "standalone" in str(error)
        assert "set(standalone=False)" in str(error)
        assert time.monotonic() - start < 60
