"""docs/states.md says what sematic.states does."""

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

import pytest

from sematic.states import STATUS_TRANSITIONS, TRANSITIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "states.md"
SECTIONS: dict[str, Mapping[Enum | None, frozenset[Enum]]] = {
    "Runs": TRANSITIONS,
    "Pipeline runs": STATUS_TRANSITIONS,
}


def section(title: str) -> str:
    parts = re.split(r"^## (.+)$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return parts[parts.index(title) + 1]


def table(title: str) -> list[tuple[str, str, set[str]]]:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section(title), flags=re.MULTILINE)
    return [(name, meaning, set(re.findall(r"`(\w+)`", after))) for name, meaning, after in rows]


def names(states: frozenset[Enum]) -> set[str]:
    return {state.value for state in states}


@pytest.mark.parametrize("title", SECTIONS)
def test_table_is_what_the_code_allows(title: str) -> None:
    documented = {name: after for name, _, after in table(title)}
    allowed = {
        state.value: names(after) for state, after in SECTIONS[title].items() if state is not None
    }
    assert documented == allowed


@pytest.mark.parametrize("title", SECTIONS)
def test_table_has_one_row_for_each_state(title: str) -> None:
    rows = [name for name, _, _ in table(title)]
    assert len(rows) == len(set(rows)) == len(SECTIONS[title]) - 1


@pytest.mark.parametrize("title", SECTIONS)
def test_diagram_is_what_the_code_allows(title: str) -> None:
    drawn = re.findall(r"^ {4}(\S+) --> (\S+)$", section(title), flags=re.MULTILINE)
    allowed = {
        ("[*]" if before is None else before.value, name)
        for before, after in SECTIONS[title].items()
        for name in (names(after) or {"[*]"})
    }
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == allowed


@pytest.mark.parametrize("title", SECTIONS)
def test_every_state_has_a_meaning(title: str) -> None:
    assert all(meaning.strip().endswith(".") for _, meaning, _ in table(title))
