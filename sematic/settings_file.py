"""``settings.yaml``: read as text, changed under a lock, replaced in one step.

It may hold secrets: the file has mode 0600. It is never kept in a temporary directory.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sematic.config_directory import (
    configured_directory,
    create_directory,
    has_configured_directory,
    warn_once,
)
from sematic.errors import SettingsError

_VERSION = "1"


def settings_path(environ: Mapping[str, str]) -> Path:
    """The file, whether or not it exists.

    Raises:
        SettingsError: the user has no home directory, and it would be there.
    """
    return configured_directory(environ) / "settings.yaml"


def read_settings(
    environ: Mapping[str, str], *, known: Collection[str] | None = None
) -> dict[str, str]:
    """What the file says, name to value; nothing where there is no file.

    Args:
        environ: environment variables.
        known: names that there are; one warning is logged for others. Without it, none is.

    Raises:
        SettingsError: the file cannot be read or understood; the text says where and what to do.
    """
    if not has_configured_directory(environ):
        return {}
    path = settings_path(environ)
    values, foreign = _read_file(path)
    if known is not None:
        unknown = [*foreign, *sorted(set(values) - set(known))]
        if unknown:
            warn_once(
                f"{path} has keys that this version of sematic does not know; they are ignored: "
                f"{', '.join(unknown)}."
            )
    return values


def change_settings(
    environ: Mapping[str, str], change: Callable[[dict[str, str]], dict[str, str]]
) -> dict[str, str]:
    """Replace the settings of the file by what ``change`` makes of them; what they were before.

    Raises:
        SettingsError: the file, or its directory, cannot be read or written.
    """
    path = create_directory(environ) / "settings.yaml"
    try:
        with _locked(path.with_suffix(".lock")):
            before, foreign = _read_file(path)
            if foreign:
                raise SettingsError(
                    f"{path} has keys of another version of Sematic: {', '.join(foreign)}. "
                    "Move the file away, so that a new one can be written."
                )
            # A link to a file elsewhere stays a link: people keep such files in repositories.
            _write_file(Path(os.path.realpath(path)), change(before))
    except OSError as error:
        raise SettingsError(f"Cannot write {path}: {error.strerror}.") from error
    return before


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock among processes and threads. The file stays: removing it would race."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_file(path: Path) -> tuple[dict[str, str], list[str]]:
    """The settings in the file, and its keys that are none of ours."""
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"Cannot read {path}: it is not UTF-8 text ({error}).") from error
    document = _parse(path, text)
    version = document.get("version", _VERSION)
    if version != _VERSION:
        raise SettingsError(
            f"{path} has the version {version!r}, which this version of sematic cannot read; "
            "install a newer one, or set SEMATIC_CONFIG_DIR to another directory."
        )
    return _check_values(path, document.get("settings")), sorted(
        set(document) - {"version", "settings"}
    )


def _parse(path: Path, text: str) -> dict[str, Any]:
    import yaml

    try:
        # BaseLoader makes text of all scalars: the password 0123 is not the number 83.
        document = yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise SettingsError(
            f"{path}{where}: this is not valid YAML: {problem}. Correct it, or delete the file and "
            "set its settings anew with `sematic settings set`."
        ) from error
    if not document:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path} {_LAYOUT}")
    return document


_LAYOUT = (
    "must hold the line 'version: 1', the line 'settings:' and, indented below it, "
    "lines such as 'SNOWFLAKE_USER: george'."
)


def _check_values(path: Path, settings: object) -> dict[str, str]:
    if not settings:
        return {}
    if not isinstance(settings, dict):
        raise SettingsError(f"{path} {_LAYOUT}")
    for name, value in settings.items():
        if not isinstance(value, str):
            raise SettingsError(f"{path}: the value of {name} must be a text. The file {_LAYOUT}")
    return settings


def _write_file(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file as a whole: who reads at this moment sees the old one or the new one."""
    import tempfile

    import yaml

    document = {"version": int(_VERSION), "settings": dict(sorted(values.items()))}
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".settings-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yaml.safe_dump(document, file, allow_unicode=True, sort_keys=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
