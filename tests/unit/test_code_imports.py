"""Modules that are imported for what is in them."""

import sys
from pathlib import Path

import pytest

from sematic.code_imports import import_code


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


RUNS = """
import sematic

@sematic.func
def f() -> int:
    return 1

sematic.SilentRunner().run(f())
after = 1
"""


def test_an_import_ends_where_a_pipeline_would_start(place: Path) -> None:
    (place / "starts_one.py").write_text(RUNS)
    module = import_code("starts_one")
    assert module.f.func() == 1
    assert not hasattr(module, "after")
    assert import_code("starts_one") is module is sys.modules["starts_one"]


def test_modules_of_packages_are_attributes_of_them(place: Path) -> None:
    (place / "package_of_ours").mkdir()
    (place / "package_of_ours" / "__init__.py").write_text("")
    (place / "package_of_ours" / "inner.py").write_text(RUNS)
    assert import_code("package_of_ours.inner").f.func() == 1
    assert sys.modules["package_of_ours"].inner is sys.modules["package_of_ours.inner"]


def test_what_cannot_be_imported_is_an_error_as_ever(place: Path) -> None:
    (place / "broken_one.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        import_code("broken_one")
    assert "broken_one" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_code("no_such_module")
    with pytest.raises(ModuleNotFoundError):
        import_code("no_such_package.module")
