"""Rules of their own for what time does to a pipeline run: pauses, limits, who is stopped for them.

Limits are known by who reached them, not by how the machine finds that out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sematic.events import DriverChanged, Event, PipelineAborted, RunMoved, StopCall, TimePassed
from sematic.states import RunState
from sematic.time_limits import ancestor_limit_error, own_limit_error

if TYPE_CHECKING:
    from tests.accounts import Account

Attempt = tuple[str, int]

SCHEDULED, RAN, RETRYING = RunState.SCHEDULED, RunState.RAN, RunState.RETRYING
FAILED, CANCELED = RunState.FAILED, RunState.CANCELED


class Clocks:
    """What is due in one account.

    Attributes:
        latest: the latest moment of any event.
        limits: when each run that is SCHEDULED or RAN will have taken too long.
        pauses_until: when a failed attempt is followed by the next one.
        timed_out: runs that have reached their limit with the attempt they are in.
        struck: runs that have reached their limit, ever.
        doomed: attempts that must have failed, whatever they report.
        own_fault: those of them that reached their own limit before anything else ended them.
        lost_failures: how often an attempt had timed out when its driver was lost: it is counted
            among the failed ones.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.latest = 0.0
        self.limits: dict[str, float] = {}
        self.pauses_until: dict[str, float] = {}
        self.timed_out: set[str] = set()
        self.struck: set[str] = set()
        self.doomed: set[Attempt] = set()
        self.own_fault: set[Attempt] = set()
        self.lost_failures: Counter[str] = Counter()
        self.abort_messages: set[str] = set()
        self.first_to_strike: str | None = None
        self.active_before: set[str] = set()
        self.stopping_before = False
        self.ending_before = False

    @property
    def next_due(self) -> float | None:
        paused = [self.pauses_until[run_id] for run_id in self.pauses_until if self.pauses(run_id)]
        return min([*self.limits.values(), *paused], default=None)

    def pauses(self, run_id: str) -> bool:
        is_retrying = self.account.states[run_id] is RETRYING
        return is_retrying and self.pauses_until.get(run_id, 0.0) > self.latest

    # --- around an event

    def before(self, event: Event) -> None:
        account = self.account
        self.latest = max(self.latest, event.at)
        self.active_before = account.in_state(SCHEDULED)
        self.stopping_before, self.ending_before = account.stopping, account.ending
        if isinstance(event, PipelineAborted) and not account.stopping:
            self.abort_messages.add(event.error.message)
        counts_until = event.at
        if isinstance(event, DriverChanged):
            counts_until = min(event.alive_until, event.at)
        reached = sorted((at, run_id) for run_id, at in self.limits.items() if at <= counts_until)
        self.struck |= {run_id for _, run_id in reached}
        waiting = [run_id for _, run_id in reached if account.states[run_id] is RAN]
        self.first_to_strike = waiting[0] if waiting else None
        if isinstance(event, DriverChanged):
            for _, run_id in reached:
                del self.limits[run_id]
                if account.states[run_id] is SCHEDULED:
                    self.timed_out.add(run_id)
            away = event.at - counts_until
            self.limits = {run_id: at + away for run_id, at in self.limits.items()}

    def moved(self, move: RunMoved, before: RunState, event: Event) -> None:
        run_id, call = move.run_id, self.account.calls[move.run_id]
        if before is SCHEDULED:
            self.check_the_end_of_an_attempt(move, event)
        if before is RAN and move.state is FAILED and self.is_about_time(move):
            if not isinstance(event, PipelineAborted):
                assert run_id in self.struck
                assert move.error == own_limit_error(call), "nothing executes in it"
            below = self.account.is_below(run_id)
            assert not any(map(below, self.account.in_state(SCHEDULED)))
            assert not any(map(below, self.account.in_state(RETRYING)))
        if before is RETRYING and move.state is SCHEDULED:
            assert self.pauses_until.pop(run_id, 0.0) <= event.at, "started before its pause ended"
        if before is RETRYING and move.state is FAILED:
            assert move.error.message in self.reasons(run_id), "nothing was executing"  # type: ignore[union-attr]
        if move.state is RETRYING and move.error is not None:
            retry = call.options.retry
            assert retry is not None
            failures = self.account.failed_attempts[run_id] + 1
            self.pauses_until[run_id] = event.at + retry.pause(failures, seed=run_id)
        limit = call.options.limit_seconds
        if move.state is SCHEDULED and limit is not None and run_id not in self.timed_out:
            self.limits.setdefault(run_id, event.at + limit)
        if move.state.is_terminal or (move.state is RETRYING and move.error is not None):
            self.limits.pop(run_id, None)
            self.timed_out.discard(run_id)

    def check_the_end_of_an_attempt(self, move: RunMoved, event: Event) -> None:
        account, run_id = self.account, move.run_id
        attempt = (run_id, account.attempts[run_id])
        if attempt in self.doomed:
            assert move.state in (RETRYING, FAILED), "it had to fail"
            assert self.is_about_time(move)
        if attempt in self.own_fault:
            assert move.error == own_limit_error(account.calls[run_id]), "that came later"
        if self.is_about_time(move):
            assert move.error.message in self.reasons(run_id), "not its reason"  # type: ignore[union-attr]
            if move.state is RETRYING:
                assert move.error == own_limit_error(account.calls[run_id]), "not retried for that"
        if isinstance(event, DriverChanged):
            if run_id in self.timed_out and attempt not in self.doomed:
                assert move.state is not CANCELED or account.ending
                assert self.is_about_time(move) or move.state is CANCELED
            if move.state is RETRYING and move.error is not None:
                self.lost_failures[run_id] += 1
            if move.state is CANCELED:
                assert account.ending

    def is_about_time(self, move: RunMoved) -> bool:
        """Whether a run failed for a limit, or because the pipeline run was aborted."""
        if move.error is None:
            return False
        return move.error.type == _TIMEOUT or move.error.message in self.abort_messages

    def reasons(self, run_id: str) -> set[str]:
        """What a run may be told that is not its own doing."""
        calls = self.account.calls
        struck = [calls[other] for other in self.account.ancestors(run_id) if other in self.struck]
        messages = {ancestor_limit_error(ancestor).message for ancestor in struck}
        if run_id in self.timed_out:
            messages.add(own_limit_error(calls[run_id]).message)
        return messages | self.abort_messages

    def after(self, event: Event, stops: list[StopCall]) -> None:
        account = self.account
        reached = [run_id for run_id, at in self.limits.items() if at <= event.at]
        for run_id in reached:
            del self.limits[run_id]
            assert account.states[run_id] is SCHEDULED, "it waits in spite of its limit"
            if not self.stopping_before:
                self.timed_out.add(run_id)
        stopped = {(stop.call.run_id, stop.attempt) for stop in stops}
        assert not (stopped and isinstance(event, DriverChanged)), "they are gone"
        open_attempts = dict(list(account.open_attempts))
        must_fail = {run_id for run_id in reached if not account.stopping}
        if isinstance(event, PipelineAborted) and not self.stopping_before:
            must_fail |= open_attempts.keys()
        if isinstance(event, TimePassed) and self.first_to_strike and not self.ending_before:
            must_fail |= set(filter(account.is_below(self.first_to_strike), open_attempts))
        for run_id in must_fail:
            attempt = (run_id, open_attempts[run_id])
            assert attempt in account.stopped, "not stopped in spite of a limit"
            self.doomed.add(attempt)
            if run_id in reached and not self.first_to_strike and not self.ending_before:
                self.own_fault.add(attempt)
        if not account.stopping:
            self.check_why_stopped(stopped - self.doomed)
        assert account.end is not None or account.state.next_due == self.next_due

    def check_why_stopped(self, stopped: set[Attempt]) -> None:
        """Nothing but limits stops single calls."""
        for run_id, attempt in stopped:
            assert not self.struck.isdisjoint(self.account.ancestors(run_id)), "stopped for nothing"
            self.doomed.add((run_id, attempt))


_TIMEOUT = "sematic.errors.TimeoutError"
