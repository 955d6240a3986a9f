"""Generation until enough good ones are kept: who is kept, why the others are not, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.api import GenerationBatch, ReviewRules, SampleFilter, Workbench
from core.engines.api import Context
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.jobs import best_of, generation
from core.jobs.auto_review import FAINT, NOT_AMONG_BEST, PASSED, REJECT_REASONS, believability, reason_kind
from core.jobs.requests import BatchPlan
from core.jobs.sample_scoring import MIN_COPY_LIMIT, sample_scorer
from core.quality import ars
from core.quality.near_duplicates import nearest_distance
from core.store import SampleRow
from core.types import Recipe, Request, Sample

BATCH = GenerationBatch(engine="perlin", label="stain", count=16, seed=3, workers=2)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """A project of six photos whose discriminator is trained."""
    path = tmp_path_factory.mktemp("quota") / "plates"
    with Workbench.create(path) as bench:
        bench.photos.import_images(photo_folder)
        sample_scorer(bench.material, "stain")
    return path


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Callable[[str], Workbench]:
    def copied(name: str = "p") -> Workbench:
        return Workbench.open(Path(shutil.copytree(template, tmp_path / name)))

    return copied


def rows_of(bench: Workbench) -> list[SampleRow]:
    return bench.review.page(SampleFilter(), 0, 1000)


def said(bench: Workbench) -> list[tuple[str, str, str]]:
    return sorted((row.id, str(row.verdict), row.reason) for row in rows_of(bench))


def test_the_quota_is_filled_with_the_best_of_those_that_pass(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        done = bench.studio.generate(BATCH, rules=ReviewRules(keep_best=5), spend=True)
        rows = rows_of(bench)
        kept = [r for r in rows if r.verdict == "kept"]
        assert (done["kept"], done["samples"], done["ended"]) == (5, 16, "full") and len(kept) == 5
        assert done["message"] == "5 of 5 kept after 16 made"
        others = [r for r in rows if r.verdict == "rejected"]
        assert len(others) == 11 == done["rejected"] == sum(done["reasons"].values())
        assert all(reason_kind(r.reason) in REJECT_REASONS and r.reason.endswith(")") for r in others)
        assert {r.reason for r in kept} == {PASSED}
        surplus = [believability(r.scores) for r in others if reason_kind(r.reason) == NOT_AMONG_BEST]
        assert surplus and max(surplus) <= min(believability(r.scores) for r in kept)
        vectors = [np.frombuffer(r.descriptor or b"", np.float32) for r in kept]
        assert all(nearest_distance(v, vectors[:k]) > ReviewRules().duplicates for k, v in enumerate(vectors))
        assert all({"ars", "ars_floor"} <= set(r.scores) for r in rows)
        # One undo takes all of it back.
        assert len(bench.review.undo()) == 16
        assert {r.verdict for r in rows_of(bench)} == {"new"}


def test_it_stops_as_soon_as_enough_pass(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        done = bench.studio.generate(BATCH, rules=ReviewRules(keep_best=4))
        assert done["kept"] == 4 <= done["samples"] < 16 and done["ended"] == "full"
        assert bench.review.counts()["stain"]["kept"] == 4


def test_a_spent_budget_is_told_with_the_most_frequent_reason(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        done = bench.studio.generate(BATCH, rules=ReviewRules(keep_best=3, min_change=0.9))
        assert (done["kept"], done["samples"], done["ended"]) == (0, 16, "spent")
        assert done["message"] == f"budget of 16 spent: 0 of 3 kept; most often rejected because: {FAINT}"
        assert done["reasons"] == {FAINT: 16}
        assert all("at least 90.0%" in r.reason for r in rows_of(bench))


@pytest.mark.thorough
def test_same_seed_same_verdicts_whatever_the_workers(fresh: Callable[..., Workbench]) -> None:
    told = []
    for workers in (1, 3):
        with fresh(f"p{workers}") as bench:
            batch = BATCH.model_copy(update={"workers": workers})
            done = bench.studio.generate(batch, rules=ReviewRules(keep_best=6, min_change=0.12))
            told.append((said(bench), done["message"]))
    assert told[0] == told[1] and len(told[0][0]) > 6


@pytest.mark.thorough
def test_a_stopped_order_is_judged_and_goes_on_where_it_was(
    fresh: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = ReviewRules(keep_best=6, min_change=0.12)
    with fresh("whole") as bench:
        whole = bench.studio.generate(BATCH, rules=rules)
        expected = said(bench)
    with fresh("stopped") as bench:
        seen: list[int] = []
        progress = lambda done, total, *more, **named: seen.append(done)  # noqa: E731
        cut = bench.studio.generate(BATCH, rules=rules, progress=progress, cancelled=lambda: max(seen, default=0) >= 3)
        assert cut["cancelled"] and cut["ended"] == "stopped" and cut["message"].startswith("stopped: ")
        assert 3 <= cut["samples"] < whole["samples"]
        assert len(rows_of(bench)) >= cut["samples"] and {r.verdict for r in rows_of(bench)} <= {"kept", "rejected"}
        made: list[Sample] = []
        make = generation.make_each

        def counted(plan: BatchPlan, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
            found = make(plan, requests, ctx)
            made.extend(one for one in found if isinstance(one, Sample))
            return found

        monkeypatch.setattr(generation, "make_each", counted)
        again = bench.studio.generate(BATCH, rules=rules)
        assert said(bench) == expected and again["message"] == whole["message"]
        assert len(made) <= whole["samples"] - cut["samples"]


def test_what_a_person_said_stays_and_counts(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        rules = ReviewRules(keep_best=3)
        first = bench.studio.generate(BATCH, rules=rules)
        rows = rows_of(bench)
        out = next(r for r in rows if r.verdict == "kept")
        held = next(r for r in rows if r.verdict == "kept" and r.id != out.id)
        bench.review.set_status([out.id], "rejected")
        bench.review.set_status([held.id], "kept")
        again = bench.studio.generate(BATCH, rules=rules)
        assert again["kept"] == 3 == bench.review.counts()["stain"]["kept"]
        assert again["samples"] > first["samples"] and again["reasons"]["by hand"] == 1
        assert bench.review.row(out.id).verdict == "rejected" and bench.review.row(held.id).reason == ""


def test_a_larger_quota_takes_back_who_was_only_surplus(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        bench.studio.generate(BATCH, rules=ReviewRules(keep_best=2), spend=True)
        few = {r.id for r in rows_of(bench) if r.verdict == "kept"}
        bench.studio.generate(BATCH, rules=ReviewRules(keep_best=4), spend=True)
        more = {r.id for r in rows_of(bench) if r.verdict == "kept"}
        assert few < more and len(more) == 4 and len(rows_of(bench)) == 16


def test_without_a_quota_all_wait_for_review(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        done = bench.studio.generate(BATCH.model_copy(update={"count": 4}))
        assert (done["samples"], done["kept"]) == (4, 0) and "quota" not in done
        assert {(r.verdict, r.reason) for r in rows_of(bench)} == {("new", "")}
        # The rules of Review judge them by what was measured; a quota over the same batch measures the rest.
        assert all("ars" not in r.scores for r in rows_of(bench))
        bench.studio.generate(BATCH.model_copy(update={"count": 4}), rules=ReviewRules(keep_best=1), spend=True)
        assert all("ars" in r.scores for r in rows_of(bench)) and len(rows_of(bench)) == 4


def test_a_quota_beyond_the_budget_is_refused_before_anything_is_made(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        for order in (bench.studio.generate, bench.studio.start_batch):
            with pytest.raises(InputError, match=r"^keep the best 17: that is more than the 16 to be made; [^\n]*$"):
                order(BATCH, rules=ReviewRules(keep_best=17))
        with pytest.raises(InputError, match="say how many"):
            best_of.generate_best_of(bench.material, BATCH, ReviewRules())
        assert rows_of(bench) == []


def test_the_discriminator_is_trained_once_per_set_of_photos(
    fresh: Callable[..., Workbench], monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh() as bench:
        trained: list[int] = []
        train = ars.train_discriminator
        monkeypatch.setattr(ars, "train_discriminator", lambda p, *more: trained.append(len(p)) or train(p, *more))
        one, two = sample_scorer(bench.material, "stain"), sample_scorer(bench.material, "crack")
        assert not trained and (one.discriminator.out == two.discriminator.out).all()
        bench.project.remove_normals([bench.photos.page()[0].id])
        sample_scorer(bench.material, "stain")
        assert trained == [5] and len(list((bench.path / "cache" / "ars").glob("*.safetensors"))) == 2


def test_the_judge_knows_a_good_part_and_a_copy(fresh: Callable[..., Workbench]) -> None:
    with fresh() as bench:
        normal = bench.material.normal(bench.photos.page()[0].id)
        mask = np.zeros(normal.shape, bool)
        mask[60:80, 54:74] = True
        spot = normal.pixels.copy()
        spot[mask] = (240, 40, 30)
        recipe = Recipe("perlin", "stain", "structural", normal.id, 0)
        judge = sample_scorer(bench.material, "stain")
        untouched = judge.scores(normal.pixels, Sample(normal.pixels, mask, "stain", "structural", recipe))
        changed = judge.scores(normal.pixels, Sample(spot, mask, "stain", "structural", recipe))
        assert untouched["ars"] == pytest.approx(untouched["ars_floor"], abs=1e-6)
        assert changed["ars"] > changed["ars_floor"] + 0.5 and "likeness" not in changed
        h, w = normal.shape
        bench.project.add_example(
            png_bytes(spot), ".png", "stain", "structural", [mask_png_bytes(mask)], "x.png", w, h
        )
        judge = sample_scorer(bench.material, "stain")
        turned = Sample(spot[:, ::-1].copy(), mask[:, ::-1].copy(), "stain", "structural", recipe)
        copied = judge.scores(normal.pixels, turned)
        assert copied["likeness"] > 0.999 and copied["copy_limit"] == MIN_COPY_LIMIT
        other = np.zeros(normal.shape, bool)
        other[10:14, 20:90] = True
        scratch = normal.pixels.copy()
        scratch[other] = 20
        assert judge.scores(normal.pixels, Sample(scratch, other, "stain", "structural", recipe))["likeness"] < 0.7
