"""One real anomaly, and no learning: what is drawn is like it, stays in the mask, and names what it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.api import GenerationBatch, Workbench
from core.engines.api import Context
from core.engines.registry import engine
from core.errors import InputError
from core.images import mask_png_bytes, png_bytes
from core.jobs.pair_sources import example_ids_behind
from core.jobs.product_data import ProductData
from core.jobs.requests import RequestBuilder
from core.types import AnomalyExample, NormalImage, Request, Sample
from tests.engines.test_contract import SHAPE, disc, part_photo, real_example

GRAFT = engine("graft")


def dark_disc(factor: float = 0.4, name: str = "e", at: tuple[int, int] = (75, 140)) -> AnomalyExample:
    photo, mask = part_photo(seed=5), disc(SHAPE, *at, 14)
    photo[mask] = np.rint(photo[mask] * factor).astype(np.uint8)
    return AnomalyExample(name, "defect", photo, (mask,))


def grafted(*examples: AnomalyExample, seed: int = 1, mask: np.ndarray | None = None, **params: object) -> Sample:
    given = {"steps": 4, **params}
    mask = disc(SHAPE, 100, 60, 14) if mask is None else mask
    asked = Request(NormalImage("n", "p.png", part_photo()), "defect", given, seed, mask=mask, examples=examples)
    return next(iter(GRAFT.generate(asked, Context("cpu"))))


def level(sample: Sample) -> float:
    """Mean brightness inside the mask, of that around it."""
    middle, ring = disc(SHAPE, 100, 60, 9), disc(SHAPE, 100, 60, 26) & ~disc(SHAPE, 100, 60, 17)
    return float(sample.image[middle].mean() / sample.image[ring].mean())


def test_what_is_given_back_at_each_step_makes_it_like_the_reference() -> None:
    dark, bright = (grafted(dark_disc(f), reinjection=1.0, renewal=0.25, seam="feather") for f in (0.4, 1.6))
    assert level(dark) < 0.7 and level(bright) > 1.15


def test_references_are_read_each_and_together() -> None:
    one, other = dark_disc(), dark_disc(1.6, "f", (40, 70))
    free = {"reinjection": 0.0, "renewal": 1.0}
    alone, both = grafted(one, **free), grafted(one, other, **free)
    assert alone.image.tobytes() != both.image.tobytes()
    assert both.recipe.example_ids == ("e", "f")


def test_tuned_words_draw_another_picture_and_the_same_again() -> None:
    made = [grafted(dark_disc(), tune=count) for count in (0, 3, 3)]
    assert made[0].image.tobytes() != made[1].image.tobytes() == made[2].image.tobytes()


def test_without_a_reference_one_line_says_what_to_do() -> None:
    with pytest.raises(InputError, match="none labelled 'defect'; import one with its mask"):
        grafted()
    found = [real_example(), replace(real_example(), id="f")]
    assert list(GRAFT.matching_examples({"reference": "f, e"}, "defect", 1, found, None) or ()) == found[::-1]
    with pytest.raises(InputError, match="no real anomaly 'x' labelled 'defect'"):
        GRAFT.matching_examples({"reference": "x"}, "defect", 1, found, None)
    with pytest.raises(InputError, match="up to 4 ids"):
        grafted(dark_disc(), reference="a,b,c,d,e")


@pytest.mark.parametrize("whole", [False, True])
def test_a_reference_larger_than_the_part_is_made_to_fit(whole: bool) -> None:
    shape = (330, 420)
    mask = np.ones(shape, np.bool_) if whole else disc(shape, 160, 210, 150)
    photo = part_photo(*shape, seed=5)
    photo[mask] //= 3
    sample = grafted(AnomalyExample("large", "defect", photo, (mask,)))
    assert sample.mask.any() and np.array_equal(sample.image[~sample.mask], part_photo()[~sample.mask])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """A photo of a good part and two real anomalies; a bank of its own."""
    monkeypatch.setenv("FLAWSMITH_BANK", str(tmp_path / "bank"))
    with Workbench.create(tmp_path / "part") as opened:
        opened.project.add_normal(png_bytes(part_photo(seed=5)), "png", "5.png", SHAPE[1], SHAPE[0], False)
        for at in ((75, 140), (40, 70)):
            one = dark_disc(at=at)
            masks = [mask_png_bytes(one.mask)]
            opened.project.add_example(
                png_bytes(one.pixels), "png", "defect", "structural", masks, "e.png", SHAPE[1], SHAPE[0]
            )
        yield opened


def test_several_are_read_together_and_a_named_one_alone(bench: Workbench) -> None:
    data = ProductData(bench.project)
    photo, ids = data.normal(data.normal_ids()[0]), {row.id for row in bench.project.examples()}
    for params, count in (({}, 1), ({"mix": 2}, 2), ({"mix": 4}, 2), ({"reference": min(ids)}, 1)):
        builder = RequestBuilder.of(data, GRAFT.name, "defect", params)
        asked = builder.request(photo, 3, builder.place(photo, 3))
        assert len(asked.examples) == count == len({e.id for e in asked.examples})
    assert asked.examples[0].id == min(ids)


def test_an_entry_of_the_bank_is_named_in_the_recipe_with_what_is_behind_it(bench: Workbench) -> None:
    bench.bank.add_real()
    card = bench.bank.cards()[0]
    batch = GenerationBatch(
        engine=GRAFT.name, label="defect", count=1, params={"steps": 2, "reference": f"bank:{card.id}"}
    )
    (made,) = bench.studio.generate(batch)["sample_ids"]
    row = bench.project.sample_row(made)
    assert set(card.facts.sources) <= example_ids_behind([row], bench.project.path / "concepts")
