"""Modules that are imported for what is in them."""

import importlib
import pickle
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import BuiltinImporter, SourceFileLoader
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from sematic.code_imports import import_code, refuse_while_importing
from sematic.shipping import locate_function


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


RUNS = """
import sematic

class Value: pass

@sematic.func
def f() -> int:
    return 1

value = sematic.SilentRunner().run(f())
after = 1

@sematic.func
def g() -> int:
    return 2
"""
WHY = r"the import of starts_one ended in line 10, where it would have started a pipeline\. Write"


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


STARTS_A_THREAD = """
import sematic, threading

class Failing: pass

ran, found = [], {{}}

@sematic.func
def f() -> int:
    ran.append(1)
    return 1

def main():
    import beside_one
    found["value"] = sematic.SilentRunner().run(f())

thread = threading.Thread(target=main)
thread.start()
{then}
@sematic.func
def g() -> int:
    return 2
"""


@pytest.mark.parametrize("then", ["thread.join()", "", "thread.join(); print(found['value'])"])
def test_a_pipeline_that_a_thread_of_it_would_start_is_not_started(
    place: Path, then: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "starts_thread.py").write_text(STARTS_A_THREAD.format(then=then))
    (place / "beside_one.py").write_text("")
    module = import_code("starts_thread")
    module.thread.join()
    assert module.ran == []
    assert module.f.func() == 1
    assert capfd.readouterr().err == ""
    if "found" not in then:
        assert module.g.func() == 2
        return
    with pytest.raises(AttributeError, match="ended in line 19, where it would have started a pip"):
        _ = module.g


def test_threads_of_others_start_pipelines_while_a_module_is_imported(place: Path) -> None:
    (place / "waits_one.py").write_text("import sys\nsys.began.set()\nsys.over.wait(60)\n")
    sys.began, sys.over = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    importing = threading.Thread(target=import_code, args=["waits_one"])
    importing.start()
    assert sys.began.wait(60)  # type: ignore[attr-defined]
    refused: list[bool] = []

    def start() -> None:
        refuse_while_importing()
        refused.append(False)

    other = threading.Thread(target=start)
    other.start()
    other.join()
    sys.over.set()  # type: ignore[attr-defined]
    importing.join()
    del sys.began, sys.over  # type: ignore[attr-defined]
    assert refused == [False]


def test_a_module_that_fails_for_itself_is_an_error_though_it_starts_threads(place: Path) -> None:
    text = "import threading\nt = threading.Thread(target=int)\nt.start(); t.join()\n1 / 0"
    (place / "broken_thread.py").write_text(text)
    with pytest.raises(ZeroDivisionError):
        import_code("broken_thread")


IMPORTS_LATER = """
import sematic, threading

@sematic.func
def f() -> int:
    return 1

ready, found = threading.Event(), {{}}

def main():
    found["value"] = sematic.SilentRunner().run(f())

thread = threading.Thread(target=main)
thread.start()
thread.join()
{then}
"""


@pytest.mark.parametrize(
    ("then", "beside", "expected"),
    [
        ("import no_such_module", "", "no_such_module"),
        ("import beside_two", "import no_such_module", "no_such_module"),
        ("import beside_two", "1 / 0", "division by zero"),
        ("import beside_two", "from sematic import nothing", "cannot import name 'nothing'"),
    ],
)
def test_what_is_imported_after_the_end_of_a_thread_fails_for_itself(
    place: Path, then: str, beside: str, expected: str
) -> None:
    (place / "imports_later.py").write_text(IMPORTS_LATER.format(then=then))
    (place / "beside_two.py").write_text(beside)
    with pytest.raises((ImportError, ZeroDivisionError, AttributeError), match=expected):
        import_code("imports_later")


def test_what_is_imported_after_the_end_of_a_thread_may_miss_what_that_was_to_bring(
    place: Path,
) -> None:
    (place / "imports_later.py").write_text(IMPORTS_LATER.format(then="import beside_two"))
    (place / "beside_two.py").write_text("from imports_later import brought")
    assert import_code("imports_later").f.func() == 1
    assert "beside_two" not in sys.modules


def test_threads_that_a_module_starts_are_told_why_they_start_no_pipeline(place: Path) -> None:
    text = "import threading\nfrom concurrent.futures import ThreadPoolExecutor as Pool\n"
    text += "pool = Pool(1)\npool.submit(int).result()\n"
    (place / "makes_pool.py").write_text(text)
    pool = import_code("makes_pool").pool
    with pytest.raises(BaseException, match="the module 'makes_pool' was imported for the func"):
        pool.submit(refuse_while_importing).result(10)
    pool.shutdown()


# --- what is half-made stays so, and says so


@pytest.fixture
def starts_one(place: Path) -> Any:
    (place / "starts_one.py").write_text(RUNS)
    return import_code("starts_one")


def test_what_is_missing_in_a_module_says_why(starts_one: Any) -> None:
    with pytest.raises(AttributeError, match=f"'starts_one' has no attribute 'after': {WHY}"):
        print(starts_one.after)
    with pytest.raises(ImportError, match=f"cannot import name 'after' from 'starts_one': {WHY}"):
        from starts_one import after  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(ImportError, match=f"Unable to find function starts_one.g: {WHY}"):
        locate_function("starts_one.g")
    assert not hasattr(starts_one, "after")
    assert not hasattr(starts_one, "__path__")


def test_what_is_there_can_be_imported_and_pickled_as_ever(starts_one: Any) -> None:
    from starts_one import f

    assert f is starts_one.f is locate_function("starts_one.f")
    assert type(pickle.loads(pickle.dumps(starts_one.Value()))) is starts_one.Value
    assert cloudpickle.loads(cloudpickle.dumps(starts_one)) is starts_one


def test_reloading_a_module_executes_all_of_it(starts_one: Any) -> None:
    assert importlib.reload(starts_one).after == starts_one.value == 1
    with pytest.raises(AttributeError) as caught:
        print(starts_one.another)
    assert str(caught.value) == "module 'starts_one' has no attribute 'another'"


def test_a_module_goes_on_after_the_import_of_one_that_ends_early(place: Path) -> None:
    (place / "starts_one.py").write_text(RUNS)
    (place / "imports_it.py").write_text("from starts_one import f\nafter = f.func()")
    assert import_code("imports_it").after == 1
    (place / "needs_it.py").write_text("from starts_one import after")
    with pytest.raises(ImportError, match=WHY):
        import_code("needs_it")


# --- beside other imports


@pytest.mark.parametrize("import_it", [import_code, importlib.import_module])
def test_other_threads_wait_until_a_module_is_as_complete_as_it_gets(
    place: Path, import_it: Callable[[str], Any]
) -> None:
    code = "import time\nentered.set()\ntime.sleep(0.3)\n"
    (place / "slow_one.py").write_text(f"from entrance import entered\n{code}{RUNS}")
    (place / "entrance.py").write_text("import threading\nentered = threading.Event()")
    entered = import_code("entrance").entered
    thread = threading.Thread(target=import_code, args=("slow_one",))
    thread.start()
    assert entered.wait(60)
    module = import_it("slow_one")
    assert module.f.func() == 1
    thread.join()
    assert sys.modules["slow_one"] is module


def test_loaders_are_left_as_they_were(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(vars(BuiltinImporter))
    builtin = "_symtable"  # part of every interpreter, and not loaded
    assert builtin in sys.builtin_module_names
    monkeypatch.delitem(sys.modules, builtin, raising=False)
    (place / "imports_builtin.py").write_text(f"import {builtin}{RUNS}")
    module = import_code("imports_builtin")
    assert dict(vars(BuiltinImporter)) == before
    assert getattr(module, builtin).__loader__ is BuiltinImporter
    assert isinstance(module.__loader__, SourceFileLoader)
    assert module.__loader__ is module.__spec__.loader
    assert "exec_module" not in vars(module.__loader__)


def test_modules_of_an_archive_share_a_loader_that_stays_as_it_was(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(place / "archive.zip", "w") as archive:
        archive.writestr("zipped_one.py", RUNS)
        archive.writestr("zipped_two.py", "x = 2")
    monkeypatch.syspath_prepend(place / "archive.zip")
    modules = [import_code(name) for name in ("zipped_one", "zipped_two")]
    assert modules[0].f.func() == 1
    assert modules[0].__loader__ is modules[1].__loader__
    assert "exec_module" not in vars(modules[0].__loader__)
