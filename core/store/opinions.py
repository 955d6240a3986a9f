"""What each person said of the samples, and whether one person is enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, insert, select, update

from core.store.base import Store, column_in
from core.store.standing import Opinion, Standing, of_the_last, of_two_people
from core.store.tables import VERDICT_BY, opinions, samples, settings
from core.types import ReviewStatus

STATE = ("verdict", "reason", *VERDICT_BY)
"""Columns of a sample that a verdict sets, in the order of the fields of Standing."""
TWO_PEOPLE = "two_people"
"""The setting that says whether a verdict needs two people who agree."""


class OpinionStore(Store):
    """Several people, one sample."""

    def asks_two_people(self) -> bool:
        """Whether a verdict counts only once two people agree."""
        with self._db.read() as db:
            return asks_two_people(db)

    def ask_two_people(self, asked: bool) -> int:
        """Ask two people from now on, or one; return how many samples have another verdict by that.

        It holds for what was said before too. Verdicts of rules stay, but where a person said something.
        """
        with self._db.write() as db:
            db.execute(delete(settings).where(settings.c.key == TWO_PEOPLE))
            db.execute(insert(settings).values(key=TWO_PEOPLE, value=asked))
            found = opinions_of(db)
            settle = of_two_people if asked else of_the_last
            wanted = {number: settle(said) for number, said in found.items()}
            now = {row.number: standing_in(row) for row in db.execute(select(samples.c.number, *_STATE).where(
                column_in(samples.c.number, wanted)))}  # fmt: skip
            changed = {number: standing for number, standing in wanted.items() if now[number] != standing}
            write_standings(db, changed)
            return len(changed)

    def opinions(self, ids: Iterable[str]) -> dict[str, tuple[Opinion, ...]]:
        """What people said of these samples by id, the earliest first; samples of which nobody did are left out."""
        with self._db.read() as db:
            chosen = select(samples.c.number, samples.c.id).where(column_in(samples.c.id, ids))
            names = {number: id for number, id in db.execute(chosen)}
            return {names[number]: said for number, said in opinions_of(db, names).items()}

    def opinions_by_label(self) -> dict[str, list[tuple[Opinion, ...]]]:
        """What people said, sample by sample, under the samples' labels; where two or more said something."""
        found: dict[str, list[tuple[Opinion, ...]]] = {}
        with self._db.read() as db:
            several = {number: said for number, said in opinions_of(db).items() if len(said) > 1}
            chosen = select(samples.c.number, samples.c.label).where(column_in(samples.c.number, several))
            for number, label in db.execute(chosen.order_by(samples.c.number)):
                found.setdefault(label, []).append(several[number])
        return found


_STATE = tuple(samples.c[name] for name in STATE)


def standing_in(row: Row[Any]) -> Standing:
    """The verdict that counts in a row of the samples table."""
    return Standing(*(row._mapping[name] for name in STATE))


def asks_two_people(db: Connection) -> bool:
    """As the method of OpinionStore."""
    return bool(db.execute(select(settings.c.value).where(settings.c.key == TWO_PEOPLE)).scalar_one_or_none())


def opinions_of(db: Connection, numbers: Iterable[int] | None = None) -> dict[int, tuple[Opinion, ...]]:
    """What people said of the samples with these numbers, the earliest first; of all samples without numbers."""
    chosen = select(opinions).order_by(opinions.c.sample, opinions.c.created, opinions.c.person)
    if numbers is not None:
        chosen = chosen.where(column_in(opinions.c.sample, numbers))
    found: dict[int, list[Opinion]] = {}
    for row in db.execute(chosen):
        said = Opinion(row.person, ReviewStatus(row.verdict), row.reason, row.created)
        found.setdefault(row.sample, []).append(said)
    return {number: tuple(said) for number, said in found.items()}


def write_standings(db: Connection, standings: Mapping[int, Standing]) -> None:
    """Let these verdicts count, by the samples' numbers."""
    if standings:
        by_number = update(samples).where(samples.c.number == bindparam("at"))
        rows = [{"at": n, "v": s.verdict, "r": s.reason, "b": s.by, "w": s.name} for n, s in standings.items()]
        names: dict[str, BindParameter[str]] = {name: bindparam(key) for name, key in zip(STATE, "vrbw", strict=True)}
        db.execute(by_number.values(names), rows)


def write_opinions(db: Connection, person: str, said: Mapping[int, Opinion | None]) -> None:
    """Keep what a person said of samples, by their numbers; None takes it away."""
    if not said:
        return
    gone = [{"at": number, "who": person} for number in said]
    mine = (opinions.c.sample == bindparam("at")) & (opinions.c.person == bindparam("who"))
    db.execute(delete(opinions).where(mine), gone)
    rows = [
        {"sample": n, "person": person, "verdict": o.verdict.value, "reason": o.reason, "created": o.created}
        for n, o in said.items()
        if o is not None
    ]
    if rows:
        db.execute(insert(opinions), rows)
