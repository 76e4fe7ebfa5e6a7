"""What a pipeline run that has ended means for who called ``run``."""

from typing import Any

from sematic.error_records import restore_exception
from sematic.errors import CancellationError, PipelineRunError, RecordFullError
from sematic.events import EndPipeline, PipelineAborted
from sematic.ports import ArtifactStore
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus
from sematic.wording import describe_error


def take_result(
    end: EndPipeline | None,
    error: BaseException | None,
    aborted: PipelineAborted | None,
    *,
    state: PipelineState,
    store: ArtifactStore,
) -> Any:
    """The value of the root call.

    Args:
        end: how it ended, ``None`` if it could not be ended.
        error: an error of ours, if there was one.
        aborted: the event that this error became, if it did.
        state: of the pipeline run.
        store: where the value is.

    Raises:
        PipelineRunError: a call failed; its cause is the user's exception.
        CancellationError: the pipeline run was cancelled.
        BaseException: the error of ours.
    """
    if error is not None and not _ended_otherwise(end, error, aborted):
        raise error
    assert end is not None
    match end.status:
        case PipelineRunStatus.COMPLETE:
            assert end.output is not None
            return store.get(end.output)
        case PipelineRunStatus.CANCELED:
            raise CancellationError(end.reason or "Canceled.")
        case _:
            raise _failure(end, state) from _cause(end)


def _ended_otherwise(
    end: EndPipeline | None, error: BaseException, aborted: PipelineAborted | None
) -> bool:
    """Whether the disk became full when another end had begun, which it did not change."""
    if end is None or aborted is None:
        return False
    return isinstance(error, RecordFullError) and end.error != aborted.error


def _failure(end: EndPipeline, state: PipelineState) -> PipelineRunError:
    error = end.error
    assert error is not None and end.failed_run_id is not None
    function = state.function_of(end.failed_run_id)
    what = describe_error(error.type, error.message)  # more is in the cause
    return PipelineRunError(
        f"The pipeline run failed due to previous errors! {function.path} failed with {what}",
        run_id=end.failed_run_id,
    )


def _cause(end: EndPipeline) -> BaseException | None:
    if end.exception is not None:
        return end.exception
    return restore_exception(end.error) if end.error is not None else None
