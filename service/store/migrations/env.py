"""What Alembic runs: the migrations, in the transaction that ``service.store.migrate`` opened."""

from alembic import context

from service.store.migrate import VERSION_TABLE
from service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
