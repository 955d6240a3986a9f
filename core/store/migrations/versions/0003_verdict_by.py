"""Who gave a verdict, a person or a rule, which until now was to be guessed from its reason."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

RULES = (
    "passed the rules", "changed outside the mask", "hardly visible", "mask larger than the change", "hard seam",
    "looks like a good part", "copy of a real example", "near-duplicate of a better one", "not among the best",
)  # fmt: skip
"""Reasons that rules gave, as they were then; what was measured follows in parentheses."""


def upgrade() -> None:
    for table, sides in (("samples", ("",)), ("verdict_changes", ("old_", "new_"))):
        for side in sides:
            for name in ("verdict_by", "verdict_name"):
                op.add_column(table, sa.Column(f"{side}{name}", sa.Text, nullable=False, server_default=""))
            _back_fill(table, side)


def _back_fill(table: str, side: str) -> None:
    verdict, reason, by = (sa.column(f"{side}{name}", sa.Text) for name in ("verdict", "reason", "verdict_by"))
    kind = sa.func.substr(reason, 1, sa.func.instr(reason + " (", " (") - 1)
    who = sa.case((verdict == "new", ""), (kind.in_(RULES), "rule"), else_="person")
    op.execute(sa.update(sa.table(table, verdict, reason, by)).values({by.name: who}))
