"""What a person or a rule said of the samples, with an undo list that outlives the process."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, literal, or_, select, update

from core.errors import InputError, NotFound
from core.store.base import Store, column_in
from core.store.tables import VERDICT_BY, samples, verdict_batches, verdict_changes
from core.types import PERSON, ReviewStatus, VerdictSource

STATE = ("verdict", "reason", *VERDICT_BY)
"""Columns of a sample that a verdict sets."""


class ReviewStore(Store):
    """Accept, reject, think again."""

    def set_review_status(
        self, ids: Iterable[str], verdict: ReviewStatus | str, reason: str = "", by: VerdictSource = PERSON
    ) -> int:
        """Give samples a verdict in one undoable step; return the step's number, 0 if nothing changed.

        NotFound, changing nothing, if one of them is not there. A step after an undo drops what could be redone.
        """
        state = _state(verdict, reason, by)
        wanted = set(ids)
        chosen = column_in(samples.c.id, wanted)
        differs = or_(*(samples.c[name] != value for name, value in state.items()))
        with self._db.write() as db:
            self._check_samples_exist(db, wanted)
            if not db.execute(select(func.count()).where(chosen, differs)).scalar_one():
                return 0
            batch = self._new_step(db)
            log = select(
                literal(batch, Integer),
                samples.c.number,
                *(samples.c[name] for name in state),
                *(literal(value) for value in state.values()),
            ).where(chosen, differs)
            names = ["batch", "sample", *(f"{side}_{name}" for side in ("old", "new") for name in state)]
            db.execute(insert(verdict_changes).from_select(names, log))
            db.execute(update(samples).where(chosen).values(state))
        return batch

    def review_samples(
        self, verdicts: Iterable[tuple[str, ReviewStatus | str, str]], by: VerdictSource = PERSON
    ) -> int:
        """Give each sample (id, verdict, reason) its own verdict, all in one undoable step; return its number.

        As set_review_status: NotFound, changing nothing, if one of them is not there; 0 if nothing changed.
        """
        wanted = {id: _state(verdict, reason, by) for id, verdict, reason in verdicts}
        with self._db.write() as db:
            self._check_samples_exist(db, set(wanted))
            columns = (samples.c.id, samples.c.number, *(samples.c[name] for name in STATE))
            found = [row._mapping for row in db.execute(select(*columns).where(column_in(samples.c.id, set(wanted))))]
            changed = [row for row in found if any(row[name] != wanted[row["id"]][name] for name in STATE)]
            if not changed:
                return 0
            batch = self._new_step(db)
            log = [
                {"batch": batch, "sample": row["number"]}
                | {f"old_{name}": row[name] for name in STATE}
                | {f"new_{name}": wanted[row["id"]][name] for name in STATE}
                for row in changed
            ]
            db.execute(insert(verdict_changes), log)
            by_number = update(samples).where(samples.c.number == bindparam("at"))
            db.execute(
                by_number.values({name: bindparam(f"to_{name}") for name in STATE}),
                [{"at": c["sample"], **{f"to_{name}": c[f"new_{name}"] for name in STATE}} for c in log],
            )
        return batch

    def _new_step(self, db: Connection) -> int:
        db.execute(delete(verdict_batches).where(verdict_batches.c.undone == 1))
        fresh = insert(verdict_batches).values(undone=0, created=time.time())
        return int(db.execute(fresh.returning(verdict_batches.c.number)).scalar_one())

    def undo_review(self) -> list[str]:
        """Take the last step back; return the ids of its samples, [] if there is nothing to undo."""
        return self._replay_step(undone=0)

    def redo_review(self) -> list[str]:
        """Repeat the step that was undone last; return the ids of its samples, [] if there is none."""
        return self._replay_step(undone=1)

    def _replay_step(self, undone: int) -> list[str]:
        # Deleting samples may have emptied a step; such a one is passed over.
        filled = select(verdict_changes.c.batch).where(verdict_changes.c.batch == verdict_batches.c.number).exists()
        pick = func.min(verdict_batches.c.number) if undone else func.max(verdict_batches.c.number)
        side = "new" if undone else "old"
        with self._db.write() as db:
            batch = db.execute(select(pick).where(verdict_batches.c.undone == undone, filled)).scalar_one()
            if batch is None:
                return []
            mine = select(verdict_changes).where(verdict_changes.c.batch == batch).subquery()
            here = mine.c.sample == samples.c.number
            db.execute(update(samples).where(here).values({name: mine.c[f"{side}_{name}"] for name in STATE}))
            db.execute(update(verdict_batches).where(verdict_batches.c.number == batch).values(undone=1 - undone))
            return list(db.execute(select(samples.c.id).where(here).order_by(samples.c.number)).scalars())

    def _check_samples_exist(self, db: Connection, wanted: set[str]) -> None:
        there = set(db.execute(select(samples.c.id).where(column_in(samples.c.id, wanted))).scalars())
        if missing := sorted(wanted - there):
            raise NotFound(f"sample {missing[0]!r} is not in project {self.path}; it may have been deleted")


def _state(verdict: ReviewStatus | str, reason: str, by: VerdictSource) -> dict[str, str]:
    """The values of STATE; nobody has said anything of a new sample."""
    if str(verdict) not in set(ReviewStatus):
        raise InputError(f"verdict {str(verdict)!r}: expected one of {', '.join(ReviewStatus)}")
    said = str(verdict) != ReviewStatus.NEW
    return dict(zip(STATE, (str(verdict), reason, by.kind if said else "", by.name if said else ""), strict=True))
