"""Alembic's entry: runs on the connection that ``sematic.tracking.migrations`` hands over."""

from alembic import context

from sematic.tracking.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter columns in place
    transactional_ddl=False,  # the connection is in a transaction already
)
context.run_migrations()
