"""The soft map of a real anomaly's masks, and the number type that a photo of more than 8 bits came in."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("examples", sa.Column("soft", sa.Text, nullable=True))
    op.add_column("source_depths", sa.Column("dtype", sa.Text, nullable=False, server_default=""))
