"""Another label, a star and a note on samples, and the number by which a window knows that something changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError
from core.store import Project, SampleFilter
from tests.store.test_verdicts import make


def test_remarks_stay_and_are_found(tmp_path: Path) -> None:
    project, ids = make(tmp_path / "p", 4)
    assert project.set_favourite(ids[:2], True) == 2
    assert project.set_favourite(ids, True) == 2
    assert project.set_favourite([ids[1]], False) == 1
    project.set_note(ids[0], "  seam at the left  ")
    assert project.relabel_samples(ids[2:], "dent") == 2
    assert project.relabel_samples(ids, "dent") == 2
    project.close()
    with Project.open(tmp_path / "p") as again:
        rows = again.samples(SampleFilter(favourite=True))
        assert [row.id for row in rows] == [ids[0], ids[2], ids[3]]
        assert again.count_samples(SampleFilter(favourite=False, label="dent")) == 1
        assert again.sample_row(ids[0]).note == "seam at the left"
        assert set(again.label_counts()) == {"dent"}


def test_what_cannot_be_a_remark_is_refused(tmp_path: Path) -> None:
    project, ids = make(tmp_path / "p", 1)
    with project, pytest.raises(InputError, match="2,000 characters"):
        project.set_note(ids[0], "x" * 2001)
    with pytest.raises(InputError, match="label"):
        project.relabel_samples(ids, "../good")


def test_every_verdict_of_anybody_changes_the_revision(tmp_path: Path) -> None:
    project, ids = make(tmp_path / "p", 2)
    with project, Project.open(tmp_path / "p") as other:
        seen = [project.review_revision()]
        for change in (lambda: other.set_review_status(ids, "kept"), other.undo_review, other.redo_review):
            change()
            seen.append(project.review_revision())
        assert seen[1] == seen[3] and len(set(seen)) == 3
        assert project.review_revision() == other.review_revision()
