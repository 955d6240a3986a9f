"""Filters, order and pages against the same thing done in plain Python."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from core.store import Project, SampleFilter, SampleRow
from core.types import ReviewStatus

LABELS, ENGINES, VERDICTS = ("crack", "dent", "swap"), ("perlin", "layout"), ("new", "kept", "rejected")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """90 samples; score "a" on all, "b" on two thirds, "c" on none; ties on purpose."""
    with Project.create(tmp_path_factory.mktemp("query") / "p") as made:
        with made.transaction():
            fill(made)
        yield made


def fill(project: Project) -> None:
    normals = [project.add_normal(b"%d" % n, "png", str(n), 1, 1, True).id for n in range(3)]
    for n in range(90):
        row = project.add_sample(
            b"i%d" % n,
            b"m",
            normal_id=normals[n % 3],
            label=LABELS[(n // 4) % 2 if n % 17 else 2],
            kind="structural",
            engine=ENGINES[n % 2],
            seed=n,
            recipe_json="{}",
            scores={"a": (n * 7 % 10) / 10} | ({"b": float(n * 13 % 5)} if n % 3 else {}),
            job_id=f"j{n // 30}" if n % 5 else None,
        )
        project.set_review_status([row.id], VERDICTS[(n // 2) % 3])


def expected(rows: list[SampleRow], where: SampleFilter) -> list[SampleRow]:
    fields = ("label", "engine", "verdict", "normal_id", "job_id")
    rows = [
        r
        for r in rows
        if all(getattr(where, f) in (None, getattr(r, f)) for f in fields)
        and all(r.scores.get(name, -1) >= least for name, least in where.min_score.items())
    ]
    rows.sort(key=lambda r: r.number, reverse=where.descending)
    if where.order_by != "created":
        have = [r for r in rows if where.order_by in r.scores]
        have.sort(key=lambda r: r.scores[where.order_by], reverse=where.descending)
        rows = have + [r for r in rows if where.order_by not in r.scores]
    return rows


filters = st.builds(
    SampleFilter,
    label=st.sampled_from([None, None, *LABELS, "unknown"]),
    engine=st.sampled_from([None, None, *ENGINES]),
    verdict=st.sampled_from([None, None, *VERDICTS]),
    job_id=st.sampled_from([None, None, None, "j1"]),
    min_score=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from([0.0, 0.3, 2.0]), max_size=2),
    order_by=st.sampled_from(["created", "a", "b", "c"]),
    descending=st.booleans(),
)


@settings(deadline=None, max_examples=80)
@given(where=filters, offset=st.integers(0, 95), limit=st.none() | st.integers(0, 100))
def test_a_page_is_what_python_would_give(project: Project, where, offset, limit):
    wanted = expected(project.samples(), where)
    page = project.samples(where, offset, limit)
    assert [r.number for r in page] == [r.number for r in wanted[offset : None if limit is None else offset + limit]]
    assert project.count_samples(where) == len(wanted)
    assert project.sample_ids(where) == [r.id for r in wanted]


def test_by_photo(project: Project):
    photo = project.normals()[1].id
    rows = project.samples(SampleFilter(normal_id=photo))
    assert len(rows) == 30 and {r.normal_id for r in rows} == {photo}


def test_engine_counts_are_the_counts(project: Project):
    kept = Counter(row.engine for row in project.samples() if row.verdict == "kept")
    assert list(project.engine_counts(ReviewStatus.KEPT).items()) == kept.most_common()


def test_label_counts_are_the_counts(project: Project):
    rows = project.samples()
    assert project.label_counts() == {
        label: {v: sum(r.label == label and r.verdict == v for r in rows) for v in VERDICTS} for label in LABELS
    }


@pytest.mark.parametrize(
    "where",
    [
        SampleFilter(label="crack", verdict="kept", engine="layout"),
        SampleFilter(verdict="new", min_score={"a": 0.5}),
        SampleFilter(label="dent", order_by="a", descending=True),
        SampleFilter(order_by="b"),
        SampleFilter(min_score={"a": 0.5, "b": 1}),
    ],
)
def test_no_page_scans_a_whole_table(project: Project, where):
    """Each query that a gallery asks searches an index or walks one; it never reads all of a table's rows."""
    plans: list[str] = []

    def explain(_connection, cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            plans.extend(row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    engine = project._db._reader
    event.listen(engine, "before_cursor_execute", explain)
    try:
        project.samples(where, 0, 10)
        project.count_samples(where)
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    assert any("INDEX" in plan or "KEY" in plan for plan in plans)
    assert [p for p in plans if p.startswith("SCAN") and "json_each" not in p and "INDEX" not in p] == []
