"""A script that executes one recorded call, with its inputs in files beside it."""

import inspect
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from sematic.function import Function
from sematic.tracking.views import RunRow
from sematic.wording import clean, short_id

_MOST_CHARACTERS = 200
_LITERALS = (int, float, str, bool, bytes, type(None))
_TEMPLATE = '''\
"""{title}"""

{imports}
{path}{command}import {module}

INPUTS = {{{inputs}}}

if __name__ == "__main__":
    print(repr({module}.{qualname}.func({arguments})))
'''


def write_script(
    directory: Path,
    run: RunRow,
    function: Function[..., object],
    *,
    values: Mapping[str, object],
    environment: Mapping[str, Any],
    places: Sequence[str],
) -> Path:
    """Write a script and its inputs; returns the path of the script.

    Args:
        directory: made if it is not there.
        run: the recorded call.
        function: what it calls, importable.
        values: its arguments, by name.
        environment: of its pipeline run: with which arguments it began.
        places: where its modules were.

    Raises:
        ClickException: the directory has such a script already.
    """
    path = directory / f"{re.sub('[^A-Za-z0-9_]', '_', function.__name__)}.py"
    if path.exists():
        raise click.ClickException(f"{path} exists already: name another directory.")
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"    {name!r}: {_keep(directory, name, v)},\n" for name, v in values.items()]
    reads_files = any(directory.glob("*.pickle"))
    arguments = environment.get("arguments", [])[1:]
    module = function.path.removesuffix(f".{function.__qualname__}")
    imports = ["import pickle"] * reads_files + ["import sys"] * bool(places or arguments)
    imports += ["from pathlib import Path"] * reads_files
    name = clean(function.__name__)
    path.write_text(
        _TEMPLATE.format(
            title=f"Run {short_id(run.id)}: {name}, with the inputs that are recorded.",
            imports="\n".join(imports) + "\n" * bool(imports),
            path=f"sys.path[:0] = {list(places)!r}  # where its modules were\n" if places else "",
            command=f"sys.argv[1:] = {arguments!r}  # which they may read\n" if arguments else "",
            module=module,
            qualname=function.__qualname__,
            inputs="\n" * bool(lines) + "".join(lines),
            arguments=_arguments(function, values),
        ),
        encoding="utf-8",
    )
    return path


def _keep(directory: Path, name: str, value: object) -> str:
    """The Python that gives a value; what is not short is written to a file."""
    if _is_literal(value) and len(repr(value)) <= _MOST_CHARACTERS:
        return repr(value)
    (directory / f"{name}.pickle").write_bytes(_pickle(value))
    return f'pickle.loads(Path(__file__).with_name("{name}.pickle").read_bytes())'


def _is_literal(value: object) -> bool:
    """Whether its repr is Python that gives the same."""
    if isinstance(value, float):
        return type(value) is float and value - value == 0.0  # neither infinite nor nan
    if type(value) in (list, tuple, set):
        return bool(value) and all(map(_is_literal, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(_is_literal(part) for pair in value.items() for part in pair)
    return type(value) in _LITERALS


def _pickle(value: object) -> bytes:
    try:
        return pickle.dumps(value)
    except Exception:  # noqa: BLE001 - any class may refuse; this one takes more
        import cloudpickle

        return bytes(cloudpickle.dumps(value))


def _arguments(function: Function[..., object], values: Mapping[str, object]) -> str:
    parameters = function.__signature__.parameters
    kinds = {parameters[name].kind for name in values}
    if inspect.Parameter.POSITIONAL_ONLY not in kinds:
        return "**INPUTS" if values else ""
    if kinds == {inspect.Parameter.POSITIONAL_ONLY}:
        return "*INPUTS.values()"
    return ", ".join(
        f"INPUTS[{name!r}]"
        if parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY
        else f"{name}=INPUTS[{name!r}]"
        for name in values
    )
