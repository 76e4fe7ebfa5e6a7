"""``sematic why``: why a run is as it is."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sematic.cli.record import RunId, open_record, read_run
from sematic.cli.screen import Screen, echo, find_screen
from sematic.cli.why_cached import explain_cache, explain_difference
from sematic.cli.why_told import Case, Fact, lay_out
from sematic.states import RunState
from sematic.wording import (
    SIGNS,
    clean,
    format_count,
    format_duration,
    format_time,
)

if TYPE_CHECKING:
    from sematic.retry import RetrySettings
    from sematic.tracking.views import AttemptRow, RunRow

_AGAIN, _LOST = "Executed again: ", "it is not recorded why."
_EXECUTING = (RunState.SCHEDULED, RunState.RAN, RunState.RETRYING)


@click.command()
@click.argument("run_id", metavar="RUN", type=RunId())
def why(run_id: str) -> None:
    """Tell why RUN is as it is.

    Why it was taken from the cache, or was not and what differs from the closest earlier run; why
    it was retried, has failed or was cancelled; what it waits for.
    """
    from sematic.settings import load_settings

    queries, screen = open_record(), find_screen()
    run = read_run(queries, run_id)
    row = queries.pipeline_run(run.root_id)
    case = Case(load_settings(reading=True).database_url, queries, run, row, time.time(), screen)
    lines = [_headline(run, screen), *lay_out(_facts(case), screen)]
    difference = list(explain_difference(case))
    echo([*lines, *([""] if difference else []), *difference], screen)


def _headline(run: "RunRow", screen: Screen) -> str:
    sign = SIGNS[run.state.value]
    name = screen.style(clean(run.name), bold=True)
    state = screen.style(f" {run.state.value}", sign.colour)
    return f"{screen.style(screen.sign(run.state.value), sign.colour)} {name} {state}"


def _facts(case: Case) -> Iterator[Fact]:
    run = case.run
    if run.parent_id is None:
        yield Fact("id", run.id)
    else:
        root = f"{case.pipeline_run.name} {case.screen.id(run.root_id)}"
        yield Fact("id", f"{run.id}, of {root} ({case.pipeline_run.shown_status})")
    yield from explain_cache(case)
    yield from _explain_attempts(case)
    match run.state:
        case RunState.FAILED:
            yield from _explain_failure(case)
        case RunState.NESTED_FAILED:
            yield from _explain_nested_failure(case)
        case RunState.CANCELED:
            yield from _explain_cancellation(case)
        case RunState.CREATED if not case.pipeline_run.driver_lost:
            yield from _explain_waiting(case)
        case RunState.RETRYING if not case.pipeline_run.driver_lost:
            yield from _explain_pause(case)
        case RunState.SCHEDULED | RunState.RAN if not case.pipeline_run.driver_lost:
            yield from _explain_execution(case)
        case RunState.CREATED | RunState.RETRYING | RunState.SCHEDULED | RunState.RAN:
            lost = case.pipeline_run.lost_because
            yield Fact("lost", f"{lost}. To go on: sematic resume {run.root_id[:8]}", "red")


# --- what has ended --------------------------------------------------------------------------


def _explain_attempts(case: Case) -> Iterator[Fact]:
    """The attempts before the last one: why another one followed."""
    retry = _retry(case.run)
    for attempt in case.queries.attempts(case.run.id):
        if attempt.error is not None:
            end = f"ended in {case.describe(attempt.error)}"
        else:
            end = f"was lost: {(attempt.reason or _LOST).removeprefix(_AGAIN)}"
        yield Fact("retried", f"attempt {attempt.attempt} {_took(attempt)}{end}")
    if retry is not None and case.run.attempt > 1:
        yield Fact("retry", f"{_describe_retry(retry)}; this is attempt {case.run.attempt}")


def _took(attempt: "AttemptRow") -> str:
    if attempt.took is None:
        return ""
    seconds, certain = attempt.took
    return f"took {'' if certain else 'at most '}{format_duration(seconds)} and "


def _explain_failure(case: Case) -> Iterator[Fact]:
    error = case.run.error
    if error is None:
        yield Fact("failed", case.run.reason or "it is not recorded why", "red")
        return
    yield Fact("failed", case.describe(error), "red")
    retry = _retry(case.run)
    if retry is None:
        yield Fact("retry", "not retried: the function has no retry settings")
    elif not retry.matches((error.type, *error.ancestors)):
        yield Fact("retry", f"not retried now: {_describe_retry(retry)}")
    elif case.run.attempt > retry.retries:
        yield Fact("retry", f"not retried any more: {_describe_retry(retry)}")
    else:
        yield Fact("retry", "not retried: the pipeline run was ending, or its time was up")


def _describe_retry(retry: "RetrySettings") -> str:
    kinds = ", ".join(kind.__qualname__ for kind in retry.exceptions)
    times = "once" if retry.retries == 1 else f"{retry.retries:,} times"
    return f"it is retried {times} at most, for {kinds}"


def _retry(run: "RunRow") -> "RetrySettings | None":
    if "retry" not in run.options:
        return None
    from sematic.options import CallOptions, options_from_json
    from sematic.recorded_functions import recorded_class

    data = {"retry": run.options["retry"]}
    return options_from_json(data, CallOptions(run.name), class_of=recorded_class).retry


def _explain_nested_failure(case: Case) -> Iterator[Fact]:
    from sematic.tracking.why import find_failed_below

    way = [case.queries.run(id_) for id_ in find_failed_below(case.url, case.run)]
    if not way:
        yield Fact("failed", case.run.reason or "a run that is nested in it failed", "red")
        return
    *between, last = way
    yield Fact("failed", f"{case.name(last)}, nested in it, failed: {_error(case, last)}", "red")
    if between:
        yield Fact("through", " > ".join(map(case.name, between[:8])))
    yield Fact("more", f"sematic why {last.id[:8]}")


def _explain_cancellation(case: Case) -> Iterator[Fact]:
    from sematic.tracking.why import find_first_failed

    run, first = case.run, None
    if case.pipeline_run.cancel_reason is None:
        first = find_first_failed(case.url, run.root_id)
    if first is None:
        yield Fact("cancelled", run.reason or case.pipeline_run.reason or "")
    else:
        failed = case.queries.run(first)
        yield Fact("cancelled", f"{case.name(failed)} failed: {_error(case, failed)}", "red")
        yield Fact("more", f"sematic why {failed.id[:8]}")
    begun = run.scheduled_at is not None
    yield Fact("before", "it was executing" if begun else "it had not started")


def _error(case: Case, run: "RunRow") -> str:
    return (run.reason or "") if run.error is None else case.describe(run.error)


# --- what goes on ----------------------------------------------------------------------------


def _explain_waiting(case: Case) -> Iterator[Fact]:
    """A run that has not started: for inputs, for the same call, for a slot or for its turn."""
    from sematic.tracking.why import find_executing, find_leader

    missing = list(_missing_inputs(case))
    if missing:
        yield from missing
        return
    if case.asks_cache:
        leader = find_leader(case.url, case.run, case.known_inputs)
        if leader is not None:
            alike = "the same call"
            if "<locals>" in case.run.function_path:  # several functions may have this path
                alike = "a call of this name with the same inputs"
            yield Fact("waits for", f"{_standing(case, leader)}: it executes {alike}")
            return
    busy = find_executing(case.url, case.run.root_id, standalone=case.run.standalone)
    if case.run.standalone:
        yield Fact("waits for", f"one of {_slots(case)} slots (max_parallelism): all are taken")
    else:
        yield Fact("waits for", "its turn: inline functions execute one at a time")
    for run_id in busy[:5]:
        yield Fact("now", _standing(case, run_id))
    if len(busy) > 5:
        yield Fact("", f"... {len(busy) - 5:,} more")


def _slots(case: Case) -> str:
    from sematic.tracking.recorded_graph import read_start

    most = read_start(case.url, case.run.root_id)["max_parallelism"]
    return "its" if most is None else f"{most:,}"


def _missing_inputs(case: Case) -> Iterator[Fact]:
    for argument in case.inputs:
        if argument.artifact is not None:
            continue
        runs = [case.queries.run(id_) for id_ in argument.sources[:50]]
        unended = [run for run in runs if run.state is not RunState.RESOLVED]
        for run in unended[:5]:
            yield Fact("waits for", f"{argument.name}: {_standing(case, run.id)}")
        more = len(argument.sources) - 50 + len(unended) - 5
        if len(unended) > 5 or (unended and len(argument.sources) > 50):
            yield Fact("", f"... {more:,} more for {argument.name}")


def _explain_pause(case: Case) -> Iterator[Fact]:
    retry, attempts = _retry(case.run), case.queries.attempts(case.run.id)
    failures = sum(attempt.error is not None for attempt in attempts)
    pause = retry.pause(failures, seed=case.run.id) if retry and failures else 0.0
    left = attempts[-1].ended_at + pause - case.now if attempts else 0.0
    if left > 0:
        yield Fact("waits for", f"the pause before its next attempt: {format_duration(left)} more")
    else:
        yield Fact("waits for", "its next attempt, as soon as there is room for it")


def _explain_execution(case: Case) -> Iterator[Fact]:
    from sematic.tracking.why import find_unended

    run = case.run
    since = format_duration(case.now - (run.scheduled_at or case.now))
    if run.state is RunState.RAN:
        count, ids = find_unended(case.url, run.root_id, parent_id=run.id, limit=5)
        yield Fact("waits for", f"{format_count(count, 'call')} that its function made")
        for run_id in ids:
            yield Fact("", _standing(case, run_id))
        if count > len(ids):
            yield Fact("", f"... {count - len(ids):,} more")
    elif run.standalone:
        asked = _asked(run.options.get("resource_requirements"))
        yield Fact("executes", f"for {since}, or waits for a worker of Ray's{asked}")
    else:
        yield Fact("executes", f"for {since}, since {format_time(run.scheduled_at or case.now)}")


def _asked(requirements: object) -> str:
    try:
        requests = requirements["kubernetes"]["requests"]  # type: ignore[index]
    except (KeyError, TypeError):
        return ""
    return f" with {', '.join(f'{name} {amount}' for name, amount in requests.items())}"


def _standing(case: Case, run_id: str) -> str:
    run = case.queries.run(run_id)
    since = run.scheduled_at if run.state in _EXECUTING else None
    took = f" for {format_duration(case.now - since)}" if since is not None else ""
    return f"{case.name(run)} ({run.state.value}{took})"
