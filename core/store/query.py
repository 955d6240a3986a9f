"""Which samples a filter lets through, in its order: SQL that stays quick with 100,000 samples.

``s`` is the samples table, ``o`` the score ordered by, ``m0``, ``m1`` ... the scores with a lower bound.
A score alone never reads the samples table: its own indices hold all it takes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from core.store.rows import SampleFilter

COLUMNS = ("label", "engine", "verdict", "normal_id", "job_id", "favourite")


def count_samples(db: Connection, where: SampleFilter) -> int:
    """How many samples ``where`` lets through."""
    parts = _FilterQuery(db, where)
    return 0 if parts.impossible else parts.count(db)


def sample_numbers(db: Connection, where: SampleFilter, offset: int = 0, limit: int | None = None) -> list[int]:
    """The numbers of a page of samples, in order."""
    parts = _FilterQuery(db, where)
    if parts.impossible:
        return []
    way = "DESC" if where.descending else "ASC"
    page = {"offset": offset, "limit": -1 if limit is None else limit}
    if where.order_by == "created":
        return parts.select(db, f"ORDER BY {parts.spine} {way} LIMIT :limit OFFSET :offset", page)
    order = _score_number(db, where.order_by)
    found = [] if order is None else _by_score(db, parts, order, way, page)
    if limit is not None and len(found) >= limit:
        return found
    return found + _without_score(db, parts, order, way, offset, limit, len(found))


class _FilterQuery:
    """The tables and conditions of one filter."""

    def __init__(self, db: Connection, where: SampleFilter) -> None:
        self.params: dict[str, Any] = {}
        self.conditions: list[str] = []
        self.tables: list[str] = []
        self.impossible = False
        for name in COLUMNS:
            if (value := getattr(where, name)) is not None:
                self.conditions.append(f"s.{name} = :{name}")
                self.params[name] = int(value) if isinstance(value, bool) else str(value)
        self.by_column = bool(self.conditions)
        if self.by_column or not where.min_score:
            self.tables.append("samples s")
        self.spine = "s.number" if self.tables else "m0.sample"
        for i, (name, least) in enumerate(where.min_score.items()):
            number = _score_number(db, name)
            self.impossible |= number is None
            self.tables.append(f"sample_scores m{i}")
            self.conditions.append(f"m{i}.score = :m{i} AND m{i}.value >= :least{i}")
            if self.spine != f"m{i}.sample":
                self.conditions.append(f"m{i}.sample = {self.spine}")
            self.params |= {f"m{i}": number, f"least{i}": float(least)}
        self._add_opinions(where)

    def _add_opinions(self, where: SampleFilter) -> None:
        said = f"SELECT 1 FROM opinions p WHERE p.sample = {self.spine} AND p"
        if where.opinions == "needed":
            self.conditions.append(f"NOT EXISTS ({said}.person = :person)")
            self.params["person"] = where.person
        elif where.opinions == "split":
            self.conditions += [f"EXISTS ({said}.verdict = '{verdict}')" for verdict in ("kept", "rejected")]

    def count(self, db: Connection) -> int:
        return int(db.execute(text(self.sql("count(*)")), self.params).scalar_one())

    def select(self, db: Connection, tail: str, params: dict[str, Any]) -> list[int]:
        return list(db.execute(text(f"{self.sql(self.spine)} {tail}"), self.params | params).scalars())

    def sql(self, what: str, first: str = "", last: str = "", also: str = "") -> str:
        """SELECT over the tables with one more before or after them, and one more condition.

        CROSS JOIN keeps SQLite to this order of loops: its own guess is often ten times slower here.
        """
        tables = [name for name in (first, *self.tables, last) if name]
        conditions = self.conditions + ([also] if also else [])
        return f"SELECT {what} FROM {' CROSS JOIN '.join(tables)} WHERE {' AND '.join(conditions) or '1'}"


def _by_score(db: Connection, parts: _FilterQuery, order: int, way: str, page: dict[str, int]) -> list[int]:
    # Two ways: walk the score's index until the page is full, or fetch what matches and sort it. The first
    # reads about (offset + limit) * total / matching rows, the second all that match.
    total = _FilterQuery(db, SampleFilter()).count(db)
    matching = total
    if parts.by_column:
        only = " AND ".join(f"s.{name} = :{name}" for name in COLUMNS if name in parts.params)
        matching = int(db.execute(text(f"SELECT count(*) FROM samples s WHERE {only}"), parts.params).scalar_one())
    wanted = total if page["limit"] < 0 else page["offset"] + page["limit"]
    walk = wanted * total <= matching * matching
    mine = f"o.score = :order AND o.sample = {parts.spine}"
    table = {"first": "sample_scores o"} if walk else {"last": "sample_scores o"}
    sql = parts.sql("o.sample", also=mine, **table)
    if not parts.conditions:
        sql = "SELECT o.sample FROM sample_scores o WHERE o.score = :order"
    tail = f"ORDER BY o.value {way}, o.sample {way} LIMIT :limit OFFSET :offset"
    return list(db.execute(text(f"{sql} {tail}"), parts.params | {"order": order} | page).scalars())


def _without_score(
    db: Connection, parts: _FilterQuery, order: int | None, way: str, offset: int, limit: int | None, found: int
) -> list[int]:
    """The rest of a page: samples that lack the score come after those that have it."""
    before = 0
    params: dict[str, Any] = {"order": order}
    if order is not None:
        scored = int(db.execute(text("SELECT count(*) FROM sample_scores WHERE score = :order"), params).scalar_one())
        if scored == _FilterQuery(db, SampleFilter()).count(db):
            return []
        mine = f"o.score = :order AND o.sample = {parts.spine}"
        sql = parts.sql("count(*)", last="sample_scores o", also=mine)
        before = int(db.execute(text(sql), parts.params | params).scalar_one())
    lacking = "NOT EXISTS (SELECT 1 FROM sample_scores o WHERE o.score = :order AND o.sample = {})"
    sql = parts.sql(parts.spine, also=lacking.format(parts.spine))
    params |= {"offset": max(0, offset - before), "limit": -1 if limit is None else limit - found}
    tail = f"ORDER BY {parts.spine} {way} LIMIT :limit OFFSET :offset"
    return list(db.execute(text(f"{sql} {tail}"), parts.params | params).scalars())


def _score_number(db: Connection, name: str) -> int | None:
    found = db.execute(text("SELECT number FROM score_names WHERE name = :name"), {"name": name}).scalar_one_or_none()
    return None if found is None else int(found)
