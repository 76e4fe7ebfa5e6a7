"""``sematic run``: a script, a module or an example, as Python would run it."""

import glob
import importlib.util
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from click.shell_completion import CompletionItem

from sematic.errors import CancellationError
from sematic.processes import working_directory
from sematic.stop_signals import parting_of

_EXAMPLES = "sematic.examples"


class _Target(click.ParamType):  # type: ignore[type-arg]
    """A script, a module or an example."""

    name = "target"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The examples that fit, with scripts and directories; files where none does."""
        names = [f"examples/{name}" for name in _list_examples()]
        fitting = [name for name in names if name.startswith(incomplete)]
        if not fitting:
            return [CompletionItem(incomplete, type="file")]
        # In bash an item for files is one for nothing but files.
        return [CompletionItem(name) for name in (*fitting, *_list_scripts(incomplete))]


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("target", type=_Target())
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(target: str, arguments: tuple[str, ...]) -> None:
    """Run TARGET with ARGUMENTS, like python does.

    TARGET is a Python file, an importable module, or an example that comes with sematic:
    sematic run examples/digits
    """
    execute = _find_target(target)
    before = _count_runs()
    with _python_state():
        sys.argv = [target, *arguments]
        try:
            defined = execute()
        except (SystemExit, CancellationError):  # of the latter one line says all
            raise
        except BaseException as error:  # whatever the script raises is shown
            if parting_of(error) is not None:  # the same goes for it
                raise
            _explain_missing_package(error, target)
            _print_exception(error)
            sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    if _count_runs() == before:
        _tell_what_is_missing(target, defined)


def _count_runs() -> int:
    """How many pipelines this process has run; 0 as long as it has not even imported a runner."""
    module = sys.modules.get("sematic.runners.runner")
    return module.count_runs() if module is not None else 0


def _tell_what_is_missing(target: str, defined: Mapping[str, object]) -> None:
    """Say what to add to a script that defines functions of a pipeline and runs none."""
    module = sys.modules.get("sematic.function")
    if module is None:
        return
    own = [
        name
        for name, value in defined.items()
        if isinstance(value, module.Function) and value.__module__ == "__main__"
    ]
    if own:
        sys.modules["sematic.forgotten_runs"].note_run()  # the end of the process need not tell
        click.echo(
            f"{target} has run no pipeline: it defines {', '.join(own)}, and gives none of them to "
            "a runner. To run one, add at its end:\n\n"
            'if __name__ == "__main__":\n'
            f"    sematic.LocalRunner().run({own[-1]}(...))",
            err=True,
        )


def _find_target(target: str) -> Callable[[], dict[str, Any]]:
    """What executes a target.

    Raises:
        ClickException: there is no such thing.
    """
    path = Path(target)
    if path.is_file() or (path / "__main__.py").is_file() or path.suffix == ".py":
        return _find_script(path)
    if target.startswith("examples/") or (target == "examples" and not path.exists()):
        return _find_example(target.removeprefix("examples").strip("/"))
    if path.exists() or "/" in target or not _is_module_name(target):
        return _find_script(path)
    return _find_module(target)


def _find_script(path: Path) -> Callable[[], dict[str, Any]]:
    if path.is_dir() and not (path / "__main__.py").is_file():
        raise click.ClickException(f"'{path}' is a directory without a __main__.py to run.")
    if path.suffix not in (".py", "") or (path.suffix != ".py" and path.is_file()):
        raise click.ClickException(f"Can only run Python files; got: '{path}'")
    if not path.exists():
        raise click.ClickException(f"There is no file '{path}' in {_here()}.")

    def execute() -> dict[str, Any]:
        if not path.is_dir():  # a directory is put there by runpy itself
            sys.path.insert(0, str(path.resolve().parent))
        return runpy.run_path(str(path), run_name="__main__")

    return execute


def _find_example(name: str) -> Callable[[], dict[str, Any]]:
    known = _list_examples()
    if name not in known:
        listed = "\n".join(f"  examples/{known_name}" for known_name in known)
        what = f"There is no example '{name}'." if name else "Which example?"
        raise click.ClickException(f"{what} There are:\n{listed}")
    return lambda: runpy.run_module(f"{_EXAMPLES}.{name}", run_name="__main__", alter_sys=True)


def _find_module(name: str) -> Callable[[], dict[str, Any]]:
    sys.path.insert(0, working_directory() or "")  # as python -m has it
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a parent package is missing
        found = None
    if found is None:
        raise click.ClickException(f"There is neither a file nor a module named '{name}'.")
    return lambda: runpy.run_module(name, run_name="__main__", alter_sys=True)


def _here() -> str:
    return working_directory() or "the current directory, which was deleted"


def _list_examples() -> list[str]:
    import pkgutil

    spec = importlib.util.find_spec(_EXAMPLES)
    places = spec.submodule_search_locations if spec else None
    return sorted(module.name for module in pkgutil.iter_modules(places or []))


def _list_scripts(beginning: str) -> list[str]:
    found = glob.glob(f"{glob.escape(beginning)}*")
    directories = [f"{path}/" for path in found if os.path.isdir(path)]
    return sorted([*directories, *(path for path in found if path.endswith(".py"))])


def _is_module_name(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


@contextmanager
def _python_state() -> Iterator[None]:
    """What a script changes of the interpreter is put back: tests call commands in one process."""
    from sematic.types.names import set_main_module_name

    argv, path = sys.argv, list(sys.path)
    set_main_module_name(None)  # forget what was found out about another __main__
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path
        set_main_module_name(None)


def _explain_missing_package(error: BaseException, target: str) -> None:
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    is_example = target.startswith("examples/")
    if not isinstance(error, ModuleNotFoundError) or not is_example or missing in ("", "sematic"):
        return
    raise click.ClickException(
        f"{target} needs a package that is not installed ({missing}). Install what the examples "
        "need: pip install 'sematic[examples]'"
    ) from error


def _print_exception(error: BaseException) -> None:
    """The traceback as Python prints it, without the frames that lead to the script."""
    from sematic.error_records import trim

    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        current.__traceback__ = _from_script(trim(current.__traceback__))
        current = current.__cause__ or current.__context__
    traceback.print_exception(error)


def _from_script(frames: TracebackType | None) -> TracebackType | None:
    """A traceback from behind the last frame of runpy on."""
    script, current = frames, frames
    while current is not None:
        if current.tb_frame.f_globals.get("__name__") == "runpy":
            script = current.tb_next
        current = current.tb_next
    return script
