"""The source values of photos of more than 8 bits, beside their working copies."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "source_depths",
        sa.Column("photo", sa.Text, primary_key=True),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("low", sa.Float, nullable=False),
        sa.Column("high", sa.Float, nullable=False),
    )
