"""The tables of states. What docs/states.md says of them is test_states_doc.py's."""

import itertools

import pytest

from sematic.errors import IllegalStateTransitionError
from sematic.states import (
    STATUS_TRANSITIONS,
    TERMINAL_STATES,
    TERMINAL_STATUSES,
    TRANSITIONS,
    PipelineRunStatus,
    RunState,
    check_transition,
)

PAIRS = list(itertools.product([None, *RunState], RunState))


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == {None, *RunState}
    assert set(STATUS_TRANSITIONS) == {None, *PipelineRunStatus}


def test_nothing_follows_a_terminal_state_and_something_every_other() -> None:
    assert {state for state in RunState if not TRANSITIONS[state]} == TERMINAL_STATES
    assert {s for s in PipelineRunStatus if not STATUS_TRANSITIONS[s]} == TERMINAL_STATUSES


def test_is_terminal() -> None:
    assert {state for state in RunState if state.is_terminal} == TERMINAL_STATES
    assert {status for status in PipelineRunStatus if status.is_terminal} == TERMINAL_STATUSES


def test_a_state_is_its_name() -> None:
    assert RunState("RAN") is RunState.RAN
    assert RunState.RAN == "RAN"


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_check_transition_raises_for_what_the_table_does_not_connect(before, after) -> None:
    if after in TRANSITIONS[before]:
        check_transition("run", before, after)
        return
    with pytest.raises(IllegalStateTransitionError, match=f"'{after.value}'"):
        check_transition("run", before, after)


def test_the_error_names_the_run_and_both_states() -> None:
    with pytest.raises(IllegalStateTransitionError) as caught:
        check_transition("abc", RunState.RESOLVED, RunState.RAN)
    assert str(caught.value) == "Run abc cannot move from 'RESOLVED' to 'RAN'"
