"""The desk behind the Evaluate tab: what teaches, what judges, and what becomes of the results."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from core.api import GenerationBatch, SampleFilter, Workbench
from core.api.evaluation.evaluations import EvalSpec
from core.api.evaluation.runner import LiveCurves
from core.api.evaluation.specs import build_eval_sets, learned_reference_warnings, real_anomalies
from core.errors import InputError, NotFound
from core.evaluation.detectors.api import Detector, DetectorParams, TrainContext, detectors
from core.evaluation.photo_sets import Shot
from core.evaluation.results import MAX_POINTS
from core.images import mask_png_bytes, png_bytes, read_image, read_mask
from core.jobs.learn import LearnRequest
from core.jobs.pair_sources import example_ids_behind
from core.training.checkpoints import Concept, save_concept
from core.training.concept_config import ConceptConfig
from core.types import Recipe, ReviewStatus


class Unlike(Detector):
    """Scores a pixel by how far it is from the mean of the good photos it was given."""

    name, title, summary, needs_pairs = "unlike", "Unlike", "for tests", False
    Params = DetectorParams

    def __init__(self) -> None:
        self.learned: list[str] = []
        self.endless = False

    def fit(self, train: Sequence[Shot], params: Any, ctx: TrainContext, watch: Any = None) -> Unlike:
        self.learned = [str(shot.image) for shot in train]
        self.mean = np.mean([shot.read().mean(axis=2) for shot in train], axis=0)
        for step in range(3):
            ctx.curve("loss", step, 1.0 / (step + 1))
            ctx.progress(step, 3, None, f"epoch {step}")
        while self.endless:
            ctx.check()
            time.sleep(0.005)
        if watch:
            watch(self, 1)
        return self

    def score(self, images: Sequence[Any]) -> list[Any]:
        return [np.abs(i.mean(axis=2) - self.mean).astype(np.float32) for i in images]


@pytest.fixture
def unlike(monkeypatch: pytest.MonkeyPatch) -> Unlike:
    made = Unlike()
    monkeypatch.setitem(detectors(), "unlike", made)
    return made


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path) -> Iterator[Workbench]:
    """Six photos, four pairs by an engine that borrows nothing, of which one is rejected."""
    with Workbench.create(tmp_path / "plates") as bench:
        bench.photos.import_images(photo_folder)
        bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=4, seed=3, workers=1))
        rows = bench.review.page(SampleFilter(), 0, 9)
        bench.review.set_status([r.id for r in rows[:3]], ReviewStatus.KEPT)
        bench.review.set_status([rows[3].id], ReviewStatus.REJECTED)
        yield bench


def add_real(bench: Workbench, label: str, count: int = 1) -> None:
    """Real anomalies: a drawn plate with a bright square."""
    photo = cv2.imread(str(bench.photos.page()[0].path))
    for i in range(count):
        image, mask = photo.copy(), np.zeros(photo.shape[:2], np.bool_)
        mask[20 + i : 34 + i, 60:80] = True
        image[mask] = 250 - i
        bench.project.add_example(png_bytes(image), "png", label, "structural", [mask_png_bytes(mask)],
                                  f"{label}/{i:03d}.png", 128, 96)  # fmt: skip


def test_a_project_judges_itself_on_photos_it_did_not_learn(bench: Workbench, unlike: Unlike) -> None:
    add_real(bench, "stain", 2)
    trial = EvalSpec("localization", detector="unlike", trainings=2)
    chosen = build_eval_sets(bench.project, trial)
    taught, tested = ({str(s.image) for s in shots} for shots in (chosen.train, chosen.test))
    assert not taught & tested and len([s for s in chosen.test if s.good]) == 1
    held = {row.id for row in bench.photos.page() if str(row.path) in tested}
    assert held and not held & {pair.normal_id for pair in chosen.pairs}, "no pair lies on a photo of the test"
    assert sum(not s.good for s in chosen.train) == len(chosen.pairs) == 3, "the rejected pair does not teach"

    job = bench.evaluations.start(trial)
    assert bench.jobs.wait(job, 200).status == "done", bench.jobs.event(job).message
    (entry,) = bench.evaluations.runs()
    assert entry.id == bench.jobs.result(job)["id"] and entry.headline.startswith("Pixel AP ")
    result = bench.evaluations.load(entry.id)
    assert result.title == "3 perlin → imported anomalies" and list(result.seeds) == ["0", "1"]
    assert set(unlike.learned) <= taught and any("held out" in note for note in result.notes)
    assert result.metrics["pixel_auroc"] > 0.9 and result.selection == "last"
    assert set(bench.evaluations.live_curves(job)) >= {"loss"}
    report = bench.evaluations.report([entry.id])
    assert "3 perlin" in report.read_text()
    bench.evaluations.remove(entry.id)
    assert not bench.evaluations.runs() and not report.exists()
    with pytest.raises(NotFound, match="may have been removed"):
        bench.evaluations.load("../" + bench.path.name)


def test_stopping_ends_the_run_and_keeps_no_result(bench: Workbench, unlike: Unlike) -> None:
    add_real(bench, "stain", 2)
    unlike.endless = True
    job = bench.evaluations.start(EvalSpec("detection", detector="unlike"))
    until = time.monotonic() + 60
    while not bench.evaluations.live_curves(job) and time.monotonic() < until:
        time.sleep(0.01)
    assert bench.evaluations.live_curves(job)["loss"].y[0] == 1.0, "the curve grows while it learns"
    bench.jobs.cancel(job)
    assert bench.jobs.wait(job, 60).status == "cancelled"
    assert not bench.evaluations.runs()


def test_what_is_missing_is_said_before_anything_runs(tmp_path: Path, bench: Workbench, photo_folder: Path) -> None:
    with pytest.raises(InputError, match="no real anomalies: import some in Product"):
        bench.evaluations.preview(EvalSpec("localization"))
    with pytest.raises(InputError, match="no real anomalies"):
        bench.evaluations.preview(EvalSpec("generation"))
    with pytest.raises(InputError, match="no pairs by layout yet"):
        bench.evaluations.start(EvalSpec("localization", engine="layout"))
    add_real(bench, "dent", 2)
    with pytest.raises(InputError, match="pairs are stain, the real anomalies dent"):
        bench.evaluations.preview(EvalSpec("classification"))
    with Workbench.create(tmp_path / "bare") as bare:
        bare.photos.import_images(photo_folder)
        with pytest.raises(InputError, match="make some in Studio"):
            bare.evaluations.preview(EvalSpec("generation"))
        bare.studio.generate(GenerationBatch(engine="perlin", label="stain", count=2, seed=3, workers=1))
        add_real(bare, "stain")
        assert any("Nothing was reviewed" in note for note in bare.evaluations.preview(EvalSpec("generation")).notes)
        bare.review.set_status([bare.review.page(SampleFilter(), 0, 1)[0].id], ReviewStatus.REJECTED)
        with pytest.raises(InputError, match="1 wait in Review"):
            bare.evaluations.preview(EvalSpec("generation"))


def test_anomalies_that_pairs_were_made_from_are_not_tested_or_it_is_said(bench: Workbench) -> None:
    add_real(bench, "scratch", 1)
    bench.studio.generate(GenerationBatch(engine="cut_paste", label="scratch", count=1, seed=1, workers=1))
    made = bench.review.page(SampleFilter(label="scratch"), 0, 9)
    bench.review.set_status([r.id for r in made], ReviewStatus.KEPT)
    warning = bench.evaluations.preview(EvalSpec("localization")).warnings[0]
    assert warning.startswith("Flattered: 1 of 1 real anomalies was learned from") and "--split 1/3" in warning
    assert "1 of 1 real anomalies was learned from" in bench.evaluations.preview(EvalSpec("generation")).warnings[0]
    add_real(bench, "stain", 6)  # the first on the same photo
    seen = bench.evaluations.preview(EvalSpec("localization"))
    assert not seen.warnings and "scratch/000 (the same file as scratch/000)" in seen.notes[-1]
    assert "No test photo of scratch remains" in seen.notes[-1] and "5 real anomalies" in seen.facts["Tested on"]


def concept_of(folder: Path, *ids: str) -> Concept:
    """A kept concept that learned from these anomalies."""
    config = ConceptConfig(labels=("stain",), examples={"stain": ids})
    known = Concept("stain-1", "anomaly_diffusion", "stain", "stain", "toy", "f", "2026-01-01", config)
    save_concept(folder, known, {"x": torch.zeros(1)})
    return known


def test_anomalies_that_a_concept_learned_from_count_as_those_that_pairs_were_made_from(
    bench: Workbench, tmp_path: Path
) -> None:
    add_real(bench, "stain", 2)
    one, other = (row.id for row in bench.project.examples())
    known = concept_of(tmp_path, f"{one}#1", f"{one}#2")
    row = bench.review.page(SampleFilter(), 0, 1)[0]
    recipe = Recipe.from_json(row.recipe_json)
    drawn = replace(recipe, engine="anomaly_diffusion", params={"concept": known.id}, example_ids=(other,))
    pairs = [replace(row, recipe_json=drawn.to_json()), row]
    assert example_ids_behind(pairs, tmp_path) == {one}
    assert example_ids_behind(pairs, tmp_path / "none") == set()


def test_a_split_project_learns_from_one_part_and_is_tested_on_the_other(bench: Workbench) -> None:
    add_real(bench, "stain", 6)
    bench.photos.set_split("1/3")
    assert bench.photos.part_counts() == {"stain": {"learn": 2, "test": 4}}
    learned = [row.name for row in bench.photos.examples() if row.part == "learn"]
    assert learned == ["stain/000.png", "stain/001.png"], "the lowest third of the ids"
    assert [e.id for e in bench.material.examples("stain")] == [
        row.id for row in bench.photos.examples() if row.part == "learn"
    ]
    plan = bench.concepts.preview(LearnRequest(engine="anomaly_diffusion", label="stain"))
    assert plan.facts["From"].startswith("2 examples") and "4 examples kept for the test." in plan.notes
    chosen = build_eval_sets(bench.project, EvalSpec("localization"))
    assert [shot.name for shot in chosen.test if not shot.good] == [f"stain/00{i}" for i in range(2, 6)]
    assert "4 real anomalies" in chosen.facts()["Tested on"] and any("1/3 of each label" in n for n in chosen.notes)


def test_a_photo_that_looks_like_one_that_was_learned_from_is_not_tested(bench: Workbench, tmp_path: Path) -> None:
    real = tmp_path / "real"
    add_real(bench, "stain", 1)
    row = bench.project.examples()[0]
    learned = read_image(row.path)
    lit = np.clip(learned * 1.1 + 9, 0, 255).astype(np.uint8)
    shots = {"000": (lit, read_mask(row.mask_paths[0]))}
    for i, photo in enumerate(bench.photos.page()[:5], 1):
        image, mask = read_image(photo.path).copy(), np.zeros(learned.shape[:2], np.bool_)
        mask[50 + i : 70, 5 * i : 5 * i + 12] = True
        image[mask] = 40
        shots[f"{i:03d}"] = image, mask
    for name, (image, mask) in shots.items():
        for place, data in ((f"test/stain/{name}.png", png_bytes(image)),
                            (f"ground_truth/stain/{name}_mask.png", mask_png_bytes(mask))):  # fmt: skip
            (real / place).parent.mkdir(parents=True, exist_ok=True)
            (real / place).write_bytes(data)
    (real / "test/good").mkdir()
    (real / "test/good/000.png").write_bytes(png_bytes(lit[::-1]))
    sets = build_eval_sets(bench.project, EvalSpec("localization", against=real))
    assert len(sets.test) == 7, "by its file it is another photo"
    behind = replace(sets, learned=(Shot("stain/000", row.path, "stain", row.mask_paths),))
    looked = behind.checked_by_look(lambda: None)
    assert len(looked.test) == 6 and "stain/000 (looks like stain/000)" in looked.notes[-1]
    made = bench.studio.generate(GenerationBatch(engine="cut_paste", label="stain", count=1, seed=1, workers=1))
    pairs, against = [bench.project.sample_row(id) for id in made["sample_ids"]], real_anomalies(bench.project, real)
    assert not learned_reference_warnings(bench.project, pairs, against), "a preview compares by file only"
    said = learned_reference_warnings(bench.project, pairs, against, by_look=True)
    assert said[0].startswith("Flattered: 1 of 6") and "stain/000 (looks like stain/000)" in said[0]


def test_live_curves_stay_short_and_in_order() -> None:
    curves = LiveCurves()
    for step in range(5 * MAX_POINTS):
        curves.add("loss", float(step), -float(step))
    now = curves.snapshot()["loss"]
    assert MAX_POINTS // 4 <= len(now.x) <= MAX_POINTS
    steps = np.diff(now.x)
    assert now.x[0] == 0 and np.all(steps > 0) and steps.max() <= 2 * steps.min()
    assert now.x[-1] > 5 * MAX_POINTS - 32 and all(y == -x for x, y in zip(now.x, now.y, strict=True))
