"""Any folder of the SAM family answers clicks: toy models in the real layouts against transformers' own way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, Unavailable
from core.segmentation import segmenters
from core.segmentation.sam_candidates import photo_mask
from core.segmentation.sam_family import FamilySegmenter, family_folders
from core.segmentation.segmenter import Click
from tests.segmentation.sam_family_toys import MAKERS, toy_folder

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A photo of 90 rows by 150 columns: its sides are neither equal nor a multiple of any patch."""
    rng = np.random.default_rng(0)
    image = rng.integers(90, 130, (90, 150, 3), dtype=np.uint8)
    image[20:60, 40:100] = (200, 60, 40)
    return image


@pytest.fixture(scope="module", params=sorted(MAKERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_folder(request.param, tmp_path_factory.mktemp("models") / f"my-{request.param}")


def own_way(folder: Path, photo: np.ndarray, points: list[list[float]], labels: list[int]) -> np.ndarray:
    """Masks (m, H, W) as transformers' documentation computes them."""
    from transformers import AutoModelForMaskGeneration, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForMaskGeneration.from_pretrained(folder)
    padded = "reshaped_input_sizes" in processor(images=photo, return_tensors="pt")
    given = {"input_points": [[points]], "input_labels": [[labels]]}
    inputs = processor(images=photo, return_tensors="pt", **given)
    sizes = [inputs.pop("reshaped_input_sizes")] if padded else []
    original = inputs.pop("original_sizes")
    with torch.inference_mode():
        out = model(**inputs, multimask_output=len(points) == 1)
    return np.asarray(processor.post_process_masks(out.pred_masks, original, *sizes)[0][0])


@pytest.mark.parametrize("clicks", [[(70.0, 40.0, 1)], [(70.0, 40.0, 1), (20.0, 10.0, 0)]])
def test_masks_are_those_of_transformers(
    folder: Path, photo: np.ndarray, clicks: list[tuple[float, float, int]]
) -> None:
    expected = own_way(folder, photo, [[x, y] for x, y, _ in clicks], [label for _, _, label in clicks])
    found = FamilySegmenter(folder).prepare(photo).predict([Click(x, y, label == 1) for x, y, label in clicks])
    assert found and all(c.mask.shape == (90, 150) for c in found)
    agreement = [max(np.mean(c.mask == e) for e in expected) for c in found]
    assert min(agreement) > 0.99, "the clicks or the masks lie elsewhere than with transformers"
    for candidate in found:
        assert all(candidate.mask[int(y), int(x)] == (label == 1) for x, y, label in clicks)


def test_boxes_and_masks_so_far_are_prompts_too(folder: Path, photo: np.ndarray) -> None:
    ready = FamilySegmenter(folder).prepare(photo)
    (boxed,) = ready.predict([], (30.0, 15.0, 110.0, 70.0))
    assert boxed.mask.any() and not boxed.mask[:15].any() and not boxed.mask[:, 110:].any()
    so_far = np.zeros((90, 150), bool)
    so_far[20:60, 40:100] = True
    (refined,) = ready.predict([Click(70, 40), Click(45, 25, False)], mask=so_far)
    (plain,) = ready.predict([Click(70, 40), Click(45, 25, False)])
    assert refined.mask[40, 70] and not refined.mask[25, 45]
    assert not np.array_equal(refined.mask, plain.mask), "the mask so far made no difference"


def test_an_encoder_reports_its_blocks_and_stops(folder: Path, photo: np.ndarray) -> None:
    segmenter, steps = FamilySegmenter(folder), []
    with pytest.raises(Cancelled):
        segmenter.prepare(photo, cancelled=lambda: True)
    segmenter.prepare(photo, lambda done, total: steps.append((done, total)))
    assert steps and steps[-1][0] == steps[-1][1]
    assert all(np.count_nonzero(r.mask) > 0 for r in segmenter.regions(photo))


def test_a_folder_is_found_and_named_for_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: np.ndarray
) -> None:
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    made = toy_folder("sam2", tmp_path / "tuned-on-our-parts")
    other = tmp_path / "something-else"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert family_folders() == [made]
    found = segmenters()["folder:tuned-on-our-parts"]
    assert found.title == "SAM 2 (tuned-on-our-parts)" and found.available() is None
    assert segmenters()["folder:tuned-on-our-parts"] is found, "one network a folder"
    names = list(segmenters())
    assert names.index(found.name) < names.index("mini_click")
    assert "bert" in str(FamilySegmenter(other).available())
    assert "no config.json" in str(FamilySegmenter(tmp_path).available())


def test_weights_of_another_model_are_refused_by_name(tmp_path: Path, photo: np.ndarray) -> None:
    made, other = toy_folder("sam2", tmp_path / "a"), toy_folder("sam", tmp_path / "b")
    (made / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(Unavailable, match="are of another model .* tensors are missing"):
        FamilySegmenter(made).prepare(photo)
    (made / "model.safetensors").write_bytes(b"<html>404</html>")
    with pytest.raises(Unavailable, match="cannot be read"):
        FamilySegmenter(made).prepare(photo)
    (made / "model.safetensors").unlink()
    assert "no *.safetensors" in str(FamilySegmenter(made).available())


def test_logits_go_to_the_photo_without_a_shift() -> None:
    logits = np.full((16, 16), -1.0, np.float32)
    logits[3:6, 4:12] = 1.0
    mask = photo_mask(logits, (0.6, 1.0), (96, 160))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (rows[0], rows[-1] + 1) == pytest.approx((30, 60), abs=1)
    assert (columns[0], columns[-1] + 1) == pytest.approx((40, 120), abs=1)
