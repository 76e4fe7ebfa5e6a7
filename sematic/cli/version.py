"""``sematic version``."""

import click


@click.command()
def version() -> None:
    """Show the versions of sematic, of Python and of the record."""
    import platform

    from sematic.cli.record import open_record
    from sematic.errors import UnknownSchemaError
    from sematic.version import __version__

    click.echo(f"Sematic client v{__version__} is installed.")
    click.echo(f"Python v{platform.python_version()} is running this binary.")
    try:
        queries = open_record()
    except UnknownSchemaError as error:
        click.echo(str(error))
        return
    if queries.is_empty:
        click.echo("There is no record yet.")
        return
    from sematic.tracking.connections import HEAD

    click.echo(f"The record has schema {HEAD}.")
