"""Standalone calls of a driver that has lost its pipeline run: they end, and no other begins.

Such a driver may be stopped and go on later: its Ray is up, with calls that execute and others that
wait for their turn. What is killed are only processes that execute calls of that pipeline run, for
others may share the Ray.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sematic.errors import FencedError
from sematic.ray_backend.session_directory import (
    end_found,
    find_sessions,
    remove_abandoned_sessions,
)

_PERMITS = "permits"
_TAKEN = ".taken"
SECONDS_TO_KEEP = 3600.0
"""How often a permit is shown to be in use: what nobody uses for days some systems delete."""


def create_permit(session: Path, root_id: str) -> Path:
    """Make the file that is taken away where nothing more of a driver is to be executed.

    Args:
        session: the directory of a Ray of our own, whose workers are all on this machine.
        root_id: of the pipeline run.
    """
    directory = session / _PERMITS
    directory.mkdir(exist_ok=True)
    path = directory / f"{root_id}.{secrets.token_hex(8)}"
    path.touch()
    return path


def keep_permit(path: Path) -> None:
    """Let nobody take it for one that was forgotten; make it anew where that has happened."""
    if not _mark_of(path).exists():
        with suppress(OSError):  # the disk is full, or the directory gone with all of Ray's
            path.parent.mkdir(exist_ok=True)
            path.touch()


def check_permit(path: str | None) -> None:
    """Go on only if the driver that has submitted a call has not lost its pipeline run.

    To be called when the output of the process is redirected: who takes the permit away looks for
    that afterwards. One that is not there at all was not taken away: somebody has tidied up.

    Raises:
        FencedError: somebody has taken it over.
    """
    if path is not None and _mark_of(Path(path)).exists():
        raise FencedError("Another driver has taken the pipeline run over.")


def take_away(permit: Path) -> None:
    """Let no worker begin a call any more. Needs no space on the disk."""
    with suppress(FileNotFoundError):  # it was given back, or somebody else takes it too
        permit.rename(_mark_of(permit))


def _mark_of(permit: Path) -> Path:
    return permit.with_name(permit.name + _TAKEN)


def end_in_ray(root_id: str) -> None:
    """End what workers of Ray execute for a pipeline run on this machine, and Rays that are left.

    To be called by who has taken it over, before anything starts for it. Takes milliseconds where
    there is nothing. On macOS nothing tells which worker executes a call.
    """
    for session in find_sessions():
        for permit in (session / _PERMITS).glob(f"{root_id}.*"):
            if permit.suffix != _TAKEN:
                take_away(permit)
    end_found(lambda: find_executing(root_id), grace=0.0)
    remove_abandoned_sessions()


def find_executing(root_id: str) -> Iterator[int]:
    """The workers whose output goes to the logs of a pipeline run: while a call executes."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if not (process / "cmdline").read_bytes().startswith(b"ray::"):
                continue
            if int(process.name) in (os.getpid(), os.getppid()):  # a function may have asked for it
                continue
            if os.path.basename(os.path.dirname(os.readlink(process / "fd/1"))) == root_id:
                yield int(process.name)
