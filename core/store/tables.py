"""The tables of ``project.db``. A change here needs a migration beside the others in ``migrations/versions``.

``number`` is SQLite's rowid: it keeps the order of arrival, and every index carries it for free.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

APPLICATION_ID = 0x464C4157
"""Written into the header of project.db, so that another program's database is not taken for a project."""

VERDICT_BY = ("verdict_by", "verdict_name")
"""Columns of who gave a verdict: "person", "rule" or, of a new sample, ""; and the person's login, or ""."""

metadata = MetaData()


def _text(
    name: str, nullable: bool = False, unique: bool | None = None, index: bool | None = None,
    server_default: str | None = None,
) -> Column[str]:  # fmt: skip
    return Column(name, Text, nullable=nullable, unique=unique, index=index, server_default=server_default)


def _number(name: str) -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=True)


settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSON),
)

normals = Table(
    "normals",
    metadata,
    _number("number"),
    _text("id", unique=True),
    _text("name"),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("grey", Integer, nullable=False),
    Column("notes", JSON, nullable=False),
    _text("file"),
    Column("created", Float, nullable=False),
    sqlite_autoincrement=True,
)

examples = Table(
    "examples",
    metadata,
    _number("number"),
    _text("id", unique=True),
    _text("label", index=True),
    _text("kind"),
    _text("name"),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    _text("file"),
    Column("masks", JSON, nullable=False),
    Column("created", Float, nullable=False),
    _text("soft", nullable=True),
    sqlite_autoincrement=True,
)

regions = Table(
    "regions",
    metadata,
    Column("normal_id", Text, ForeignKey("normals.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True, index=True),
    _text("source"),
    Column("confidence", Float, nullable=False),
    _text("file"),
    Column("created", Float, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    _number("number"),
    _text("id", unique=True),
    Column("normal_id", Text, ForeignKey("normals.id"), nullable=False),
    _text("label"),
    _text("kind"),
    _text("engine"),
    _text("verdict"),
    _text("reason"),
    _text("job_id", nullable=True),
    Column("seed", Integer, nullable=False),
    Column("scores", JSON, nullable=False),
    _text("image"),
    _text("mask"),
    _text("attention", nullable=True),
    Column("instances", JSON, nullable=False),
    Column("created", Float, nullable=False),
    *(_text(name, server_default="") for name in VERDICT_BY),
    Column("favourite", Integer, nullable=False, server_default="0"),
    _text("note", server_default=""),
    CheckConstraint("verdict IN ('new', 'kept', 'rejected')", name="known_verdict"),
    Index("samples_by_verdict", "verdict"),
    Index("samples_by_label", "label", "verdict", "engine"),
    Index("samples_by_engine", "engine", "verdict"),
    Index("samples_by_normal", "normal_id"),
    Index("samples_by_job", "job_id"),
    sqlite_autoincrement=True,
)

# Apart from samples, because a recipe can be large and a gallery page should read small rows.
sample_details = Table(
    "sample_details",
    metadata,
    Column("sample", Integer, ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True),
    _text("recipe"),
    Column("descriptor", LargeBinary, nullable=True),
    Column("maps", JSON, nullable=True),
)

# By the working copy's file, since good photos and real anomalies have one alike.
source_depths = Table(
    "source_depths",
    metadata,
    Column("photo", Text, primary_key=True),
    _text("file"),
    Column("low", Float, nullable=False),
    Column("high", Float, nullable=False),
    _text("dtype", server_default=""),
)

score_names = Table("score_names", metadata, _number("number"), _text("name", unique=True))

# Score by score, so that one score of many samples lies together. No foreign key to samples, whose check
# would need a third index: Samples deletes from both.
sample_scores = Table(
    "sample_scores",
    metadata,
    Column("score", Integer, ForeignKey("score_names.number"), primary_key=True, autoincrement=False),
    Column("sample", Integer, primary_key=True, autoincrement=False),
    Column("value", Float, nullable=False),
    Index("sample_scores_by_value", "score", "value", "sample"),
    sqlite_with_rowid=False,
)

verdict_batches = Table(
    "verdict_batches",
    metadata,
    _number("number"),
    Column("undone", Integer, nullable=False),
    Column("created", Float, nullable=False),
    _text("person", server_default=""),
    sqlite_autoincrement=True,
)

verdict_changes = Table(
    "verdict_changes",
    metadata,
    Column("batch", Integer, ForeignKey("verdict_batches.number", ondelete="CASCADE"), primary_key=True),
    Column("sample", Integer, ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True, index=True),
    *(_text(f"{side}_{name}") for side in ("old", "new") for name in ("verdict", "reason")),
    *(_text(f"{side}_{name}", server_default="") for side in ("old", "new") for name in VERDICT_BY),
    *(_text(f"{side}_{name}", server_default="") for side in ("old", "new") for name in ("said", "why")),
    sqlite_with_rowid=False,
)

# What each person said, whatever counts; "" where there is no login. The verdict that counts is the sample's own.
opinions = Table(
    "opinions",
    metadata,
    Column("sample", Integer, ForeignKey("samples.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("person", Text, primary_key=True),
    _text("verdict"),
    _text("reason"),
    Column("created", Float, nullable=False),
    CheckConstraint("verdict IN ('kept', 'rejected')", name="clear_opinion"),
    sqlite_with_rowid=False,
)

jobs = Table(
    "jobs",
    metadata,
    _number("number"),
    _text("id", unique=True),
    _text("kind"),
    _text("title"),
    _text("args"),
    _text("status", index=True),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    _text("message"),
    Column("pid", Integer, nullable=False),
    Column("pid_started", Float, nullable=False),
    _text("host"),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    sqlite_autoincrement=True,
)

FILE_COLUMNS = (
    normals.c.file,
    examples.c.file,
    examples.c.soft,
    regions.c.file,
    samples.c.image,
    samples.c.mask,
    samples.c.attention,
    source_depths.c.file,
)
"""Columns holding the relative path of one file."""
FILE_LIST_COLUMNS = (examples.c.masks, samples.c.instances)
"""Columns holding a JSON list of such paths."""
FILE_MAP_COLUMNS = (sample_details.c.maps,)
"""Columns holding a JSON object of such paths, or nothing."""
UNREFINED = ""
"""The name, in ``maps``, of the mask before it was refined; the others are components' names, or PICTURE's."""
PICTURE = "//"
"""How the names of pictures begin in ``maps``."""
