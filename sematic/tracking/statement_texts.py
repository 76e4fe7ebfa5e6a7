"""The texts of the recorder's statements, for processes that need not compile them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL texts with positional parameters, in the order that each docstring line names.

    Attributes:
        begin: PIPELINE_COLUMNS; a pipeline run that exists gets a new epoch and driver.
        advance: end, now, root_id, epoch, first_seq.
        status: status, reason, ended_at, root_id.
        environment: environment, root_id.
        position: root_id; selects epoch and next_seq.
        find_output: cache_key, state; selects the run and the columns of an ArtifactRef.
        new_runs, changed_runs, inputs, input_artifacts, constants, functions, artifacts, events:
            the rows of a :class:`sematic.tracking.rows.RowBatch`.
    """

    begin: str
    advance: str
    status: str
    environment: str
    position: str
    find_output: str
    new_runs: str
    changed_runs: str
    inputs: str
    input_artifacts: str
    constants: str
    functions: str
    artifacts: str
    events: str
