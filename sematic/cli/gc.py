"""``sematic gc``: delete stored values that no record refers to."""

import time
from functools import partial

import click

from sematic.cli.record import open_record_in_reserve
from sematic.wording import format_count, format_size


@click.command()
@click.option("--dry-run", is_flag=True, help="Tell what would be deleted, and delete nothing.")
def gc(dry_run: bool) -> None:
    """Delete stored values that no run refers to.

    They are of runs that were deleted, and of processes that were killed. Only what nobody has
    written for a day goes: values of pipeline runs that are being recorded stay. Several records
    that share one place must not do this.
    """
    from sematic.artifacts.collection import collect_garbage
    from sematic.settings import load_settings
    from sematic.tracking.references import find_referenced

    settings = load_settings()
    if open_record_in_reserve().is_empty:
        raise click.ClickException(
            "There is no record here, so nothing tells what is needed. Is SEMATIC_DATABASE_URL the "
            "one of the pipeline runs?"
        )
    collect = partial(
        collect_garbage,
        settings.artifacts_uri,
        find_recorded=partial(find_referenced, settings.database_url),
        now=time.time,
    )
    count, size = 0, 0
    for found in collect(delete=not dry_run):
        count, size = count + 1, size + found.size
        click.echo(found.name)
    verb = "Would delete" if dry_run else "Deleted"
    young = [] if count else [found.size for found in collect(older_than=0.0, delete=False)]
    if young:
        files, are = format_count(len(young), "file"), "is" if len(young) == 1 else "are"
        click.echo(
            f"{verb} nothing: {files} ({format_size(sum(young))}) that no run refers to {are} "
            "younger than a day."
        )
    else:
        click.echo(f"{verb} {format_count(count, 'file')}, {format_size(size)}")
