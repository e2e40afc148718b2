"""Alembic's entry point: runs the steps on the connection (and in the transaction) that ``Database.migrate`` gives."""

from alembic import context

from control_plane.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most columns in place
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
