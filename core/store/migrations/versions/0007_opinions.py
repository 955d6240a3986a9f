"""What each person said of a sample, whatever stands, and whose step a verdict was."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "opinions",
        sa.Column("sample", sa.Integer, sa.ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.CheckConstraint("verdict IN ('kept', 'rejected')", name="clear_opinion"),
        sqlite_with_rowid=False,
    )
    op.add_column("verdict_batches", sa.Column("person", sa.Text, nullable=False, server_default=""))
    for name in ("old_said", "old_why", "new_said", "new_why"):
        op.add_column("verdict_changes", sa.Column(name, sa.Text, nullable=False, server_default=""))
    # One person judged alone until now: what stands is that person's opinion, and a step is that person's.
    op.execute(
        "INSERT INTO opinions SELECT number, verdict_name, verdict, reason, created FROM samples "
        "WHERE verdict_by = 'person' AND verdict != 'new'"
    )
    op.execute(
        "UPDATE verdict_batches SET person = coalesce((SELECT max(c.new_verdict_name) FROM verdict_changes c "
        "WHERE c.batch = verdict_batches.number), '')"
    )
    for side in ("old", "new"):
        op.execute(
            f"UPDATE verdict_changes SET {side}_said = {side}_verdict, {side}_why = {side}_reason "
            f"WHERE {side}_verdict_by = 'person' AND {side}_verdict != 'new' AND {side}_verdict_name = "
            "(SELECT b.person FROM verdict_batches b WHERE b.number = verdict_changes.batch)"
        )
