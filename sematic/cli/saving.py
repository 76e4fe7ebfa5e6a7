"""Stored values written to files of the user's, whose endings say in which form."""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sematic.types.images import Image

if TYPE_CHECKING:
    from sematic.calls import ArtifactRef

_FRAME_METHODS: Mapping[str, str] = {
    ".csv": "to_csv",
    ".parquet": "to_parquet",
    ".json": "to_json",
}
# With what files of these endings begin: other bytes under such a name are no such file.
_BEGINNINGS: Mapping[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8",),
    ".jpeg": (b"\xff\xd8",),
    ".gif": (b"GIF8",),
    ".webp": (b"RIFF",),
    ".pdf": (b"%PDF",),
    ".parquet": (b"PAR1",),
    ".feather": (b"ARROW1", b"FEA1"),
    ".arrow": (b"ARROW1",),
    ".npy": (b"\x93NUMPY",),
    ".gz": (b"\x1f\x8b",),
    **dict.fromkeys((".xlsx", ".docx", ".zip", ".npz"), (b"PK",)),
}


def save_artifact(ref: "ArtifactRef", path: Path) -> None:
    """Write a stored value to a file.

    Raises:
        ClickException: the file cannot be written, or its ending does not fit the value.
        ArtifactError: the value cannot be read.
    """
    from sematic.client import read_value
    from sematic.errors import ArtifactError

    try:
        value = read_value(ref)
    except ArtifactError:
        if not _save_picture(ref, path):  # a picture needs no class that is missing here
            raise
        return
    try:
        _write(value, ref, path)
    except OSError as error:
        raise click.ClickException(f"Cannot write {path}: {error.strerror or error}.") from error
    except (ValueError, TypeError, ImportError) as error:  # of pandas, pyarrow or matplotlib
        raise click.ClickException(f"Cannot write {path}: {error}") from error


def _write(value: Any, ref: "ArtifactRef", path: Path) -> None:
    suffix = path.suffix.lower()
    if isinstance(value, Image):
        value = value.bytes
    if isinstance(value, bytes | bytearray | memoryview):
        _check_beginning(bytes(value[:16]), path, what="bytes", fitting=".bin")
        path.write_bytes(value)
    elif isinstance(value, str):
        encoded = value.encode("utf-8", "surrogatepass")
        _check_beginning(encoded[:16], path, what="a text", fitting=".txt, .md or .csv")
        path.write_text(value, encoding="utf-8")
    elif hasattr(value, "savefig"):
        _check_picture(value, path)
        value.savefig(path)
    elif _is_of_pillow(value):
        value.save(path)
    elif suffix in _FRAME_METHODS and hasattr(value, _FRAME_METHODS[suffix]):
        getattr(value, _FRAME_METHODS[suffix])(path)
    elif suffix == ".json" and ref.payload is not None:
        path.write_text(ref.payload, encoding="utf-8")
    else:
        raise click.ClickException(
            f"A value of type {ref.type} cannot be written to a file like {path.name}. Figures can "
            "(.png, .pdf, .svg), frames (.csv, .parquet, .json), texts, bytes and plain values "
            "(.json). For all others: sematic.client.get_artifact_value in Python."
        )


def _check_beginning(beginning: bytes, path: Path, *, what: str, fitting: str) -> None:
    """Refuse to give a file a name that says that it is something else."""
    wanted = _BEGINNINGS.get(path.suffix.lower())
    if wanted is None or beginning.startswith(wanted):
        return
    if (ending := _find_ending(beginning)) is not None:
        what, fitting = f"what a {ending} file is made of", ending
    raise click.ClickException(
        f"The value is {what}, which does not make a {path.suffix} file. Write it to a file "
        f"that ends in {fitting}, for example {path.stem}{fitting.split(',', maxsplit=1)[0]}."
    )


def _find_ending(beginning: bytes) -> str | None:
    """The ending of files that begin like this, if there is one that is certain."""
    fitting = [ending for ending, known in _BEGINNINGS.items() if beginning.startswith(known)]
    if fitting == [".webp"] and beginning[8:12] != b"WEBP":
        return None  # sounds and films begin like this too
    if ".zip" in fitting:
        return ".zip"  # the others are special ones
    return fitting[0] if fitting else None


def _is_of_pillow(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _check_picture(figure: Any, path: Path) -> None:
    """Where the ending says nothing, matplotlib would write to a file of another name."""
    canvas = getattr(figure, "canvas", None)  # of other libraries' pictures there may be none
    if canvas is None:
        return
    known: Mapping[str, str] = canvas.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in known:
        raise click.ClickException(
            f"How to draw a figure to {path.name} is not known: its ending must be one of "
            f"{', '.join(f'.{ending}' for ending in sorted(known))}. For example {path.stem}.png."
        )


def _save_picture(ref: "ArtifactRef", path: Path) -> bool:
    """Write the picture in a figure's summary, if there is one and it is what is wanted."""
    summary = {} if ref.summary is None else json.loads(ref.summary)
    if path.suffix.lower() != ".png" or "png" not in summary:
        return False
    path.write_bytes(base64.b64decode(summary["png"]))
    return True
