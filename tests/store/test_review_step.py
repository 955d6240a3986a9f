"""Verdicts of their own for many samples, in one step that one undo takes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import NotFound
from core.images import mask_png_bytes, png_bytes
from core.store import Project
from core.types import ReviewStatus


@pytest.fixture
def project(tmp_path: Path) -> Project:
    with Project.create(tmp_path / "p") as project:
        yield project


def add(project: Project, shade: int) -> str:
    image = np.full((20, 20, 3), shade, np.uint8)
    normal = project.add_normal(png_bytes(image), ".png", f"{shade}.png", 20, 20, True)
    mask = mask_png_bytes(np.eye(20, dtype=bool))
    return project.add_sample(
        png_bytes(image), mask, normal_id=normal.id, label="crack", kind="structural", engine="perlin", seed=shade,
        recipe_json="{}", scores={"change_inside": 0.1},
    ).id  # fmt: skip


def test_each_gets_its_own_and_one_undo_takes_all_back(project: Project) -> None:
    one, two, three = (add(project, s) for s in (10, 20, 30))
    assert project.review_samples([(one, ReviewStatus.KEPT, "fine"), (two, "rejected", "seam")])
    assert [(project.sample_row(i).verdict, project.sample_row(i).reason) for i in (one, two, three)] == [
        ("kept", "fine"), ("rejected", "seam"), ("new", ""),
    ]  # fmt: skip
    assert sorted(project.undo_review()) == sorted([one, two])
    assert {project.sample_row(i).verdict for i in (one, two, three)} == {"new"}
    project.redo_review()
    assert project.sample_row(two).reason == "seam"


def test_a_missing_sample_changes_nothing(project: Project) -> None:
    one = add(project, 10)
    with pytest.raises(NotFound):
        project.review_samples([(one, ReviewStatus.KEPT, ""), ("nope", ReviewStatus.KEPT, "")])
    assert project.sample_row(one).verdict == "new"
    assert project.review_samples([(one, ReviewStatus.NEW, "")]) == 0
