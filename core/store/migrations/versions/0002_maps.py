"""What an engine saw: a map for each component, and the mask before it was refined."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("sample_details", sa.Column("maps", sa.JSON))
