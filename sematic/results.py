"""What a pipeline run that has ended means for who called ``run``."""

from typing import Any

from sematic.error_records import restore_exception
from sematic.errors import CancellationError, PipelineRunError
from sematic.events import EndPipeline
from sematic.ports import ArtifactStore
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus


def take_result(end: EndPipeline, *, state: PipelineState, store: ArtifactStore) -> Any:
    """The value of the root call.

    Raises:
        PipelineRunError: a call failed; its cause is the user's exception.
        CancellationError: the pipeline run was cancelled.
    """
    match end.status:
        case PipelineRunStatus.COMPLETE:
            assert end.output is not None
            return store.get(end.output)
        case PipelineRunStatus.CANCELED:
            raise CancellationError(end.reason or "Canceled.")
        case _:
            raise _failure(end, state) from _cause(end)


def _failure(end: EndPipeline, state: PipelineState) -> PipelineRunError:
    error = end.error
    assert error is not None and end.failed_run_id is not None
    function = state.function_of(end.failed_run_id)
    kind = error.type.removeprefix("builtins.")
    what = f"{kind}: {error.message}" if error.message else kind
    return PipelineRunError(
        f"The pipeline run failed due to previous errors!\n\n{function.path} failed with {what}",
        run_id=end.failed_run_id,
    )


def _cause(end: EndPipeline) -> BaseException | None:
    if end.exception is not None:
        return end.exception
    return restore_exception(end.error) if end.error is not None else None
