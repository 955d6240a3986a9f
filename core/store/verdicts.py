"""What a person or a rule said of the samples, with an undo list for each person that outlives the process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from core.errors import InputError, NotFound
from core.store.base import column_in
from core.store.opinions import (
    STATE,
    OpinionStore,
    asks_two_people,
    opinions_of,
    standing_in,
    write_opinions,
    write_standings,
)
from core.store.standing import Opinion, Standing, of_two_people
from core.store.tables import samples, verdict_batches, verdict_changes
from core.types import PERSON, ReviewStatus, VerdictSource


@dataclass(frozen=True)
class _Change:
    """What a step does to one sample: which verdict counts, and what the step's person says of it."""

    number: int
    old: Standing
    new: Standing
    old_said: Opinion | None
    new_said: Opinion | None

    def row(self, batch: int) -> dict[str, object]:
        """The row of the log."""
        states = zip(("old", "new"), (self.old, self.new), (self.old_said, self.new_said), strict=True)
        row: dict[str, object] = {"batch": batch, "sample": self.number}
        for side, standing, said in states:
            values = (standing.verdict, standing.reason, standing.by, standing.name)
            row |= {f"{side}_{name}": value for name, value in zip(STATE, values, strict=True)}
            row |= {f"{side}_said": said.verdict.value if said else "", f"{side}_why": said.reason if said else ""}
        return row


class ReviewStore(OpinionStore):
    """Accept, reject, think again."""

    def set_review_status(
        self, ids: Iterable[str], verdict: ReviewStatus | str, reason: str = "", by: VerdictSource = PERSON
    ) -> int:
        """Give samples a verdict in one undoable step; return the step's number, 0 if nothing changed.

        NotFound, changing nothing, if one of them is not there. A step after an undo drops what could be redone.
        """
        _standing(verdict, reason, by)
        return self.review_samples([(id, verdict, reason) for id in ids], by)

    def review_samples(
        self, verdicts: Iterable[tuple[str, ReviewStatus | str, str]], by: VerdictSource = PERSON
    ) -> int:
        """Give each sample (id, verdict, reason) its own verdict, all in one undoable step; return its number.

        As set_review_status. A person's verdict is kept as that person's opinion. It counts at once, or, where two
        people are asked, as ``of_two_people`` says; a rule's counts at once.
        """
        wanted = {id: _standing(verdict, reason, by) for id, verdict, reason in verdicts}
        with self._db.write() as db:
            self._check_samples_exist(db, set(wanted))
            changes = _changes(db, wanted, by)
            if not changes:
                return 0
            batch = self._new_step(db, by.name)
            db.execute(insert(verdict_changes), [change.row(batch) for change in changes])
            write_standings(db, {c.number: c.new for c in changes if c.new != c.old})
            write_opinions(db, by.name, {c.number: c.new_said for c in changes if c.new_said != c.old_said})
        return batch

    def undo_review(self, person: str = "") -> list[str]:
        """Take the last step back; return the ids of its samples, [] if there is nothing to undo.

        With a ``person`` it is the last step of that person, or of nobody by name, as of a batch's rules. Where
        another verdict came after it, that one stays.
        """
        return self._replay_step(undone=0, person=person)

    def redo_review(self, person: str = "") -> list[str]:
        """Repeat the step that was undone last, of ``person`` as above; return its samples' ids, [] for none."""
        return self._replay_step(undone=1, person=person)

    def _new_step(self, db: Connection, person: str) -> int:
        db.execute(delete(verdict_batches).where(verdict_batches.c.undone == 1, _steps_of(person)))
        fresh = insert(verdict_batches).values(undone=0, created=time.time(), person=person)
        return int(db.execute(fresh.returning(verdict_batches.c.number)).scalar_one())

    def _replay_step(self, undone: int, person: str) -> list[str]:
        # Deleting samples may have emptied a step; such a one is passed over.
        filled = select(verdict_changes.c.batch).where(verdict_changes.c.batch == verdict_batches.c.number).exists()
        pick = func.min(verdict_batches.c.number) if undone else func.max(verdict_batches.c.number)
        with self._db.write() as db:
            mine = verdict_batches.c.undone == undone, filled, _steps_of(person)
            batch = db.execute(select(pick).where(*mine)).scalar_one()
            if batch is None:
                return []
            of_batch = verdict_batches.c.number == batch
            who = db.execute(select(verdict_batches.c.person).where(of_batch)).scalar_one()
            log = select(verdict_changes, samples.c.id, *(samples.c[name] for name in STATE))
            here = log.join(samples, samples.c.number == verdict_changes.c.sample)
            rows = list(db.execute(here.where(verdict_changes.c.batch == batch).order_by(samples.c.number)))
            _replay(db, rows, who, "old", "new") if not undone else _replay(db, rows, who, "new", "old")
            db.execute(update(verdict_batches).where(of_batch).values(undone=1 - undone))
            return [row.id for row in rows]

    def _check_samples_exist(self, db: Connection, wanted: set[str]) -> None:
        there = set(db.execute(select(samples.c.id).where(column_in(samples.c.id, wanted))).scalars())
        if missing := sorted(wanted - there):
            raise NotFound(f"sample {missing[0]!r} is not in project {self.path}; it may have been deleted")


def _steps_of(person: str) -> ColumnElement[bool]:
    """Steps that ``person`` may take back: all of them without a name."""
    return verdict_batches.c.person.in_([person, ""]) if person else verdict_batches.c.person.is_not(None)


def _changes(db: Connection, wanted: Mapping[str, Standing], by: VerdictSource) -> list[_Change]:
    """What the verdicts ``wanted`` by sample id change."""
    two, now = asks_two_people(db), time.time()
    columns = samples.c.id, samples.c.number, *(samples.c[name] for name in STATE)
    rows = list(db.execute(select(*columns).where(column_in(samples.c.id, set(wanted)))))
    said = opinions_of(db, [row.number for row in rows]) if by.kind == "person" else {}
    changes = []
    for row in rows:
        new, all_said = wanted[row.id], said.get(row.number, ())
        before = next((one for one in all_said if one.person == by.name), None)
        after = before
        if by.kind == "person":
            after = _as_opinion(new, by.name, now, before)
            others = [one for one in all_said if one.person != by.name]
            if two:
                new = of_two_people([*others, *([after] if after else [])])
        change = _Change(row.number, standing_in(row), new, before, after)
        if change.old != change.new or before != after:
            changes.append(change)
    return changes


def _as_opinion(wanted: Standing, person: str, now: float, before: Opinion | None) -> Opinion | None:
    """What a person says by giving a verdict; ``before`` where it is the same again, None for "new"."""
    if wanted.verdict == ReviewStatus.NEW:
        return None
    if before is not None and (before.verdict, before.reason) == (wanted.verdict, wanted.reason):
        return before
    return Opinion(person, ReviewStatus(wanted.verdict), wanted.reason, now)


def _replay(db: Connection, rows: Iterable[Any], person: str, to: str, gone: str) -> None:
    """Bring the samples of a step's log to its side ``to``: the person's opinions, and what counts by them."""
    two, standings = asks_two_people(db), {}
    opinions: dict[int, Opinion | None] = {}
    for row in rows:
        log = row._mapping
        if any(log[f"{to}_{name}"] != log[f"{gone}_{name}"] for name in ("said", "why")):
            verdict = log[f"{to}_said"]
            opinions[row.sample] = (
                Opinion(person, ReviewStatus(verdict), log[f"{to}_why"], time.time()) if verdict else None
            )
        there, wanted, left = (
            Standing(*(log[f"{side}{name}"] for name in STATE)) for side in ("", f"{to}_", f"{gone}_")
        )
        if there == left and wanted != left:  # nobody judged it since
            standings[row.sample] = wanted
    write_opinions(db, person, opinions)
    write_standings(db, standings)
    if two and opinions:
        said = opinions_of(db, opinions)
        write_standings(db, {number: of_two_people(said[number]) for number in said})


def _standing(verdict: ReviewStatus | str, reason: str, by: VerdictSource) -> Standing:
    """The verdict in the words of its columns; nobody has said anything of a new sample."""
    if str(verdict) not in set(ReviewStatus):
        raise InputError(f"verdict {str(verdict)!r}: expected one of {', '.join(ReviewStatus)}")
    if str(verdict) == ReviewStatus.NEW:
        return Standing(str(verdict), reason)
    return Standing(str(verdict), reason, by.kind, by.name if by.kind == "person" else "")
