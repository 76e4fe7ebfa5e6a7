"""``sematic artifacts``: stored values, shown, written to files and checked."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sematic.cli.artifact import SavePath, find_artifact, get_artifact, show_artifact
from sematic.cli.record import open_record
from sematic.wording import format_size

if TYPE_CHECKING:
    from sematic.artifacts.store import FileSystemStore
    from sematic.calls import ArtifactRef


@click.group(name="artifacts")
def artifacts_group() -> None:
    """Show, get and check stored values.

    The ids of inputs and outputs are shown by: sematic show RUN
    """


@artifacts_group.command()
@click.argument("artifact_id", metavar="ARTIFACT")
@click.option("--json", "as_json", is_flag=True, help="Print what is recorded, as JSON.")
def show(artifact_id: str, as_json: bool) -> None:
    """Show ARTIFACT; the same as: sematic artifact ARTIFACT."""
    show_artifact(find_artifact(artifact_id), as_json=as_json)


@artifacts_group.command()
@click.argument("artifact_id", metavar="ARTIFACT")
@click.argument("path", metavar="FILE", type=SavePath(dir_okay=False, path_type=Path))
def get(artifact_id: str, path: Path) -> None:
    """Write ARTIFACT to FILE, whose ending says how.

    Figures (.png, .pdf, .svg), frames (.csv, .parquet, .json), pictures, texts, bytes, and plain
    values (.json). Classes in the value must be importable here.
    """
    get_artifact(find_artifact(artifact_id), path)


@artifacts_group.command(short_help="Compare stored bytes with what was written.")
@click.argument("artifact_ids", metavar="[ARTIFACT]...", nargs=-1)
def check(artifact_ids: tuple[str, ...]) -> None:
    """Compare the bytes of each ARTIFACT with its id; without any, of all that runs refer to.

    Reads every byte. Exits with 1 if something is damaged or gone, and names it.
    """
    from sematic.artifacts.store import FileSystemStore
    from sematic.settings import load_settings
    from sematic.tracking.references import iter_referenced

    settings = load_settings(reading=True)
    store = FileSystemStore(settings.artifacts_uri)
    url = None if open_record().is_empty else settings.database_url
    refs = map(find_artifact, artifact_ids) if artifact_ids else iter_referenced(url)
    count, size, bad = 0, 0, 0
    for ref in refs:
        problem = _find_problem(ref, store)
        count, size, bad = count + 1, size + ref.size, bad + (problem is not None)
        if problem is not None:
            click.echo(problem)
    number = f"{count:,} artifact{'' if count == 1 else 's'}, {format_size(size)}"
    click.echo(f"{number}: " + (f"{bad:,} damaged or gone" if bad else "as they were written"))
    if bad:
        click.get_current_context().exit(1)


def _find_problem(ref: "ArtifactRef", store: "FileSystemStore") -> str | None:
    from sematic.errors import CorruptArtifactError, ForeignCodeError, MissingArtifactError

    try:
        store.check(ref)
    except MissingArtifactError as error:
        return f"gone: {error}"
    except CorruptArtifactError as error:
        return f"damaged: {error}"
    except ForeignCodeError:
        return None  # it is what was written, though another Python has to read it
    return None
