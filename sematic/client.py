"""The record from Python: wait for runs, cancel them, get outputs and artifacts.

Ids may be shortened as long as they are unique, as on the command line.
"""

import builtins
import getpass
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from sematic.calls import ArtifactRef
from sematic.config_directory import configured_directory
from sematic.errors import (
    InvalidOptionError,
    NotFoundError,
    NotInSematicFuncError,
    SematicError,
)
from sematic.ids import check_id
from sematic.run_context import context, executes_here, executing_call
from sematic.settings import load_settings, read_setting
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.queries import Queries, open_queries
from sematic.tracking.views import RunRow
from sematic.types.display import short_repr
from sematic.wording import describe_error

__all__ = ["block_on_run", "cancel_run", "get_artifact_value", "get_run_output"]

_SECONDS_BETWEEN_LOOKS = 0.2
# A function that is to end may be waiting for the thread that waits for the end.
_SECONDS_FOR_FUNCTIONS = 5.0


def block_on_run(
    run_id: str,
    polling_interval_seconds: float = 5.0,
    max_wait_seconds: float | None = None,
    cancel_on_exit: bool = False,
) -> None:
    """Block on the run with the given id until it is in a terminal state.

    Args:
        run_id: the run to block on.
        polling_interval_seconds: the seconds between two looks at its state.
        max_wait_seconds: the most seconds to wait; ``None`` to wait as long as it takes.
        cancel_on_exit: whether the pipeline run is cancelled if this call ends before the run
            does: by the deadline, SIGTERM, Ctrl-C or any other exception; see :func:`cancel_run`.
            One whose driver is lost is left as it is: it can be resumed.

    Raises:
        RuntimeError: the run did not complete successfully, or never will: the process that
            drives it is gone.
        TimeoutError: it takes longer than ``max_wait_seconds``.
        NotFoundError: there is no such run.
        InvalidOptionError: an argument has a wrong type or value.
    """
    run_id = check_id("run_id", run_id)
    _check_seconds("polling_interval_seconds", polling_interval_seconds)
    if max_wait_seconds is not None:
        _check_seconds("max_wait_seconds", max_wait_seconds)
    queries = open_record()
    run_id = queries.resolve_run_id(run_id)
    if not cancel_on_exit:
        _block(queries, run_id, polling_interval_seconds, max_wait_seconds)
        return
    with _exit_on_sigterm():
        try:
            _block(queries, run_id, polling_interval_seconds, max_wait_seconds)
        except BaseException:
            _cancel_on_exit(queries, run_id)
            raise


def cancel_run(run_id: str, *, reason: str | None = None, wait: bool = False) -> PipelineRunStatus:
    """Cancel the pipeline run that the run with the given id belongs to.

    Whoever drives it hears of that within a second, on whatever machine, and ends everything that
    executes. Where its driver is lost, it is ended at once, with what that has left running if it
    was one of this machine; its code is not needed for that.

    Args:
        run_id: any run of the pipeline run.
        reason: why, a sentence that people are shown; by default it names the user.
        wait: whether to return only when the pipeline run has ended. A function of the pipeline run
            itself does not wait for that: it is to end before. Nor does a thread that may be one of
            its function's for longer than five seconds while that executes.

    Returns:
        The status of the pipeline run then: without ``wait`` it may still be RUNNING. One that
        had ended before stays as it was.

    Raises:
        NotFoundError: there is no such run.
        InvalidOptionError: an argument has a wrong type or value.
        RecordError: the record cannot be read or written.
    """
    from sematic.ray_backend.taking_over import end_in_ray
    from sematic.tracking.settling import cancel_pipeline_run  # only for who writes

    run_id = check_id("run_id", run_id)
    if not (reason is None or isinstance(reason, str)):
        raise InvalidOptionError(f"reason must be a sentence, a string. Got: {short_repr(reason)}")
    root_id = _find_root_id(run_id)
    url, why = load_settings().database_url, reason or _default_reason()
    began = time.monotonic()
    while True:
        status = cancel_pipeline_run(url, root_id, reason=why, end_in_ray=end_in_ray).status
        if status.is_terminal or not wait or _is_part_of(root_id):
            return status
        if executes_here(root_id) and time.monotonic() > began + _SECONDS_FOR_FUNCTIONS:
            return status
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def get_run_output(run_id: str) -> Any:
    """Get the output of the run with the given id, which must be complete.

    Raises:
        RuntimeError: the run is still in progress, or did not complete successfully.
        NotFoundError: there is no such run.
        InvalidOptionError: ``run_id`` is no string, or an empty one.
        ArtifactError: its output cannot be read.
    """
    run_id = check_id("run_id", run_id)
    queries = open_record()
    run = queries.run(queries.resolve_run_id(run_id))
    if run.state is not RunState.RESOLVED:
        raise RuntimeError(f"Can't get output of unresolved run. Its state is {run.state.value}.")
    if run.output_id is None:
        raise RuntimeError("Could not find output artifact for run.")
    return read_value(queries.artifact(run.output_id))


def get_artifact_value(artifact_id: str) -> Any:
    """Get the value of the artifact with the given id.

    Raises:
        NotFoundError: there is no such artifact.
        InvalidOptionError: ``artifact_id`` is no string, or an empty one.
        ArtifactError: it cannot be read.
    """
    artifact_id = check_id("artifact_id", artifact_id, kind="artifact")
    queries = open_record()
    return read_value(queries.artifact(queries.resolve_artifact_id(artifact_id)))


def open_record() -> Queries:
    """Questions to the record that the settings name. Makes nothing where there is none yet.

    Raises:
        SettingsError: a setting is not valid.
        RecordError: the record cannot be read.
    """
    if read_setting("SEMATIC_DATABASE_URL") is None and not _has_directory():
        return open_queries(None)
    return open_queries(load_settings(reading=True).database_url)


def read_value(ref: ArtifactRef) -> Any:
    """The value of an artifact of the record that the settings name.

    Raises:
        ArtifactError: it cannot be read.
    """
    from sematic.artifacts.store import FileSystemStore  # only for who reads values

    return FileSystemStore(load_settings(reading=True).artifacts_uri).get(ref)


def _find_root_id(run_id: str) -> str:
    """The pipeline run of a run; of one that executes here, though the record may not have it yet.

    Raises:
        NotFoundError: there is no such run.
    """
    queries = open_record()
    try:
        return queries.resolve_root_id(run_id)
    except NotFoundError:
        with suppress(NotInSematicFuncError):  # inline functions may run ahead of the record
            current = context()
            if current.run_id.startswith(run_id.lower()):
                return queries.pipeline_run(current.root_id).root_id
        raise


def _is_part_of(root_id: str) -> bool:
    """Whether the caller is a function of a pipeline run, or a process that was started by one."""
    call = executing_call()
    if call is not None:
        return call.context.root_id == root_id
    try:  # of a thread it is not known: the function may wait for it, or know nothing of it
        return not executes_here(root_id) and context().root_id == root_id
    except NotInSematicFuncError:
        return False


def _has_directory() -> bool:
    """Whether a run can have recorded anything; where home is read-only, that is elsewhere."""
    directory = configured_directory(os.environ)
    return directory.exists() or not os.access(directory.parent, os.W_OK)


def _block(queries: Queries, run_id: str, interval: float, max_wait: float | None) -> None:
    endless = max_wait is None or max_wait > threading.TIMEOUT_MAX
    deadline = None if max_wait is None or endless else time.monotonic() + max_wait
    while True:
        run = queries.run(run_id)
        if run.state is RunState.RESOLVED:
            return
        if run.state.is_terminal:
            raise RuntimeError(_sentence(run))
        if deadline is None:
            pause = interval
        else:
            pause = min(interval, deadline - time.monotonic())
            if pause <= 0:
                raise builtins.TimeoutError(f"Run {run_id} did not complete in {max_wait} seconds")
        _raise_if_lost(queries, run)
        time.sleep(min(pause, threading.TIMEOUT_MAX))


def _check_seconds(name: str, value: object) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not value >= 0:  # type: ignore[operator]  # a nan is neither
        raise InvalidOptionError(
            f"{name} must be a number of seconds, at least 0. Got: {short_repr(value)}"
        )


def _sentence(run: RunRow) -> str:
    sentence = f"Run terminated in state: {run.state!s}"
    if run.error is not None:
        return f"{sentence}. {describe_error(run.error.type, run.error.message)}"
    return f"{sentence}. {run.reason}" if run.reason else sentence


def _raise_if_lost(queries: Queries, run: RunRow) -> None:
    pipeline_run = queries.pipeline_run(run.root_id)
    if not pipeline_run.driver_lost:
        return
    if queries.run(run.id).state.is_terminal:  # the last it recorded; the next look tells
        return
    raise RuntimeError(
        f"Run {run.id} will not end: {pipeline_run.lost_because}. Its last state was "
        f"{run.state.value}. To go on: sematic resume {run.root_id[:8]}"
    )


def _cancel_on_exit(queries: Queries, run_id: str) -> None:
    """Cancel a pipeline run that somebody drives; one that is lost can still be resumed."""
    try:
        pipeline_run = queries.pipeline_run(queries.run(run_id).root_id)
        if not pipeline_run.driver_lost:
            cancel_run(pipeline_run.root_id, reason="Canceled because nobody waits for it.")
    except SematicError as error:  # what ended the waiting is what the caller is to hear of
        warnings.warn(f"Run {run_id} could not be cancelled: {error}", stacklevel=3)


def _default_reason() -> str:
    try:
        return f"Canceled by user {getpass.getuser()}."
    except (KeyError, OSError):  # a user id without a name, as containers have them
        return "Canceled on request."


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise, so that what is to be done on exit is done; unless somebody handles it."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
