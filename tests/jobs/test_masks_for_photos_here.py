"""A folder of masks by name for photos that are in the project already."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cli import run
from core.api import Workbench
from core.images import png_bytes, read_image, read_mask
from core.importers.corrections import Corrections
from core.jobs.import_images import import_images
from core.store import Project
from tests.importers.drawn import MASK, bad, coded, good, mask, photo, write

PHOTOS = {f"{n}.png": good(n) for n in range(3)} | {"7.png": bad(7), "8.png": bad(8)}


@pytest.fixture
def project(tmp_path: Path):
    with Project.create(tmp_path / "p") as made:
        import_images(made, write(tmp_path / "photos", PHOTOS))
        assert made.count_normals() == 5
        yield made


@pytest.mark.parametrize(("seven", "eight"), [("7_mask.png", "8_mask.png"), ("scratch/7.png", "scratch/8.png"),
                                              ("7.png", "8.png")])  # fmt: skip
def test_photos_become_real_anomalies_by_their_masks(project, tmp_path, seven: str, eight: str) -> None:
    masks = write(tmp_path / "masks", {f"masks/{seven}": mask(), f"masks/{eight}": mask(1)})
    report = import_images(project, masks)
    label = "scratch" if "/" in seven else "defect"
    assert sorted(report.examples) == [(label, "7.png"), (label, "8.png")] and report.problems == ()
    assert sorted(row.name for row in project.normals()) == ["0.png", "1.png", "2.png"]
    for row in project.examples():
        np.testing.assert_array_equal(read_mask(row.mask_paths[0]), MASK)
        np.testing.assert_array_equal(read_image(row.path), photo(int(row.name[0]), True))


def test_loose_masks_of_the_same_names_are_known_by_their_look(project, tmp_path) -> None:
    report = import_images(project, write(tmp_path / "loose", {"7.png": mask(), "notes.txt": "drawn by hand"}))
    assert report.examples == (("defect", "7.png"),) and report.odd == () and project.count_normals() == 4


def test_masks_lie_in_folders_called_like_defects(project, tmp_path) -> None:
    report = import_images(project, write(tmp_path / "m", {"scratch/7.png": mask(), "scratch/9.png": bad(9)}))
    assert report.examples == (("scratch", "7.png"),) and report.unmasked == (("scratch", "scratch/9.png"),)


def test_better_masks_take_the_place_of_earlier_ones(project, tmp_path) -> None:
    import_images(project, write(tmp_path / "a", {"masks/scratch/7.png": mask()}))
    smaller = MASK & (np.arange(MASK.shape[0])[:, None] < 25)
    import_images(project, write(tmp_path / "b", {"masks/7.png": coded((smaller * 255).astype(np.uint8))}))
    (row,) = project.examples()
    assert row.label == "scratch"
    np.testing.assert_array_equal(read_mask(row.mask_paths[0]), smaller)


def test_a_mask_of_another_size_or_of_a_photo_with_samples_is_told(project, tmp_path) -> None:
    row = next(r for r in project.normals() if r.name == "8.png")
    project.add_sample(
        normal_id=row.id, label="dent", kind="structural", engine="test", seed=0, recipe_json="{}", scores={},
        image_png=png_bytes(photo(8)), mask_png=mask(),
    )  # fmt: skip
    files = {"masks/7.png": coded(np.zeros((30, 40), np.uint8) + np.uint8(255)), "masks/8.png": mask()}
    report = import_images(project, write(tmp_path / "masks", files))
    reasons = {p.path: p.reason for p in report.problems}
    assert "samples were made from it" in reasons["masks/8.png"] and [p.path for p in report.odd] == ["masks/7.png"]
    assert project.count_normals() == 5 and project.examples() == []


def test_the_draft_and_a_dry_run_show_it_first(project, tmp_path, capsys) -> None:
    masks = write(tmp_path / "masks", {"masks/7.png": mask()})
    path = project.path
    project.close()
    assert run(["import", str(path), str(masks), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["examples"] == {"defect": 1} and told["problems"] == []
    with Workbench.open(path) as bench:
        draft_id, job = bench.photos.drafts.start(masks)
        assert bench.jobs.wait(job, 60).status == "done"
        draft = bench.photos.drafts.get(draft_id)
        assert draft is not None and draft.report.examples == (("defect", "7.png"),)
        assert draft.said == Corrections() and "become real anomalies" in draft.report.notes[-1]
        assert bench.jobs.wait(bench.photos.drafts.start_import(draft_id), 60).status == "done"
        assert bench.photos.count() == 4 and len(bench.photos.examples()) == 1
