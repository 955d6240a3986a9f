"""What a person remarks on a sample: whether it is a favourite, and a note."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("samples", sa.Column("favourite", sa.Integer, nullable=False, server_default="0"))
    op.add_column("samples", sa.Column("note", sa.Text, nullable=False, server_default=""))
