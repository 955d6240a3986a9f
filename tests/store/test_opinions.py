"""Several people judge one sample: what each said is kept, what counts follows from it, and undo is each one's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.store import Project, SampleFilter
from core.store.standing import Opinion, Standing, of_two_people
from core.types import RULE, ReviewStatus, VerdictSource
from tests.store.test_verdicts import make

ADA, BEN, CEM = (VerdictSource("person", name) for name in ("ada", "ben", "cem"))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[Project, list[str]]]:
    project, ids = make(tmp_path / "p", 3)
    with project:
        yield project, ids


def counting(project: Project) -> list[str]:
    return [row.verdict.value for row in project.samples()]


def said(project: Project, id: str) -> list[tuple[str, str, str]]:
    return [(o.person, o.verdict.value, o.reason) for o in project.opinions([id]).get(id, ())]


def test_what_each_person_said_is_kept_and_the_last_counts(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.set_review_status(ids, "kept", "", ADA)
    project.set_review_status(ids[:1], "rejected", "hard seam", BEN)
    project.review_samples([(ids[2], "rejected", "hard seam (9 times)")], RULE)
    assert counting(project) == ["rejected", "kept", "rejected"]
    assert said(project, ids[0]) == [("ada", "kept", ""), ("ben", "rejected", "hard seam")]
    assert said(project, ids[2]) == [("ada", "kept", "")]  # a rule is nobody
    project.set_review_status(ids[:1], "new", by=BEN)
    assert said(project, ids[0]) == [("ada", "kept", "")]


def test_two_people_have_to_agree(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.ask_two_people(True)
    project.set_review_status(ids, "kept", "", ADA)
    assert counting(project) == ["new", "new", "new"]
    project.review_samples([(ids[0], "kept", "fine"), (ids[1], "rejected", "faint")], BEN)
    assert counting(project) == ["kept", "new", "new"]
    row = project.sample_row(ids[0])
    assert (str(row.verdict_by), row.reason) == ("by ada and ben", "fine")
    split = SampleFilter(verdict=ReviewStatus.NEW, opinions="split")
    assert project.sample_ids(split) == [ids[1]]
    assert project.sample_ids(SampleFilter(verdict=ReviewStatus.NEW, opinions="needed", person="ben")) == [ids[2]]
    project.set_review_status(ids[1:2], "rejected", "", CEM)
    assert counting(project) == ["kept", "rejected", "new"]
    assert project.count_samples(split) == 0


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        ("", "new"), ("k", "new"), ("kk", "kept"), ("kr", "new"), ("krr", "rejected"), ("kkrr", "new"),
        ("kkrrr", "rejected"),
    ],
)  # fmt: skip
def test_at_least_two_and_more_than_say_the_other_thing(verdicts: str, standing: str) -> None:
    opinions = [
        Opinion(str(n), ReviewStatus.KEPT if letter == "k" else ReviewStatus.REJECTED, f"reason {n}", float(n))
        for n, letter in enumerate(verdicts)
    ]
    found = of_two_people(opinions)
    assert found.verdict == standing
    assert (found == Standing()) == (standing == "new")


def test_undo_is_each_persons_own(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.set_review_status(ids[:2], "kept", "", ADA)
    project.set_review_status(ids[1:], "rejected", "", BEN)
    assert project.undo_review("ada") == ids[:2]
    assert counting(project) == ["new", "rejected", "rejected"]  # what ben said after it stays
    assert said(project, ids[1]) == [("ben", "rejected", "")]
    assert project.undo_review("ada") == []
    assert project.undo_review("cem") == []
    assert project.undo_review("ben") == ids[1:]
    assert project.redo_review("ada") == ids[:2]
    assert said(project, ids[0]) == [("ada", "kept", "")]
    project.set_review_status(ids[2:], "kept", "", ADA)
    assert project.redo_review("ben") == ids[1:], "another's step drops nothing that ben could redo"


def test_undo_where_two_are_asked_settles_anew(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.ask_two_people(True)
    for person in (ADA, BEN):
        project.set_review_status(ids, "kept", "", person)
    assert project.undo_review("ada") == ids
    assert counting(project) == ["new"] * 3
    assert said(project, ids[0]) == [("ben", "kept", "")]
    project.redo_review("ada")
    assert counting(project) == ["kept"] * 3
    project.set_review_status(ids[:1], "new", by=BEN)
    project.undo_review("ben")
    assert counting(project) == ["kept"] * 3


def test_a_rules_verdict_stands_until_a_person_says_something(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.ask_two_people(True)
    project.review_samples([(id, "rejected", "hard seam") for id in ids], VerdictSource("rule", "ada"))
    assert counting(project) == ["rejected"] * 3
    project.set_review_status(ids[:1], "kept", "", BEN)
    assert counting(project) == ["new", "rejected", "rejected"]
    project.undo_review("ben")
    assert counting(project) == ["rejected"] * 3
    assert str(project.sample_row(ids[0]).verdict_by) == "by rule"
    assert project.undo_review("ada") == ids, "whoever ordered the rules may take them back"


def test_asking_two_holds_for_what_was_said_before(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.set_review_status(ids[:2], "kept", "", ADA)
    project.set_review_status(ids[:1], "kept", "", BEN)
    assert project.ask_two_people(True) == 2  # one is new now, of the other both are named
    assert counting(project) == ["kept", "new", "new"]
    assert project.ask_two_people(False) == 2
    assert counting(project) == ["kept", "kept", "new"]
    assert not project.asks_two_people()


def test_opinions_go_with_their_sample(made: tuple[Project, list[str]]) -> None:
    project, ids = made
    project.set_review_status(ids, "kept", "", ADA)
    project.set_review_status(ids, "kept", "", BEN)
    project.delete_samples(ids[:1])
    assert project.opinions(ids).keys() == set(ids[1:])
    assert {label: len(of) for label, of in project.opinions_by_label().items()} == {"crack": 2}


def test_a_project_of_one_person_gets_that_persons_opinions(tmp_path: Path) -> None:
    project, ids = make(tmp_path / "p", 3)
    project.set_review_status(ids[:1], "kept", "", ADA)
    project.set_review_status(ids[1:2], "rejected", "faint", BEN)
    project.review_samples([(ids[2], "kept", "passed the rules")], RULE)
    project.close()
    with closing(sqlite3.connect(tmp_path / "p" / "project.db")) as db:  # as revision 0006 left it
        db.execute("DROP TABLE opinions")
        db.execute("ALTER TABLE verdict_batches DROP COLUMN person")
        for name in ("old_said", "old_why", "new_said", "new_why"):
            db.execute(f"ALTER TABLE verdict_changes DROP COLUMN {name}")
        db.execute("UPDATE alembic_version SET version_num = '0006'")
        db.commit()
    with Project.open(tmp_path / "p") as again:
        assert [said(again, id) for id in ids] == [[("ada", "kept", "")], [("ben", "rejected", "faint")], []]
        assert again.undo_review("ada") in (ids[2:], ids[:1])
        assert again.undo_review("ben") == ids[1:2]
        assert said(again, ids[1]) == []
