"""Alembic's entry: the store hands its own connection over, inside its own transaction."""

from alembic import context

from core.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the store's transaction holds the whole upgrade
)
context.run_migrations()
