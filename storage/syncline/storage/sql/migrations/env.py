"""What alembic runs. The connection comes from `syncline.storage.sql.migrating`."""

from __future__ import annotations

from alembic import context

from syncline.storage.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
