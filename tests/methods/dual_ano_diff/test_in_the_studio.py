"""A drawn pair from the Studio's desk: its pictures are kept, another mask can be taken, and what it is most like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from core.api import Workbench
from core.api.studio.drawn_pairs import NearestExample, nearest_example
from core.api.studio.studio import TryRequest
from core.engines.api import Context
from core.engines.registry import learning_engine
from core.errors import InputError
from core.features.extract import available
from core.images import png_bytes, read_image, read_mask
from core.methods.dual_ano_diff.learning_settings import DualLearningParams
from core.methods.dual_ano_diff.mask_extraction import MASK_SOURCES
from core.types import NormalImage
from tests.methods.anomaly_diffusion.test_engine import disc, hole, plate

NAME = "dual_ano_diff"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, toy_model: None) -> Iterator[Workbench]:
    """Three photos, and a concept that hardly learned."""
    folder = tmp_path_factory.mktemp("pairs")
    (folder / "photos").mkdir()
    for k in range(3):
        (folder / "photos" / f"{k}.png").write_bytes(png_bytes(plate(k)))
    with Workbench.create(folder / "plates", "plates") as bench:
        bench.photos.import_images(folder / "photos")
        ctx = Context("cpu", bench.material.concepts)
        normals = [NormalImage("n", "n.png", plate(9))]
        learning_engine(NAME).learn([hole(0), hole(1)], normals, "hole", DualLearningParams(steps=1, rank=4), ctx)
        yield bench


@pytest.mark.thorough
def test_a_pair_is_kept_and_another_of_its_masks_taken(bench: Workbench) -> None:
    photo = bench.photos.page()[0].id
    order = TryRequest(
        NAME, "hole", photo, {"steps": 3, "mask": "threshold"}, mask=disc(40, 50, 12), seed=4, variants=1
    )
    (row,) = bench.studio.try_out(order)
    pair = bench.review.drawn_pair(row)
    assert pair is not None and {way.name for way in pair.ways} == set(MASK_SOURCES)
    for path in (pair.whole, pair.part):
        assert read_image(path).shape == (pair.side, pair.side, 3)
    assert sum(way.chosen for way in pair.ways) == (0 if pair.asked else 1)
    assert all(0 <= way.agreement <= 1 and (way.outline is None or way.outline["path"]) for way in pair.ways)
    other = bench.studio.remake_with(row.id, {"mask": "attention"})
    before, after = bench.studio.recipe(row.id), bench.studio.recipe(other.id)
    assert after.params == {**before.params, "mask": "attention"} and after.seed == before.seed
    assert np.array_equal(read_image(other.picture_paths["whole"]), read_image(pair.whole))
    assert read_mask(other.mask_path).any()
    with pytest.raises(InputError, match="mask"):
        bench.studio.start_remake(row.id, {"mask": "by eye"})


def test_what_it_is_most_like_is_told(bench: Workbench) -> None:
    photo = bench.photos.page()[1].id
    order = TryRequest(NAME, "hole", photo, {"steps": 3}, mask=disc(40, 50, 12), seed=2, variants=1)
    (row,) = bench.studio.try_out(order)
    near = bench.review.nearest_example(row)
    assert near is not None and near.measure == "distance" and near.is_copy == (near.value < 0.1)
    judged = replace(row, recipe_json=row.recipe_json.replace("nearest_example", "other"))
    assert nearest_example(judged) is None
    judged = replace(judged, scores={"likeness": 0.9, "copy_limit": 0.85})
    assert nearest_example(judged) == NearestExample("likeness", 0.9, 0.85) and nearest_example(judged).is_copy  # type: ignore[union-attr]
    assert bench.review.nearest_good_part_applies(row)
    if available() is None:
        found = bench.review.nearest_good_part(row, look=True)
        assert found is not None and found[0].id == found[1].id != photo and found[0].own is not None
        assert bench.review.nearest_good_part(row) == found
    plain = bench.studio.try_out(TryRequest("cut_paste", "hole", photo, {}, mask=disc(40, 50, 12), variants=1))[0]
    assert bench.review.drawn_pair(plain) is None and bench.review.nearest_good_part(plain, look=True) is None
