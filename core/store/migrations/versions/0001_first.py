"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _photos()
    _samples()
    _verdicts()
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "kind", "title", "args", "status")),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("pid_started", sa.Float, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.Column("updated", sa.Float, nullable=False),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_status", "jobs", ["status"])


def _photos() -> None:
    op.create_table("settings", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.JSON))
    op.create_table(
        "normals",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("grey", sa.Integer, nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "examples",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "label", "kind", "name")),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("masks", sa.JSON, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_examples_label", "examples", ["label"])
    op.create_table(
        "regions",
        sa.Column("normal_id", sa.Text, sa.ForeignKey("normals.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
    )
    op.create_index("ix_regions_name", "regions", ["name"])


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("normal_id", sa.Text, sa.ForeignKey("normals.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("label", "kind", "engine", "verdict", "reason")),
        sa.Column("job_id", sa.Text),
        sa.Column("seed", sa.Integer, nullable=False),
        sa.Column("scores", sa.JSON, nullable=False),
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("mask", sa.Text, nullable=False),
        sa.Column("attention", sa.Text),
        sa.Column("instances", sa.JSON, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sa.UniqueConstraint("id"),
        sa.CheckConstraint("verdict IN ('new', 'kept', 'rejected')", name="known_verdict"),
        sqlite_autoincrement=True,
    )
    op.create_index("samples_by_verdict", "samples", ["verdict"])
    op.create_index("samples_by_label", "samples", ["label", "verdict", "engine"])
    op.create_index("samples_by_engine", "samples", ["engine", "verdict"])
    op.create_index("samples_by_normal", "samples", ["normal_id"])
    op.create_index("samples_by_job", "samples", ["job_id"])
    op.create_table(
        "sample_details",
        sa.Column("sample", sa.Integer, sa.ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("descriptor", sa.LargeBinary),
    )
    op.create_table(
        "score_names",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "sample_scores",
        sa.Column("score", sa.Integer, sa.ForeignKey("score_names.number"), primary_key=True, autoincrement=False),
        sa.Column("sample", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("sample_scores_by_value", "sample_scores", ["score", "value", "sample"])


def _verdicts() -> None:
    op.create_table(
        "verdict_batches",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("undone", sa.Integer, nullable=False),
        sa.Column("created", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "verdict_changes",
        sa.Column("batch", sa.Integer, sa.ForeignKey("verdict_batches.number", ondelete="CASCADE"), primary_key=True),
        sa.Column("sample", sa.Integer, sa.ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("old_verdict", "old_reason", "new_verdict", "new_reason")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_verdict_changes_sample", "verdict_changes", ["sample"])
