"""What a person said of the samples, with an undo list that outlives the process."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import Connection, Integer, bindparam, delete, func, insert, literal, select, update

from core.errors import InputError, NotFound
from core.store.base import Store, among
from core.store.tables import samples, verdict_batches, verdict_changes
from core.types import ReviewStatus


class Verdicts(Store):
    """Accept, reject, think again."""

    def set_verdicts(self, ids: Iterable[str], verdict: ReviewStatus | str, reason: str = "") -> int:
        """Give samples a verdict in one undoable step; return the step's number, 0 if nothing changed.

        NotFound, changing nothing, if one of them is not there. A step after an undo drops what could be redone.
        """
        if str(verdict) not in set(ReviewStatus):
            raise InputError(f"verdict {str(verdict)!r}: expected one of {', '.join(ReviewStatus)}")
        wanted = set(ids)
        chosen = among(samples.c.id, wanted)
        differs = (samples.c.verdict != str(verdict)) | (samples.c.reason != reason)
        with self._db.write() as db:
            self._check_there(db, wanted)
            if not db.execute(select(func.count()).where(chosen, differs)).scalar_one():
                return 0
            batch = self._new_step(db)
            log = select(
                literal(batch, Integer),
                samples.c.number,
                samples.c.verdict,
                samples.c.reason,
                literal(str(verdict)),
                literal(reason),
            ).where(chosen, differs)
            db.execute(insert(verdict_changes).from_select([c.name for c in verdict_changes.c], log))
            db.execute(update(samples).where(chosen).values(verdict=str(verdict), reason=reason))
        return batch

    def review(self, verdicts: Iterable[tuple[str, ReviewStatus | str, str]]) -> int:
        """Give each sample (id, verdict, reason) its own verdict, all in one undoable step; return its number.

        As set_verdicts: NotFound, changing nothing, if one of them is not there; 0 if nothing changed.
        """
        wanted = {id: (str(ReviewStatus(verdict)), reason) for id, verdict, reason in verdicts}
        columns = (samples.c.id, samples.c.number, samples.c.verdict, samples.c.reason)
        with self._db.write() as db:
            self._check_there(db, set(wanted))
            changes = [
                {"sample": r.number, "old_verdict": r.verdict, "old_reason": r.reason, "new": wanted[r.id]}
                for r in db.execute(select(*columns).where(among(samples.c.id, set(wanted))))
                if (r.verdict, r.reason) != wanted[r.id]
            ]
            if not changes:
                return 0
            batch = self._new_step(db)
            for change in changes:
                change["batch"] = batch
                change["new_verdict"], change["new_reason"] = change.pop("new")
            db.execute(insert(verdict_changes), changes)
            by_number = update(samples).where(samples.c.number == bindparam("at"))
            db.execute(
                by_number.values(verdict=bindparam("to"), reason=bindparam("why")),
                [{"at": c["sample"], "to": c["new_verdict"], "why": c["new_reason"]} for c in changes],
            )
        return batch

    def _new_step(self, db: Connection) -> int:
        db.execute(delete(verdict_batches).where(verdict_batches.c.undone == 1))
        fresh = insert(verdict_batches).values(undone=0, created=time.time())
        return int(db.execute(fresh.returning(verdict_batches.c.number)).scalar_one())

    def undo_verdicts(self) -> list[str]:
        """Take the last step back; return the ids of its samples, [] if there is nothing to undo."""
        return self._step(undone=0)

    def redo_verdicts(self) -> list[str]:
        """Repeat the step that was undone last; return the ids of its samples, [] if there is none."""
        return self._step(undone=1)

    def _step(self, undone: int) -> list[str]:
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
            db.execute(
                update(samples).where(here).values(verdict=mine.c[f"{side}_verdict"], reason=mine.c[f"{side}_reason"])
            )
            db.execute(update(verdict_batches).where(verdict_batches.c.number == batch).values(undone=1 - undone))
            return list(db.execute(select(samples.c.id).where(here).order_by(samples.c.number)).scalars())

    def _check_there(self, db: Connection, wanted: set[str]) -> None:
        there = set(db.execute(select(samples.c.id).where(among(samples.c.id, wanted))).scalars())
        if missing := sorted(wanted - there):
            raise NotFound(f"sample {missing[0]!r} is not in project {self.path}; it may have been deleted")
