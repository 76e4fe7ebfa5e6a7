"""Random pipelines, random events in a legal order: what must hold whatever happens.

Most of what is checked is in ``tests/accounts.py`` and ``tests/clocks.py``, after each event.
"""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.events import CancelRequested, EndPipeline
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus, RunState
from tests.accounts import Account
from tests.builders import ROOT
from tests.random_pipelines import Odds, attempts, choose_odds, run_world

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=600)
@given(seeds, st.integers(2, 40))
def test_every_pipeline_ends_and_no_run_is_lost(seed: int, most_runs: int) -> None:
    random = Random(seed)
    account = run_world(random, choose_odds(random), most_runs).account
    assert account.end is not None
    closed = [*account.answered, *account.lost_attempts]
    assert sorted(attempts(account)) == sorted(closed), "an attempt without an end"
    assert set(account.stopped) <= set(closed)
    check_the_end(account, account.end)
    check_replay(account)


def check_the_end(account: Account, end: EndPipeline) -> None:
    assert account.status is end.status
    match end.status:
        case PipelineRunStatus.COMPLETE:
            assert set(account.states.values()) == {RunState.RESOLVED}
            assert end.output == account.outputs[ROOT]
            assert set(account.stopped) <= account.clocks.doomed, "stopped without a limit"
            check_cached_calls_executed_once(account)
        case PipelineRunStatus.FAILED:
            assert end.failed_run_id is not None
            assert end.error == account.failures[end.failed_run_id]
            # Where a limit fails several at once, they end in any order.
            together = account.clocks.struck or account.clocks.abort_messages
            assert together or end.failed_run_id == next(iter(account.failures))
            for run_id in account.ancestors(end.failed_run_id):
                assert account.states[run_id] is RunState.NESTED_FAILED
        case _:
            assert end.reason == "Enough."
            assert any(isinstance(event, CancelRequested) for event in account.events)
            assert account.states[ROOT] is not RunState.NESTED_FAILED


def check_cached_calls_executed_once(account: Account) -> None:
    keys = [account.cache_key(run_id) for run_id in account.attempts]
    assert all(count == 1 for key, count in Counter(keys).items() if key is not None)


def check_replay(account: Account) -> None:
    """The record is enough: the same events say the same again."""
    state = PipelineState()
    assert [state.handle(event) for event in account.events] == account.instructions
    assert state.ended


@settings(max_examples=100)
@given(seeds)
def test_a_pipeline_in_which_nothing_goes_wrong_is_complete(seed: int) -> None:
    account = run_world(Random(seed), Odds(noise=10, wait=10), most_runs=40).account
    assert account.end is not None
    assert account.end.status is PipelineRunStatus.COMPLETE
    assert set(account.attempts.values()) == {1}


@settings(max_examples=100)
@given(seeds)
def test_a_pipeline_whose_drivers_die_is_complete_all_the_same(seed: int) -> None:
    world = run_world(Random(seed), Odds(noise=10, wait=10, die=10), most_runs=40)
    assert world.account.end is not None
    assert world.account.end.status is PipelineRunStatus.COMPLETE
    assert world.account.executed == world.account.attempts.keys()
    assert max(world.account.attempts.values()) <= 1 + world.deaths
