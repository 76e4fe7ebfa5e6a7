"""Why a run was, or was not, served from the cache."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sematic.cli.screen import Cell, Column, build_table
from sematic.cli.why_told import Case, Fact
from sematic.code_places import CLOSURE, INSTALLED, LOOSE, NAMELESS, TRACKED
from sematic.errors import NotFoundError
from sematic.states import RunState
from sematic.wording import format_age

if TYPE_CHECKING:
    from sematic.tracking.views import RunRow
    from sematic.tracking.why import CloseRun

_COLUMNS = (Column("DIFFERS"), Column("NOW", least=12), Column("THEN", least=12))
_MOST_CHARACTERS = 2000
_KINDS = {
    TRACKED: "tracked by git",
    LOOSE: "not tracked by git",
    INSTALLED: "of an installed package",
    NAMELESS: "none: a notebook or a console",
}
_PICKLES_DIFFER = "those of equal values may differ from process to process"
_COMMON = 12  # what two long values have in common is cut to so many characters


def explain_cache(case: Case) -> Iterator[Fact]:
    """What the cache had to do with a run, in a sentence or two."""
    run = case.run
    if run.original_run_id is not None:
        yield from _explain_reuse(case, run.original_run_id)
    elif run.cache_key is None or case.seed.get("again"):
        yield Fact("cache", _why_not_asked(case))
    else:
        yield from _explain_miss(case)


def _explain_reuse(case: Case, original_id: str) -> Iterator[Fact]:
    from sematic.tracking.why import namespace_of

    run = case.run
    try:
        original = case.queries.run(original_id)
    except NotFoundError:
        deleted = f"run {case.screen.id(original_id)}, deleted since,"
        if run.cache_key is None:
            yield Fact("reused", f"the rerun took over what {deleted} had computed")
        else:
            yield Fact("cache", f"served: {deleted} computed it")
        return
    if run.cache_key is None:
        ended = _age(case, original)
        yield Fact("reused", f"the rerun took over what {case.name(original)} computed {ended}")
    elif original.root_id == run.root_id:
        yield Fact("cache", f"served: {case.name(original)} of this pipeline run is the same call")
    else:
        where = f"{case.name(original)} of pipeline run {case.screen.id(original.root_id)}"
        namespace = namespace_of(run.cache_key)
        yield Fact("cache", f"served: {where} computed it {_age(case, original)}")
        yield Fact("key", f"same function, inputs, version and namespace ({namespace!r})")
    if original.function_id != run.function_id:
        yield Fact(
            "code",
            "has changed since then. It is not part of the key: change cache_version to compute "
            "it again",
            "yellow",
        )


def _age(case: Case, run: "RunRow") -> str:
    return format_age(run.resolved_at or run.created_at, case.now)


def _why_not_asked(case: Case) -> str:
    if not case.run.options.get("cache"):
        return "not asked: it has no cache=True"
    if case.pipeline_run.cache_namespace is None:
        return "not asked: the pipeline run has no cache_namespace"
    if case.run.state is RunState.CREATED:  # its key is recorded when something becomes of it
        if len(case.known_inputs) < len(case.inputs):
            return "not asked yet: its inputs are not known"
        return "being asked, or the same call executes"
    if case.run.state is RunState.CANCELED and case.run.scheduled_at is None:
        return "not asked: it was cancelled before"
    if len(case.known_inputs) < len(case.inputs):
        return "not asked: its inputs were never known"
    if case.seed.get("again"):
        return "not asked: the rerun starts here, and was to execute it"
    if case.seed.get("state") == RunState.RAN.value:
        return "not asked: the rerun starts below it, and has made its output anew"
    return "not asked: nothing that is the same in every process tells its function from others"


def _explain_miss(case: Case) -> Iterator[Fact]:
    close = case.closest
    if case.run.state is RunState.CANCELED and case.run.scheduled_at is None:
        yield Fact("cache", "nothing found before it was cancelled")
        return
    if close is None:
        yield Fact("cache", "nothing found: no earlier call of this function asked the cache")
        return
    run = case.queries.run(close.id)
    same = close.cache_key == case.run.cache_key
    known = f"{case.name(run)} of pipeline run {case.screen.id(run.root_id)}"
    if not same:
        age = format_age(run.created_at, case.now)
        yield Fact("cache", "nothing found: no earlier call has the same key")
        yield Fact("closest", f"{known}, {age}")
    elif run.state is not RunState.RESOLVED:
        yield Fact("cache", f"nothing found: {known} is the same call, but {run.state.value}")
    elif (run.resolved_at or 0) > (case.run.scheduled_at or case.now):
        yield Fact("cache", f"nothing found: {known} is the same call, and ended later")
    else:
        yield Fact(
            "cache",
            f"not used: {known} is the same call, but its value was damaged or gone, or could not "
            "be read by the code or by the version of Python",
        )


def explain_difference(case: Case) -> Iterator[str]:
    """A table of what differs from the closest earlier call, where nothing was found."""
    run = case.run
    if run.original_run_id is not None or run.cache_key is None or case.seed.get("again"):
        return
    if run.state is RunState.CANCELED and run.scheduled_at is None:
        return
    close = case.closest
    if close is None or close.cache_key == run.cache_key:
        return
    other = case.queries.run(close.id)
    # What is not to be seen in the record is the type of an output that never came to be.
    rows = list(_differences(case, close, other)) or [("output type", "another one", "")]
    cells = [[Cell(name, bold=True), Cell(now), Cell(then)] for name, now, then in rows]
    yield from build_table(_COLUMNS, cells, case.screen)


def _differences(case: Case, close: "CloseRun", other: "RunRow") -> Iterator[tuple[str, str, str]]:
    from sematic.tracking.why import namespace_of

    run = case.run
    for name in dict.fromkeys([*case.known_inputs, *close.inputs]):
        now, then = case.known_inputs.get(name), close.inputs.get(name)
        if now != then:
            yield (name, *_values(case, now, then))
    version, then_version = run.options.get("cache_version"), close.version
    if version != then_version:
        yield "cache_version", str(version or "(none)"), str(then_version or "(none)")
    namespace, then_namespace = namespace_of(run.cache_key or ""), close.namespace
    if namespace != then_namespace:
        yield "cache_namespace", repr(namespace), repr(then_namespace)
    types = [_output_type(case, r) for r in (run, other)]
    if all(types) and types[0] != types[1]:
        yield "output type", str(types[0]), str(types[1])
    yield from _place_differences(case, close, other)


def _place_differences(
    case: Case, close: "CloseRun", other: "RunRow"
) -> Iterator[tuple[str, str, str]]:
    """What tells two functions of one path apart: their files, or what is in them."""
    from sematic.tracking.why import place_of

    place, then_place = place_of(case.run.cache_key or ""), place_of(close.cache_key)
    if place is None or place == then_place:
        return
    if then_place is None:
        yield "key", "of this version", "of an older one, which made others"
    elif place.startswith(CLOSURE) and then_place.startswith(CLOSURE):
        yield "function", "another one of this name, or with other variables", ""
    elif CLOSURE in (place[0], then_place[0]):
        kinds = {True: "told by its variables too", False: "told by its name"}
        yield "function", kinds[place[0] == CLOSURE], kinds[then_place[0] == CLOSURE]
    elif place[0] != then_place[0]:
        yield "file", _KINDS[place[0]], _KINDS[then_place[0]]
    elif place.startswith(NAMELESS):
        yield "code", "another one (of a notebook or a console)", ""
    else:
        now, then = (case.queries.environment(r.root_id).get("main") for r in (case.run, other))
        if now and then and now != then:
            yield ("script", *_apart(case, now, then))
        else:
            yield "file", "another one of this name", ""


def _values(case: Case, now: str | None, then: str | None) -> tuple[str, str]:
    texts = [_value(case, now), _value(case, then)]
    if texts[0] == texts[1]:
        if _is_pickle(case, now) and _is_pickle(case, then):
            alike = f"looks the same, in another pickle {case.screen.id(then or '')}"
            return f"{texts[0]} {case.screen.id(now or '')}", f"{alike}: {_PICKLES_DIFFER}"
        return f"{texts[0]} {case.screen.id(now or '')}", f"{texts[1]} {case.screen.id(then or '')}"
    return _apart(case, *texts)


def _is_pickle(case: Case, artifact_id: str | None) -> bool:
    try:
        return artifact_id is not None and case.queries.artifact(artifact_id).codec == "pickle"
    except NotFoundError:
        return False


def _apart(case: Case, first: str, second: str) -> tuple[str, str]:
    """Two texts, on a terminal from shortly before where they differ."""
    if case.screen.width is None or max(len(first), len(second)) <= 2 * _COMMON:
        return first, second
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
    if same <= 2 * _COMMON:
        return first, second
    cut = same - _COMMON
    return f"…{first[cut:]}", f"…{second[cut:]}"


def _value(case: Case, artifact_id: str | None) -> str:
    from sematic.cli.values import build_node, format_flat

    if artifact_id is None:
        return "(none)"
    try:
        return format_flat(build_node(case.queries.artifact(artifact_id)), _MOST_CHARACTERS)
    except NotFoundError:
        return f"(artifact {case.screen.id(artifact_id)}, not in the record)"


def _output_type(case: Case, run: "RunRow") -> str | None:
    return case.queries.artifact(run.output_id).type if run.output_id else None
