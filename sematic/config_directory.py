"""The directory where sematic keeps settings, record and artifacts.

It is ``~/.sematic``, or ``SEMATIC_CONFIG_DIR``: an absolute path, or one relative to home.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from sematic.errors import SettingsError

_VARIABLE = "SEMATIC_CONFIG_DIR"
_ADVICE = f"Set {_VARIABLE} to a directory that you can write to."


def config_directory(environ: Mapping[str, str] | None = None) -> Path:
    """The directory to write to, made if it is not there yet (mode 0700).

    Where ``~/.sematic`` cannot be used, this is a directory of the user's own under the system's
    temporary one, and one warning says so. A directory that ``SEMATIC_CONFIG_DIR`` asks for is
    never replaced by another.

    Raises:
        SettingsError: the directory cannot be made or written to; the text says what to do.
    """
    environ = os.environ if environ is None else environ
    try:
        return create_directory(environ)
    except SettingsError as error:
        if environ.get(_VARIABLE):
            raise
        fallback = _create_fallback()
        warn_once(f"{error} Until then runs are recorded in {fallback}, which is not permanent.")
        return fallback


def readable_directory(environ: Mapping[str, str] | None = None) -> Path:
    """The directory to read from: one that ``SEMATIC_CONFIG_DIR`` names need not be writable.

    Raises:
        SettingsError: as :func:`config_directory`, for a directory that cannot be read either.
    """
    environ = os.environ if environ is None else environ
    if environ.get(_VARIABLE):
        path = configured_directory(environ)
        if os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK):
            return path
    return config_directory(environ)


def configured_directory(environ: Mapping[str, str]) -> Path:
    """The directory by configuration alone, whether or not it exists or can be written to.

    Raises:
        SettingsError: it depends on the home directory, and the user has none.
    """
    path = Path(environ.get(_VARIABLE) or ".sematic")
    if path.is_absolute():
        return path
    parts = path.parts[1:] if path.parts[:1] == ("~",) else path.parts
    return _home(environ).joinpath(*parts)


def has_configured_directory(environ: Mapping[str, str]) -> bool:
    """Whether there is anything to look for: false without ``~/.sematic``, or without access.

    One that ``SEMATIC_CONFIG_DIR`` asks for always counts: that it cannot be read is an error.
    """
    if environ.get(_VARIABLE):
        return True
    try:
        return os.access(configured_directory(environ), os.X_OK)
    except SettingsError:
        return False


def create_directory(environ: Mapping[str, str]) -> Path:
    """The configured directory, made if it is not there yet (mode 0700); no other in its place.

    Raises:
        SettingsError: it cannot be made or written to; the text says what to do.
    """
    path = configured_directory(environ)
    obstacle = _create(path)
    if obstacle:
        raise SettingsError(
            f"Cannot use '{path}' as Sematic config path because {obstacle}. {_ADVICE}"
        )
    return path


@cache
def warn_once(message: str) -> None:
    """Log a warning; the same text only once per process."""
    import logging

    logging.getLogger("sematic").warning(message)


def _create(path: Path) -> str:
    """Make a directory; the reason why it cannot be used, or an empty text."""
    try:
        if not path.parent.exists():
            return f"'{path.parent}' does not exist"
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        return "it is not a directory"
    except OSError as error:
        return f"it cannot be created ({error.strerror})"
    return "" if os.access(path, os.W_OK | os.X_OK) else "it cannot be written to"


def _home(environ: Mapping[str, str]) -> Path:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    import pwd

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise SettingsError(
            f"Cannot find a home directory: HOME is not set, and user {os.getuid()} is not known "
            f"to this system. {_ADVICE}"
        ) from None


def _create_fallback() -> Path:
    """A directory under the system's temporary one that nobody else can have prepared."""
    import tempfile

    try:
        path = Path(tempfile.gettempdir()) / f"sematic-{os.geteuid()}"
        with suppress(FileExistsError):  # ours from before, or a trap: told apart below
            path.mkdir(mode=0o700)
        found = os.lstat(path)  # of the name itself: a symbolic link could lead anywhere
    except OSError as error:
        raise SettingsError(f"Cannot create a temporary directory: {error}. {_ADVICE}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SettingsError(
            f"Cannot use '{path}': it is not a directory that belongs to you alone. {_ADVICE}"
        )
    return path
