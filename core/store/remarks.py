"""What a person remarks on samples beside the verdict: another label, a star, a note."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select, update

from core.errors import InputError
from core.store.base import Store, column_in
from core.store.tables import samples, verdict_batches
from core.types import check_new_label

MAX_NOTE = 2000
"""Characters of a note at most."""


class RemarkStore(Store):
    """Label, star and note of samples that are there already."""

    def relabel_samples(self, ids: Iterable[str], label: str) -> int:
        """Give samples another label; return how many had another one. Their recipes say what was asked for."""
        label = check_new_label(label)
        return self._set_remark(ids, label=label)

    def set_favourite(self, ids: Iterable[str], favourite: bool) -> int:
        """Put a star on samples, or take it off; return how many were changed."""
        return self._set_remark(ids, favourite=int(favourite))

    def set_note(self, id: str, note: str) -> None:
        """Write a note on a sample in place of the one it had; "" takes it away. InputError if it is too long."""
        note = note.strip()
        if len(note) > MAX_NOTE:
            raise InputError(f"note: expected at most {MAX_NOTE:,} characters, got {len(note):,}; shorten it")
        self._set_remark([id], note=note)

    def review_revision(self) -> str:
        """Changes with each verdict and each new sample, whoever it came from; quick to ask."""
        steps = select(func.max(verdict_batches.c.number), func.sum(verdict_batches.c.undone))
        with self._db.read() as db:
            newest, undone = db.execute(steps).one()
            last = db.execute(select(func.max(samples.c.number))).scalar()
        return f"{newest or 0}.{undone or 0}.{last or 0}"

    def _set_remark(self, ids: Iterable[str], **values: str | int) -> int:
        differs = [samples.c[name] != value for name, value in values.items()]
        with self._db.write() as db:
            return int(
                db.execute(update(samples).where(column_in(samples.c.id, ids), *differs).values(values)).rowcount
            )
