"""``sematic artifact``: a stored value."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from sematic.cli.record import NO_RUNS, open_record
from sematic.cli.screen import Screen, echo, find_screen
from sematic.errors import NotFoundError
from sematic.wording import format_size, short_id

if TYPE_CHECKING:
    from sematic.calls import ArtifactRef


class _SavePath(click.Path):
    """A file to write, completed by the shell like any file."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


@click.command()
@click.argument("artifact_id", metavar="ARTIFACT")
@click.option("--json", "as_json", is_flag=True, help="Print what is recorded, as JSON.")
@click.option(
    "--save",
    type=_SavePath(dir_okay=False, path_type=Path),
    help="Write a figure, frame, text or bytes to this file; its ending says how.",
)
def artifact(artifact_id: str, as_json: bool, save: Path | None) -> None:
    """Show ARTIFACT, a stored value.

    The ids of inputs and outputs are shown by: sematic show RUN
    """
    queries, screen = open_record(), find_screen()
    if queries.is_empty:
        raise NotFoundError(f"There is no artifact '{artifact_id}'. {NO_RUNS}")
    ref = queries.artifact(queries.resolve_artifact_id(artifact_id))
    if save is not None:
        _save(ref, save)
        click.echo(f"Wrote {save}")
    elif as_json:
        click.echo(json.dumps(_to_json(ref), indent=2))
    else:
        echo([*_header(ref, screen), "", *_body(ref, screen)], screen)


def _to_json(ref: "ArtifactRef") -> dict[str, object]:
    from sematic.cli.values import read_payload

    return {
        "id": ref.id,
        "type": ref.type,
        "codec": ref.codec,
        "size": ref.size,
        "value": None if ref.payload is None else read_payload(ref.payload),
        "summary": None if ref.summary is None else json.loads(ref.summary),
    }


def _header(ref: "ArtifactRef", screen: Screen) -> list[str]:
    size = f"{format_size(ref.size)}, stored as {ref.codec}"
    facts = {"id": ref.id, "type": ref.type, "size": size}
    return [f"{screen.dim(label.ljust(4))}  {text}" for label, text in facts.items()]


def _body(ref: "ArtifactRef", screen: Screen) -> list[str]:
    from sematic.cli import previews
    from sematic.cli.values import build_node, format_pretty, read_payload

    summary = {} if ref.summary is None else json.loads(ref.summary)
    match summary.get("kind") if ref.payload is None else None:
        case "frame" if "columns" in summary:
            return previews.preview_frame(summary, screen)
        case "array" if "values" in summary:
            return previews.preview_array(summary, screen)
        case "figure":
            inches = " × ".join(f"{side:g}" for side in summary["inches"])
            how = f"sematic artifact {short_id(ref.id)} --save figure.png"
            return [f"A figure of {inches} inches. To look at it: {how}"]
        case "text":
            return previews.preview_text(summary["text"], summary["length"])
    payload = None if ref.payload is None else read_payload(ref.payload)
    if isinstance(payload, str):
        return previews.preview_text(payload, len(payload))
    return format_pretty(build_node(ref), screen.width or 100)


# --- saving ----------------------------------------------------------------------------------


def _save(ref: "ArtifactRef", path: Path) -> None:
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
    if isinstance(value, bytes | bytearray | memoryview):
        path.write_bytes(value)
    elif isinstance(value, str):
        path.write_text(value, encoding="utf-8")
    elif hasattr(value, "savefig"):
        value.savefig(path)
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


_FRAME_METHODS: Mapping[str, str] = {
    ".csv": "to_csv",
    ".parquet": "to_parquet",
    ".json": "to_json",
}


def _save_picture(ref: "ArtifactRef", path: Path) -> bool:
    """Write the picture in a figure's summary, if there is one and it is what is wanted."""
    summary = {} if ref.summary is None else json.loads(ref.summary)
    if path.suffix.lower() != ".png" or "png" not in summary:
        return False
    path.write_bytes(base64.b64decode(summary["png"]))
    return True
