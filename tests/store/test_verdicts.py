"""Accept, reject, undo and redo, also across a restart, against a plain list of states."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.store import Project
from core.types import PERSON, RULE, VerdictSource


def make(folder: Path, count: int) -> tuple[Project, list[str]]:
    project = Project.create(folder)
    with project.transaction():
        photo = project.add_normal(b"photo", "png", "a.png", 1, 1, True).id
        common = {"normal_id": photo, "label": "crack", "kind": "structural", "engine": "e", "recipe_json": "{}"}
        ids = [project.add_sample(b"%d" % n, b"m", seed=n, **common).id for n in range(count)]
    return project, ids


def test_undo_and_redo_outlive_the_process(tmp_path):
    project, ids = make(tmp_path / "p", 3)
    first = project.set_review_status(ids[:2], "kept", "good seam")
    second = project.set_review_status(ids, "rejected")
    assert 0 < first < second
    project.close()
    with Project.open(tmp_path / "p") as project:
        assert project.undo_review() == ids
        assert [r.reason for r in project.samples()] == ["good seam", "good seam", ""]
        assert project.undo_review() == ids[:2]
    with Project.open(tmp_path / "p") as project:
        assert project.redo_review() == ids[:2]
        assert [r.verdict for r in project.samples()] == ["kept", "kept", "new"]
        assert project.set_review_status([ids[2]], "kept")
        assert project.redo_review() == []


def test_a_verdict_says_who_gave_it_also_after_undo(tmp_path):
    project, ids = make(tmp_path / "p", 2)
    ada = VerdictSource("person", "ada")
    project.review_samples([(ids[0], "kept", "passed the rules"), (ids[1], "rejected", "hard seam (9 times)")], RULE)
    assert project.set_review_status([ids[0]], "kept", "passed the rules", ada) > 0
    assert [r.verdict_by for r in project.samples()] == [ada, RULE]
    assert [str(r.verdict_by) for r in project.samples()] == ["by ada", "by rule"] and str(PERSON) == "by hand"
    project.undo_review()
    assert [r.verdict_by for r in project.samples()] == [RULE, RULE]
    project.redo_review()
    project.set_review_status(ids, "new", by=ada)
    assert [r.verdict_by for r in project.samples()] == [None, None]
    project.close()


def test_a_verdict_that_changes_nothing_is_no_step(tmp_path):
    project, ids = make(tmp_path / "p", 2)
    with project:
        project.set_review_status(ids, "kept")
        project.undo_review()
        assert project.set_review_status(ids, "new") == 0
        assert project.redo_review() == ids


def test_an_unknown_sample_among_many_changes_none(tmp_path):
    project, ids = make(tmp_path / "p", 2)
    with project:
        try:
            project.set_review_status([*ids, "unknown"], "kept")
        except LookupError:
            pass
        assert project.label_counts()["crack"]["kept"] == 0
        assert project.undo_review() == []


def test_deleted_samples_leave_the_undo_list(tmp_path):
    project, ids = make(tmp_path / "p", 3)
    with project:
        project.set_review_status([ids[0]], "kept")
        project.set_review_status([ids[1]], "kept")
        project.delete_samples([ids[1]])
        assert project.undo_review() == [ids[0]]


class UndoMachine(RuleBasedStateMachine):
    """Verdict steps against a list of past states and a list of undone ones."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.project, self.ids = make(Path(self.folder.name) / "p", 4)
        self.now = dict.fromkeys(self.ids, "new")
        self.past: list[dict[str, str]] = []
        self.undone: list[dict[str, str]] = []

    @rule(which=st.sets(st.integers(0, 3)), verdict=st.sampled_from(["new", "kept", "rejected"]))
    def judge(self, which, verdict) -> None:
        after = self.now | {self.ids[n]: verdict for n in which}
        number = self.project.set_review_status([self.ids[n] for n in which], verdict)
        assert bool(number) == (after != self.now)
        if number:
            self.past.append(self.now)
            self.undone.clear()
            self.now = after

    @rule()
    def undo(self) -> None:
        touched = self.project.undo_review()
        assert bool(touched) == bool(self.past)
        if self.past:
            before = self.past.pop()
            assert set(touched) == {i for i in self.ids if before[i] != self.now[i]}
            self.undone.append(self.now)
            self.now = before

    @rule()
    def redo(self) -> None:
        touched = self.project.redo_review()
        assert bool(touched) == bool(self.undone)
        if self.undone:
            self.past.append(self.now)
            self.now = self.undone.pop()

    @rule()
    def reopen(self) -> None:
        self.project.close()
        self.project = Project.open(Path(self.folder.name) / "p")

    @invariant()
    def states_agree(self) -> None:
        if hasattr(self, "project"):
            assert {r.id: r.verdict.value for r in self.project.samples()} == self.now

    def teardown(self) -> None:
        if hasattr(self, "project"):
            self.project.close()
            self.folder.cleanup()


TestUndo = UndoMachine.TestCase
TestUndo.settings = settings(deadline=None, max_examples=8, stateful_step_count=15)
