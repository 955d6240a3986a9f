"""Stamping from the bank: bent into the mask, in the light of its new place, the right way up, never as a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.api import GenerationBatch, Workbench
from core.api.bank import SharedBank
from core.api.studio.studio import TryRequest
from core.engines.api import Context
from core.engines.registry import engine
from core.engines.surface.harmony import is_shaded
from core.engines.surface.outline_warp import TurnLimit, warp_onto
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.jobs.pair_sources import example_ids_behind
from core.types import AnomalyExample, NormalImage, Recipe, Request, ReviewStatus
from tests.engines.test_contract import SHAPE, blob, disc, line, part_photo

STAMP = engine("stamp")


def stamped(
    example: AnomalyExample, photo: np.ndarray, mask: np.ndarray, seed: int = 1, **params: object
) -> np.ndarray:
    request = Request(NormalImage("n", "p.png", photo), "defect", params, seed, mask=mask, examples=(example,))
    return next(iter(STAMP.generate(request, Context()))).image


def dark_disc(level: int, factor: float = 0.5) -> AnomalyExample:
    photo = np.full((*SHAPE, 3), level, np.uint8)
    mask = disc(SHAPE, 60, 60, 15)
    photo[mask] = round(level * factor)
    return AnomalyExample("bank:x", "defect", photo, (mask,))


def dent(bright_above: bool) -> AnomalyExample:
    """Lit from above or below: one half brighter, one darker than the part."""
    photo, mask = np.full((*SHAPE, 3), 120, np.uint8), disc(SHAPE, 75, 90, 16)
    rows = np.mgrid[: SHAPE[0], : SHAPE[1]][0]
    photo[mask & ((rows < 75) == bright_above)] = 170
    photo[mask & ((rows < 75) != bright_above)] = 70
    return AnomalyExample("bank:d", "defect", photo, (mask,))


def test_the_pixels_are_bent_along_with_the_outline() -> None:
    source = disc((60, 60), 30, 30, 20)
    target = np.zeros((50, 90), np.bool_)
    cv2.ellipse(target.view(np.uint8), (45, 25), (38, 15), 0, 0, 360, 1, -1)
    warp = warp_onto(source, target, TurnLimit(), np.random.default_rng(0))
    laid = cv2.remap(source.astype(np.uint8), warp.where, None, cv2.INTER_NEAREST) != 0
    overlap = (laid & target).sum() / (laid | target).sum()
    assert warp.with_surroundings and overlap > 0.9


def test_a_line_in_a_blob_takes_core_from_core_and_nothing_from_beside_it() -> None:
    source, target = line((150, 180), 5), disc((80, 80), 40, 40, 30)
    warp = warp_onto(source, target, TurnLimit(), np.random.default_rng(0))
    laid = cv2.remap(source.astype(np.uint8), warp.where, None, cv2.INTER_NEAREST) != 0
    assert laid[target].mean() > 0.97


@pytest.mark.parametrize("level", [60, 120, 200])
def test_it_differs_from_its_new_surroundings_as_from_its_old_ones(level: int) -> None:
    photo = np.full((*SHAPE, 3), level, np.uint8)
    image = stamped(dark_disc(120), photo, disc(SHAPE, 90, 120, 15), vary=0.0)
    middle = float(image[86:94, 116:124].mean())
    assert 0.35 * level < middle < 0.68 * level


def test_light_that_shows_a_direction_is_neither_turned_nor_mirrored() -> None:
    photo = np.full((*SHAPE, 3), 120, np.uint8)
    for bright_above in (True, False):
        example = dent(bright_above)
        assert is_shaded(example.pixels, example.mask) and STAMP.keeps_direction(example)
        for seed in range(6):
            image = stamped(example, photo, disc(SHAPE, 110, 40, 16), seed)
            above, below = image[100:108, 36:44].mean(), image[112:120, 36:44].mean()
            assert (above > below + 20) == bright_above
    flat = dark_disc(120)
    assert not is_shaded(flat.pixels, flat.mask) and not STAMP.keeps_direction(flat)


def test_a_stamp_at_its_own_place_is_refused_as_a_copy() -> None:
    example = dark_disc(120)
    with pytest.raises(InputError, match="copy"):
        stamped(example, part_photo(), example.mask)


def test_a_mask_of_another_form_or_larger_than_the_entry_is_filled() -> None:
    photo = part_photo()
    for mask in (blob(SHAPE), line(SHAPE, 7), disc(SHAPE, 75, 90, 60)):
        image = stamped(dark_disc(120), photo, mask)
        changed = (np.abs(image.astype(int) - photo).max(axis=2) > 8) & mask
        assert changed.sum() > 0.5 * mask.sum()


def test_an_entry_larger_than_the_part_is_made_to_fit() -> None:
    large, mask = np.full((330, 420, 3), 120, np.uint8), disc((330, 420), 160, 210, 150)
    large[mask] = 40
    photo, place = part_photo(), disc(SHAPE, 90, 120, 15)
    image = stamped(AnomalyExample("bank:x", "defect", large, (mask,)), photo, place)
    assert (np.abs(image.astype(int) - photo).max(axis=2) > 8)[place].mean() > 0.5


@pytest.mark.parametrize("blend", ["alpha", "feather", "poisson"])
def test_each_blend_keeps_the_photo_outside(blend: str) -> None:
    photo, mask = part_photo(), disc(SHAPE, 90, 120, 15)
    image = stamped(dark_disc(120), photo, mask, blend=blend)
    assert np.array_equal(image[~mask], photo[~mask]) and (image[mask] != photo[mask]).any()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """Two photos of good parts and two real anomalies; a bank of its own."""
    monkeypatch.setenv("FLAWSMITH_BANK", str(tmp_path / "bank"))
    with Workbench.create(tmp_path / "part") as opened:
        for seed in (5, 6):
            opened.project.add_normal(
                png_bytes(part_photo(seed=seed)), "png", f"{seed}.png", SHAPE[1], SHAPE[0], False
            )
        for at in ((75, 140), (40, 70)):
            photo, mask = part_photo(seed=9), disc(SHAPE, *at, 12)
            photo[mask] = photo[mask] // 3
            opened.project.add_example(
                png_bytes(photo), "png", "pit", "structural", [mask_png_bytes(mask)], "e.png", SHAPE[1], SHAPE[0]
            )
        yield opened


def batch(bench: Workbench, **params: object) -> list[str]:
    made = bench.studio.generate(
        GenerationBatch(engine="stamp", label="pit", count=3, seed=2, params=dict(params), workers=1)
    )
    return list(made["sample_ids"])


def test_without_an_entry_one_line_says_how_to_add_some(bench: Workbench) -> None:
    with pytest.raises(InputError, match=r"no defect labelled 'pit'; add real anomalies.*launch.py bank add"):
        batch(bench)
    with pytest.raises(InputError, match="no kept sample"):
        bench.bank.add_samples()


def test_a_batch_from_the_bank_and_where_its_pixels_come_from(bench: Workbench) -> None:
    added = bench.bank.add_real(licence="ours")
    assert added.added == 2 and bench.bank.add_real().known == 2
    ids = batch(bench)
    rows = [bench.review.row(id) for id in ids]
    used = {i for row in rows for i in Recipe.from_json(row.recipe_json).example_ids}
    assert used <= {f"bank:{card.id}" for card in bench.bank.cards()} and used
    behind = example_ids_behind(rows, bench.path / "concepts")
    assert behind & {row.id for row in bench.project.examples()}
    again = bench.studio.remake(Recipe.from_json(rows[0].recipe_json))
    assert png_bytes(again.image) == png_bytes(bench.studio.remake(Recipe.from_json(rows[0].recipe_json)).image)


def test_one_entry_or_the_best_for_a_place_that_a_person_drew(bench: Workbench) -> None:
    bench.bank.add_real()
    chosen = bench.bank.cards()[1].id
    photo = bench.project.normals()[0].id
    order = TryRequest("stamp", "pit", photo, {"entry": chosen}, disc(SHAPE, 110, 40, 12), seed=1, variants=2)
    rows = bench.studio.try_out(order)
    assert {Recipe.from_json(row.recipe_json).example_ids for row in rows} == {(f"bank:{chosen}",)}
    with pytest.raises(InputError, match="no entry 'nothing' labelled 'pit'"):
        bench.studio.try_out(replace(order, params={"entry": "nothing"}))


def test_the_entry_that_fits_a_place_has_its_size_and_ground() -> None:
    small, large = dark_disc(120), dark_disc(120)
    wide = disc(SHAPE, 60, 60, 40)
    large = replace(large, id="bank:large", masks=(wide,))
    bright = replace(dark_disc(220), id="bank:bright")
    photo, both = np.full((*SHAPE, 3), 120, np.uint8), [small, large, bright]
    best = STAMP.best_example({"entry": "fits"}, both, photo, disc(SHAPE, 90, 120, 15))
    assert best is small and STAMP.best_example({"entry": "fits"}, both, photo, disc(SHAPE, 75, 90, 38)) is large
    assert STAMP.best_example({"entry": "fits"}, both, photo + 100, disc(SHAPE, 90, 120, 15)) is bright
    assert STAMP.best_example({"entry": "any"}, both, photo, wide) is None


def test_a_kept_sample_becomes_an_entry_but_a_stamped_one_does_not(bench: Workbench) -> None:
    made = bench.studio.generate(GenerationBatch(engine="perlin", label="stain", count=1, seed=1, workers=1))
    bench.bank.add_real("pit")
    bench.review.set_status([*made["sample_ids"], *batch(bench)], ReviewStatus.KEPT)
    found = bench.bank.add_samples()
    assert found.added == 1 and len(found.problems) == 3 and "itself made from the bank" in found.problems[0]
    (card,) = bench.bank.cards("stain")
    assert card.facts.source == "sample" and card.facts.scores["seam_contrast"] > 0 and card.facts.normal_id


def test_a_pair_of_photos_becomes_an_entry(bench: Workbench, tmp_path: Path) -> None:
    photo = part_photo()
    (tmp_path / "before.png").write_bytes(png_bytes(photo))
    changed = photo.copy()
    changed[disc(SHAPE, 90, 60, 10)] = 20
    (tmp_path / "after.png").write_bytes(png_bytes(changed))
    bank = SharedBank()
    assert bank.add_pair(tmp_path / "before.png", tmp_path / "after.png", "hole").added == 1
    assert bank.cards("hole")[0].facts.source == "pair"
