"""The desk of the Concepts tab: examples drawn, redrawn and refused, and what an order would take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.api import Workbench
from core.api.concepts.learning import duration, running_mean
from core.api.concepts.library import LearnRequest
from core.errors import ImageError, InputError, MaskError, NotFound
from core.evaluation.results import Curve
from core.images import mask_png_bytes, read_mask
from core.methods.gaa.clustering import Clustering, features_name
from core.methods.gaa.clustering.clusters import build_clusters
from core.methods.gaa.groups import GaaGrouping
from tests.diffusion.toy import write_toy

ENGINE = "anomaly_diffusion"


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path / "plates") as made:
        made.photos.import_images(photo_folder)
        yield made


def disc(x: int, y: int, radius: int = 6) -> np.ndarray:
    return cv2.circle(np.zeros((96, 128), np.uint8), (x, y), radius, 1, -1).astype(bool)


def test_a_drawn_mask_becomes_an_example_and_a_redrawn_one_takes_its_place(
    bench: Workbench, photo_folder: Path
) -> None:
    desk = bench.concepts.examples
    draft = desk.import_photo(photo_folder / "plate 1.png")
    assert draft.shape == (96, 128) and draft.path.is_relative_to(bench.path)
    first = desk.save(draft, disc(60, 20), "pit", "structural")
    assert [c.row.id for c in desk.cards("pit")] == [first.id] and desk.thumbnail(first).is_file()

    again, mask = desk.edit_mask(first.id)
    assert np.array_equal(mask, disc(60, 20)) and again.label == "pit"
    smaller = desk.save(again, disc(60, 20, 3), "hole", "combined")
    (card,) = desk.cards()
    assert card.row == smaller and smaller.kind == "combined" and smaller.path == first.path
    assert np.array_equal(read_mask(smaller.mask_paths[0]), disc(60, 20, 3))
    assert desk.save(desk.edit_mask(smaller.id)[0], disc(60, 20, 3), "hole", "combined").id == smaller.id

    desk.remove(smaller.id)
    assert not desk.cards()
    with pytest.raises(NotFound):
        desk.remove(smaller.id)


def test_another_label_leaves_the_defects_apart(bench: Workbench, photo_folder: Path) -> None:
    png = (photo_folder / "plate 1.png").read_bytes()
    masks = [mask_png_bytes(disc(30, 20)), mask_png_bytes(disc(80, 60, 2))]
    row = bench.project.add_example(png, ".png", "pit", "structural", masks, "two", 128, 96)
    draft, union = bench.concepts.examples.edit_mask(row.id)
    renamed = bench.concepts.examples.save(draft, union, "hole", "structural")
    assert renamed.mask_paths == row.mask_paths and bench.photos.example(renamed.id).label == "hole"
    draft, _ = bench.concepts.examples.edit_mask(renamed.id)
    (redrawn,) = bench.concepts.examples.save(draft, disc(30, 20), "hole").mask_paths
    assert np.array_equal(read_mask(redrawn), disc(30, 20))


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (None, "there is no mask yet"),
        (np.zeros((96, 128), bool), "there is no mask yet"),
        (np.ones((96, 128), bool), "draw the defect alone"),
        (disc(60, 20, 0), "too few to show a defect"),
        (np.ones((5, 5), bool), "expected the photo's 128x96 pixels"),
    ],
)
def test_a_mask_that_cannot_be_learned_from_is_not_kept(
    bench: Workbench, photo_folder: Path, mask: np.ndarray | None, says: str
) -> None:
    desk = bench.concepts.examples
    draft = desk.import_photo(photo_folder / "plate 1.png")
    with pytest.raises(MaskError, match=says):
        desk.save(draft, mask, "pit")
    with pytest.raises(InputError, match="label"):
        desk.save(draft, disc(60, 20), "Good Ü")
    assert not desk.cards()


def test_what_is_no_photo_is_refused(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("not a photo")
    with pytest.raises(ImageError, match=r"notes\.png"):
        bench.concepts.examples.import_photo(tmp_path / "notes.png")


def test_an_order_is_told_in_words_before_it_starts(bench: Workbench, photo_folder: Path) -> None:
    desk = bench.concepts
    with pytest.raises(InputError, match="no real anomaly yet"):
        desk.preview(LearnRequest(engine=ENGINE))
    data = (photo_folder / "plate 0.png").read_bytes()
    masks = {"pit": disc(60, 20) | disc(20, 80), "dent": disc(100, 80)}
    for label, mask in masks.items():
        bench.project.add_example(data, "png", label, "structural", [mask_png_bytes(mask)], "a.png", 128, 96)
    bench.project.add_example(data, "png", "dent", "structural", [mask_png_bytes(disc(9, 9, 0))], "b.png", 128, 96)

    seen = desk.preview(LearnRequest(engine=ENGINE, params={"steps": 7, "adapt": True, "adapt_steps": 5}))
    assert seen.facts == {"From": "2 examples, 3 defects", "Steps": "12 at most"}
    assert seen.notes == ("1 example left out: see the marked ones.",) and seen.warnings[0].startswith(
        "Only one example each of dent, pit:"
    )
    assert not seen.resumes_at
    fewer, more = (desk.preview(LearnRequest(engine=ENGINE, label=name)).facts["Steps"] for name in ("dent", "pit"))
    assert fewer != more
    with pytest.raises(InputError, match="there are: dent, pit"):
        desk.preview(LearnRequest(engine=ENGINE, label="burn"))
    with pytest.raises(InputError, match="steps"):
        desk.preview(LearnRequest(engine=ENGINE, params={"steps": -1}))


def test_curves_are_smoothed_by_the_mean_of_the_last_values() -> None:
    assert running_mean(Curve((1, 2, 3, 4), (4.0, 2.0, 6.0, 0.0), "step", "loss"), 2).y == (4.0, 3.0, 4.0, 3.0)


@pytest.mark.parametrize(("seconds", "says"), [(0.2, "1 s"), (61, "61 s"), (130, "2 min"), (7200, "2.0 hours")])
def test_times_are_in_a_person_s_unit(seconds: float, says: str) -> None:
    assert duration(seconds) == says


@pytest.fixture
def grouped(bench: Workbench, photo_folder: Path) -> Workbench:
    """Two groups of one label: a_1 with three defects, a_2 with two."""
    data = (photo_folder / "plate 0.png").read_bytes()
    for n in range(5):
        png = mask_png_bytes(disc(20 + 20 * n, 20))
        bench.project.add_example(data, "png", "a", "structural", [png], f"{n}.png", 128, 96)
    ids = tuple(row.id for row in bench.project.examples("a"))
    vectors = np.array([[0, 0], [0, 1], [4, 0], [9, 9], [9, 8]], np.float32)
    built = build_clusters(vectors, ids, np.array([0, 0, 0, 1, 1]), ["a_1", "a_2"])
    made = Clustering(built, ids, vectors, features_name("flawsmith"), "flawsmith", 0)
    GaaGrouping().save(bench.material.concepts, "a", bench.material.examples("a"), made)
    return bench


def named(bench: Workbench) -> dict[str, int]:
    return {group.name: len(group.members) for group in bench.concepts.groups.groups_of("a") or ()}


def test_groups_are_changed_and_changes_taken_back(grouped: Workbench) -> None:
    desk, ids = grouped.concepts.groups, [row.id for row in grouped.project.examples("a")]
    assert named(grouped) == {"a_1": 3, "a_2": 2} and desk.thumbnail("a", ids[0]).is_file()
    desk.move("a", [ids[2], ids[3]], "a_2")
    assert named(grouped) == {"a_1": 2, "a_2": 3}
    desk.separate("a", [ids[0], ids[3]])
    assert sorted(named(grouped).values()) == [1, 2, 2]
    together = next(g for g in desk.groups_of("a") or () if ids[0] in g.members)
    assert set(together.members) == {ids[0], ids[3]}
    desk.rename("a", together.name, "spots")
    desk.merge("a", ["spots", "a_1"])
    assert named(grouped) == {"spots": 3, "a_2": 2}
    desk.split("a", "a_2")
    assert len(named(grouped)) == 3
    for _ in range(5):
        desk.undo("a")
    assert named(grouped) == {"a_1": 3, "a_2": 2} and not desk.can_undo("a")
    with pytest.raises(InputError, match="nothing to take back"):
        desk.undo("a")
    with pytest.raises(InputError, match="a group of their own already"):
        desk.separate("a", ids[3:])
    with pytest.raises(InputError, match="choose some defects first"):
        desk.separate("a", [])


def test_groups_of_other_examples_are_not_shown(grouped: Workbench) -> None:
    grouped.concepts.examples.remove(grouped.project.examples("a")[0].id)
    assert grouped.concepts.groups.groups_of("a") is None
    with pytest.raises(InputError, match="group them again"):
        grouped.concepts.groups.rename("a", "a_1", "spots")
    with pytest.raises(InputError, match="two examples or more"):
        grouped.concepts.groups.start("b")


@pytest.mark.thorough
def test_a_few_steps_tell_how_long_learning_takes_here(
    bench: Workbench, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_STATE", str(tmp_path / "state"))
    data = (photo_folder / "plate 0.png").read_bytes()
    for label, mask in (("pit", disc(60, 20)), ("dent", disc(100, 80))):
        bench.project.add_example(data, "png", label, "structural", [mask_png_bytes(mask)], "a.png", 128, 96)
    settings = {"backbone": str(write_toy(tmp_path / "toy")), "steps": 90, "shapes": 2, "shape_steps": 5}
    order, desk = LearnRequest(engine=ENGINE, params=settings), bench.concepts
    before = desk.preview(order)
    assert before.can_measure and "Takes" not in before.facts
    bench.jobs.wait(job_id := desk.start(order, only_measure=True))
    told, after = bench.jobs.event(job_id), desk.preview(order)
    assert told.status == "cancelled" and 0 < told.done < 30
    assert after.facts["Takes"].startswith("about ") and not after.can_measure
    assert (
        after.facts["Steps"] == f"{told.total:,} at most" and after.resumes_at == f"step {told.done} of {told.total}"
    )
    with Workbench.create(tmp_path / "other", "other") as other:
        other.project.add_example(data, "png", "pit", "structural", [mask_png_bytes(disc(9, 60))], "a.png", 128, 96)
        assert "Takes" in other.concepts.preview(order).facts
