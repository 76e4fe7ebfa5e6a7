"""Functions of the standard library that are replaced for a while."""

import os
import pickle
import subprocess
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest

from sematic.child_marks import marked_children
from sematic.child_output import kept_child_output
from sematic.replacements import Replacements


def build() -> tuple[SimpleNamespace, Replacements]:
    """Something with an attribute, and what says "ours" in front of what that returns."""
    owner = SimpleNamespace(name=lambda: "original")
    replacements = Replacements(
        (owner, "name", lambda: f"ours, {replacements.originals['name']()}"),
    )
    return owner, replacements


def test_what_was_there_is_there_again() -> None:
    owner, replacements = build()
    original = owner.name
    with replacements.in_place(), replacements.in_place():
        assert owner.name() == "ours, original"
    assert owner.name is original


def test_what_somebody_has_put_around_ours_stays_and_ours_with_it() -> None:
    owner, replacements = build()
    with replacements.in_place():
        inner = owner.name
        owner.name = lambda: f"theirs, {inner()}"
    assert owner.name() == "theirs, ours, original"
    with replacements.in_place():
        assert owner.name() == "theirs, ours, original"


@pytest.mark.parametrize("before", [False, True])
def test_ours_comes_back_where_somebody_has_put_back_what_they_had_found(before: bool) -> None:
    """A mock, say, that begins before ours, or while ours is in place, and ends out of turn."""
    owner, replacements = build()
    original = owner.name
    if before:
        owner.name = lambda: f"theirs, {original()}"
    with replacements.in_place():
        owner.name = original
    with replacements.in_place():
        assert owner.name() == "ours, original"
    assert owner.name is original


@pytest.mark.parametrize("name", ["execve", "posix_spawn", "posix_spawnp", "system"])
@pytest.mark.parametrize("how", [pickle, cloudpickle])
def test_they_are_pickled_by_their_names(name: str, how: Any) -> None:
    """A function that is sent to a worker may have one of them."""
    with marked_children(), kept_child_output(lambda: None, lambda _: None):
        pickled = how.dumps(getattr(os, name))
        assert pickle.loads(pickled) is getattr(os, name)
    assert pickle.loads(pickled) is getattr(os, name)


def test_a_method_of_a_replaced_class_is_pickled_by_its_name() -> None:
    with marked_children(), kept_child_output(lambda: None, lambda _: None):
        pickled = pickle.dumps(subprocess.Popen.wait)
        assert pickle.loads(pickled) is subprocess.Popen.wait
