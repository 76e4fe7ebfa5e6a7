"""``sematic run``."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.directories import deleted_directory

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("SEMATIC_PROGRESS", "off")
    return directory


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


_PIPELINE = """
import sys
import sematic

@sematic.func
def pipeline(x: int) -> int:
    return x + 1

if __name__ == "__main__":
    print(sys.argv, sematic.LocalRunner().run(pipeline(int(sys.argv[1]))))
"""


class TestScripts:
    def test_a_script_with_arguments(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "folder" / "train.py", _PIPELINE)
        result = sematic_cli("run", "folder/train.py", "41", "-v", "--limit", "3")
        assert result.exit_code == 0, result.output
        assert result.stdout == "['folder/train.py', '41', '-v', '--limit', '3'] 42\n"
        assert " train.pipeline\n" in sematic_cli("show", _latest(sematic_cli)).stdout

    def test_a_script_that_runs_no_pipeline_is_told_how(
        self, sematic_cli: Cli, project: Path
    ) -> None:
        write(project / "train.py", _PIPELINE.replace("__main__", "never"))
        result = sematic_cli("run", "train.py")
        assert result.exit_code == 0
        assert result.stderr.startswith("train.py has run no pipeline: it defines pipeline, and")
        assert "    sematic.LocalRunner().run(pipeline(...))\n" in result.stderr
        write(project / "quiet.py", "import sematic\nfrom train import pipeline\nprint(1)")
        assert sematic_cli("run", "quiet.py").stderr == ""

    def test_imports_from_its_own_directory(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "folder" / "neighbour_of_the_script.py", "VALUE = 5")
        write(
            project / "folder" / "main.py",
            "from neighbour_of_the_script import VALUE\nprint(VALUE, __name__)",
        )
        path = list(sys.path)
        assert sematic_cli("run", "folder/main.py").stdout == "5 __main__\n"
        assert sys.path == path

    def test_a_directory_with_a_main(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "app" / "__main__.py", "print('main of', __name__)")
        assert sematic_cli("run", "app").stdout == "main of __main__\n"

    def test_two_in_one_process_have_their_own_names(self, sematic_cli: Cli, project: Path) -> None:
        for name in ("one", "two"):
            write(project / f"{name}.py", _PIPELINE)
            assert sematic_cli("run", f"{name}.py", "1").exit_code == 0
            shown = sematic_cli("show", _latest(sematic_cli)).stdout
            assert f" {name}.pipeline\n" in shown

    def test_the_exit_code_of_the_script(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "exits.py", "import sys; sys.exit(7)")
        assert sematic_cli("run", "exits.py").exit_code == 7
        write(project / "exits.py", "import sys; sys.exit()")
        assert sematic_cli("run", "exits.py").exit_code == 0

    def test_an_exception_is_shown_as_python_does(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "breaks.py", "def f():\n    raise ValueError('no luck')\n\n\nf()\n")
        result = sematic_cli("run", "breaks.py")
        assert result.exit_code == 1
        lines = result.stderr.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].endswith('breaks.py", line 5, in <module>')
        assert lines[-1] == "ValueError: no luck"
        assert "runpy" not in result.stderr

    def test_a_pipeline_that_fails(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "fails.py", _PIPELINE.replace("x + 1", "x / 0"))
        result = sematic_cli("run", "fails.py", "1")
        assert result.exit_code == 1
        assert "return x / 0" in result.stderr
        assert "ZeroDivisionError: division by zero" in result.stderr
        assert f"{os.sep}engine.py" not in result.stderr

    def test_a_cancelled_pipeline_is_one_line(self, sematic_cli: Cli, project: Path) -> None:
        body = "import os, signal; os.kill(os.getpid(), signal.SIGINT); return x"
        write(project / "stops.py", _PIPELINE.replace("return x + 1", body))
        result = sematic_cli("run", "stops.py", "1")
        assert result.exit_code == 1
        *_, last = result.stderr.splitlines()
        assert last == "Error: Canceled by SIGINT."
        assert "Traceback" not in result.stderr

    def test_a_syntax_error(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "odd.py", "def :")
        result = sematic_cli("run", "odd.py")
        assert result.exit_code == 1
        assert "SyntaxError" in result.stderr


class TestModules:
    def test_a_module(self, sematic_cli: Cli, project: Path) -> None:
        write(project / "a_package_of_mine" / "__init__.py", "")
        write(project / "a_package_of_mine" / "job.py", "import sys; print(__name__, sys.argv[1:])")
        result = sematic_cli("run", "a_package_of_mine.job", "x")
        assert result.stdout == "__main__ ['x']\n"


class TestExamples:
    def test_an_example(self, sematic_cli: Cli) -> None:
        result = sematic_cli("run", "examples/add")
        assert result.exit_code == 0, result.output
        assert "sematic.examples.add" in sematic_cli("show", _latest(sematic_cli)).stdout

    @pytest.mark.parametrize("target", ["examples", "examples/"])
    def test_all_of_them(self, sematic_cli: Cli, target: str) -> None:
        result = sematic_cli("run", target)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: Which example? There are:\n  examples/add\n")

    def test_an_unknown_one(self, sematic_cli: Cli) -> None:
        result = sematic_cli("run", "examples/nope")
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: There is no example 'nope'. There are:\n")
        assert "  examples/add\n" in result.stderr
        assert "  examples/digits\n" in result.stderr

    def test_missing_packages(
        self, sematic_cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in sys.modules if name.startswith("sematic.examples.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "sklearn", None)
        result = sematic_cli("run", "examples/digits")
        assert result.exit_code == 1
        assert result.stderr == (
            "Error: examples/digits needs a package that is not installed (sklearn). Install what "
            "the examples need: pip install 'sematic[examples]'\n"
        )


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("foo.txt", "Can only run Python files; got: 'foo.txt'"),
        ("missing.py", "There is no file 'missing.py' in {project}."),
        ("no/such/file", "There is no file 'no/such/file' in {project}."),
        ("empty", "'empty' is a directory without a __main__.py to run."),
        ("no_such_module", "There is neither a file nor a module named 'no_such_module'."),
        ("no_such.module", "There is neither a file nor a module named 'no_such.module'."),
    ],
)
def test_what_cannot_be_run(sematic_cli: Cli, project: Path, target: str, message: str) -> None:
    write(project / "foo.txt", "")
    (project / "empty").mkdir()
    result = sematic_cli("run", target)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {message.format(project=project)}\n"


def test_a_deleted_directory(sematic_cli: Cli, project: Path) -> None:
    write(project / "script.py", _PIPELINE)
    with deleted_directory(project / "gone"):
        assert sematic_cli("run", str(project / "script.py"), "1").exit_code == 0
        result = sematic_cli("run", "missing.py")
        assert "There is no file 'missing.py' in the current directory, which was" in result.stderr
        assert "neither a file nor a module" in sematic_cli("run", "no_such_module").stderr


def _latest(sematic_cli: Cli) -> str:
    return sematic_cli("runs", "--limit", "1").stdout.splitlines()[1].split()[0]
