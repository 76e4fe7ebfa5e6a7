"""``sematic artifact``: a stored value."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sematic.cli.record import NO_RUNS, ArtifactId, open_record
from sematic.cli.saving import save_artifact
from sematic.cli.screen import Screen, echo, find_screen
from sematic.errors import NotFoundError
from sematic.wording import format_size, short_id

if TYPE_CHECKING:
    from sematic.calls import ArtifactRef


class SavePath(click.Path):
    """A file to write, completed by the shell like any file."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


@click.command()
@click.argument("artifact_id", metavar="ARTIFACT", type=ArtifactId())
@click.option("--json", "as_json", is_flag=True, help="Print what is recorded, as JSON.")
@click.option(
    "--save",
    type=SavePath(dir_okay=False, path_type=Path),
    help="Write a figure, frame, text or bytes to this file; its ending says how.",
)
def artifact(artifact_id: str, as_json: bool, save: Path | None) -> None:
    """Show ARTIFACT, a stored value.

    The ids of inputs and outputs are shown by: sematic show RUN
    """
    ref = find_artifact(artifact_id)
    if save is not None:
        get_artifact(ref, save)
    else:
        show_artifact(ref, as_json=as_json)


def find_artifact(artifact_id: str) -> "ArtifactRef":
    """What the record has under an id, which may be shortened.

    Raises:
        NotFoundError: there is none, or more than one.
    """
    queries = open_record()
    if queries.is_empty:
        raise NotFoundError(f"There is no artifact '{artifact_id}'. {NO_RUNS}")
    return queries.artifact(queries.resolve_artifact_id(artifact_id))


def get_artifact(ref: "ArtifactRef", path: Path) -> None:
    """Write a stored value to a file, and say so."""
    save_artifact(ref, path)
    click.echo(f"Wrote {path}")


def show_artifact(ref: "ArtifactRef", *, as_json: bool) -> None:
    """Print what is recorded of a value, and whether it is damaged or gone."""
    if as_json:
        click.echo(json.dumps(_to_json(ref), indent=2))
        return
    screen = find_screen()
    problem = _find_problem(ref)
    echo([*_header(ref, screen, problem), "", *_body(ref, screen)], screen)


def _to_json(ref: "ArtifactRef") -> dict[str, object]:
    from sematic.cli.values import read_payload

    return {
        "id": ref.id,
        "type": ref.type,
        "codec": ref.codec,
        "size": ref.size,
        "value": None if ref.payload is None else read_payload(ref.payload),
        "summary": None if ref.summary is None else json.loads(ref.summary),
        "problem": _find_problem(ref),
    }


def _find_problem(ref: "ArtifactRef") -> str | None:
    """Why a stored value cannot be had, if so; what is far away is not read to be compared."""
    from sematic.artifacts.store import FileSystemStore
    from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError
    from sematic.settings import load_settings

    location = load_settings(reading=True).artifacts_uri
    store = FileSystemStore(location)
    try:
        if "://" not in location or ref.payload is not None:
            store.check(ref)
        elif not store.exists(ref):
            raise MissingArtifactError(f"Artifact {ref.id} is not in {location}.")
    except MissingArtifactError as error:
        return f"gone: {error}"
    except CorruptArtifactError as error:
        return f"damaged: {error}"
    except ArtifactError as error:
        return str(error)
    return None


def _header(ref: "ArtifactRef", screen: Screen, problem: str | None) -> list[str]:
    size = f"{format_size(ref.size)}, stored as {ref.codec}"
    facts = {"id": ref.id, "type": ref.type, "size": size}
    lines = [f"{screen.dim(label.ljust(4))}  {text}" for label, text in facts.items()]
    return lines if problem is None else [*lines, screen.style(problem, "red")]


def _body(ref: "ArtifactRef", screen: Screen) -> list[str]:
    from sematic.cli import previews
    from sematic.cli.pictures import describe_picture, picture_in_payload
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
        case "image":
            known = "".join(
                f"{summary[name]}, " for name in ("mime_type", "mode") if name in summary
            )
            return _picture(ref, known + format_size(ref.size), summary.get("mime_type"))
        case "text":
            return previews.preview_text(summary["text"], summary["length"])
    payload = None if ref.payload is None else read_payload(ref.payload)
    if isinstance(payload, str):
        return previews.preview_text(payload, len(payload))
    if (encoded := picture_in_payload(payload)) is not None:
        mime_type, description = describe_picture(encoded)
        return _picture(ref, description, mime_type)
    return format_pretty(build_node(ref), screen.width or 100)


def _picture(ref: "ArtifactRef", description: str, mime_type: str | None) -> list[str]:
    from sematic.cli.pictures import picture_ending

    how = f"sematic artifacts get {short_id(ref.id)} image{picture_ending(mime_type)}"
    return [f"A picture ({description}). To look at it: {how}"]
