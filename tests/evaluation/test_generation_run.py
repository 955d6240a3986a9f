"""``evaluate generation`` from end to end on drawn plates: what it finds, and what it says to bad input."""

import json

import cv2
import numpy as np
import pytest

from app.cli.main import run
from core.errors import Cancelled, InputError, MaskError, NotFound
from core.evaluation.generation import GeneratedPair, evaluate_generation, read_pairs
from core.evaluation.generation.nearest_real import CROP_SIDE, crop_around, embed, find_nearest_real
from core.evaluation.photo_sets import Shot
from core.exporters import DatasetItem, export
from core.store import Project

HIGH, WIDE = 96, 128


def plate(seed):
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(np.clip(rng.normal(150, 10, (HIGH, WIDE)), 0, 255).astype(np.uint8), (0, 0), 0.9)
    return np.repeat(grey[..., None], 3, axis=2)


def spot(seed, centre, axes=(9, 6), colour=(40, 30, 25)):
    """A plate with a dark ellipse, its mask, and the plate before."""
    before = plate(seed)
    canvas = np.zeros((HIGH, WIDE), np.uint8)
    cv2.ellipse(canvas, centre, axes, 20 * seed, 0, 360, 1, -1)
    image = before.copy()
    image[canvas > 0] = colour
    return image, canvas.astype(bool), before


def made(n, label="spot", first=0):
    return [
        GeneratedPair(f"{label}/{k}", image, label, (mask,), before=before)
        for k in range(first, first + n)
        for image, mask, before in [spot(k, (20 + 11 * (k % 9), 20 + 8 * (k % 7)), (6 + k % 5, 5))]
    ]


def real(n, label="spot"):
    return [
        Shot(f"{label}/r{k}", image, label, (mask,))
        for k in range(n)
        for image, mask, _ in [spot(100 + k, (30 + 13 * (k % 6), 30 + 9 * (k % 5)), (8 + k % 4, 6))]
    ]


@pytest.fixture(scope="module")
def result():
    seen = []
    pairs = [*made(5), *made(3, "dent", 20)]
    found = evaluate_generation(pairs, real(6), progress=lambda done, total: seen.append((done, total)))
    return found, seen


def test_every_measure_is_there_finite_and_in_its_range(result):
    found, _ = result
    m = found.metrics
    assert found.kind == "generation" and all(np.isfinite(v) for v in m.values())
    for name in ("ars", "ars_outside", "ars_real", "mask_covered", "change_in_mask", "mask_iou", "memorised"):
        assert 0 <= m[name] <= 1, name
    for name in ("is_efflite", "kid_efflite", "ic_efflite", "ic_efflite_mask", "nearest_similarity", "size_spread"):
        assert name in m
    assert not {"inception_score", "kid", "ic_lpips"} & set(m), "published names without the published weights"
    assert m["ars"] > 0.8 and m["ars"] > m["ars_outside"]
    assert m["mask_iou"] > 0.95 and m["invisible"] == 0
    assert 0 <= m["ars_sd"] < 0.5 and 0 <= m["ars_real_sd"] < 0.5
    json.dumps(found.json())


def test_a_label_without_real_anomalies_keeps_what_needs_none_and_is_named(result):
    found, _ = result
    assert {"ars", "is_efflite", "mask_iou"} <= set(found.per_label["dent"])
    assert not {"kid_efflite", "ic_efflite", "nearest_similarity", "size_distance"} & set(found.per_label["dent"])
    assert any("no real anomalies of this label: dent" in note for note in found.notes)
    assert found.metrics["ars"] == pytest.approx(np.mean([v["ars"] for v in found.per_label.values()]))
    assert found.metrics["kid_efflite"] == found.per_label["spot"]["kid_efflite"]
    assert found.config["pairs_per_label"] == {"dent": 3, "spot": 5}


def test_notes_name_the_missing_weights_and_pictures_show_the_extremes(result):
    found, _ = result
    assert sum("is not on this machine" in note for note in found.notes) == 2
    names = {p.name for p in found.pictures}
    assert {"closest", "ars_highest_1", "ars_lowest_1"} <= names
    for picture in found.pictures:
        pixels = cv2.imdecode(np.frombuffer(picture.png, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None and pixels.std() > 5, picture.name


def test_progress_grows_to_its_total(result):
    _, seen = result
    assert seen == sorted(seen) and len({total for _, total in seen}) == 1 and seen[-1][0] == seen[-1][1]


@pytest.mark.thorough
def test_the_order_of_the_pairs_does_not_matter(result):
    pairs = [*made(5), *made(3, "dent", 20)]
    again = evaluate_generation(pairs[::-1], real(6)[::-1])
    # The discriminator reads the same plates in another order, and so learns almost the same.
    for name, value in result[0].metrics.items():
        assert again.metrics[name] == pytest.approx(value, abs=0.12 if name.startswith("ars") else 1e-4), name


def test_copies_of_real_anomalies_are_called_memorised():
    originals = [s for s in real(5)]
    pairs = [GeneratedPair(f"spot/{k}", s.image[:, ::-1].copy(), "spot", (s.masks[0][:, ::-1].copy(),))
             for k, s in enumerate(originals[:3])]  # fmt: skip
    found = evaluate_generation(pairs, originals)
    assert found.metrics["memorised"] == 1 and found.metrics["nearest_similarity"] > 0.98
    assert found.metrics["nearest_similarity"] > found.metrics["nearest_similarity_real"]
    assert any("ARS left out" in note for note in found.notes) and "ars" not in found.metrics
    assert any("Mask alignment left out for 3 pairs" in note for note in found.notes)
    closest = next(p for p in found.pictures if p.name == "closest")
    assert all(f"spot/{k} like spot/r{k}" in closest.caption for k in range(3))


@pytest.mark.thorough
def test_the_same_image_again_and_again_has_no_diversity():
    pairs = [made(1)[0]] * 4
    found = evaluate_generation(pairs, real(3), normals=[plate(1)]).metrics
    assert found["ic_efflite"] == found["ic_efflite_mask"] == 0
    assert found["is_efflite"] == pytest.approx(1) and found["position_spread"] == 0


def test_similarity_is_1_for_the_same_defect_however_it_is_turned_and_less_for_another():
    image, mask, _ = spot(3, (60, 50), (20, 8))
    crop = crop_around(image, mask)
    assert crop[0].shape == (CROP_SIDE, CROP_SIDE, 3) and crop[1].any()
    assert embed(*crop) @ embed(*crop) == pytest.approx(1, abs=1e-5)
    other = crop_around(*spot(4, (40, 40), (6, 6), (250, 250, 240))[:2])
    turned = crop_around(np.rot90(image).copy(), np.rot90(mask).copy())
    nearest = find_nearest_real([turned, other], [crop], lambda: None)
    assert nearest.similarity[0] > 0.98 > 0.9 > nearest.similarity[1]
    assert nearest.real_similarity.size == 0 and set(nearest.metrics()) == {"nearest_similarity"}


def test_a_defect_at_the_edge_is_cropped_with_its_mask():
    mask = np.zeros((HIGH, WIDE), bool)
    mask[:9, :30] = True
    image, drawn = crop_around(plate(0), mask)
    assert image.shape == (CROP_SIDE, CROP_SIDE, 3) and 0.1 < drawn.mean() < 0.4


def test_a_stop_stops():
    with pytest.raises(Cancelled):
        evaluate_generation(made(2), real(2), normals=[], cancelled=lambda: True)


@pytest.mark.parametrize(
    "pairs, reference, error, says",
    [
        ([], real(2), InputError, "no generated pairs"),
        (made(2), [], InputError, "no real anomalies"),
        (made(2, "dent"), real(2), InputError, "labels don't match: the pairs are dent, the real anomalies spot"),
        ([GeneratedPair("spot/0", plate(0), "spot", (np.zeros((HIGH, WIDE), bool),))], real(2), MaskError, "empty"),
        ([GeneratedPair("spot/0", plate(0), "spot", (np.ones((5, 5), bool),))], real(2), MaskError, "spot/0"),
    ],
)
def test_bad_input_is_one_clear_line(pairs, reference, error, says):
    with pytest.raises(error, match=says) as caught:
        evaluate_generation(pairs, reference, normals=[])
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """An export: four plates, and three pairs made from them."""
    good = [DatasetItem(f"plate {k}", plate(k)) for k in range(4)]
    spots = [
        DatasetItem(p.name, p.image, "spot", "structural", p.masks, source=f"plate {k}") for k, p in enumerate(made(3))
    ]
    return export([*good, *spots], tmp_path_factory.mktemp("out") / "set", "mvtec-ad").path


def test_a_dataset_gives_each_pair_its_plate(dataset):
    taken = read_pairs(dataset)
    assert len(taken.pairs) == 3 and len(taken.normals) == 4
    for k, pair in enumerate(sorted(taken.pairs, key=lambda p: p.name)):
        assert np.array_equal(pair.read_before(), plate(k))


def test_command_line(dataset, tmp_path, capsys):
    argv = ["evaluate", "generation", str(dataset), "--reference", str(dataset), "--out", str(tmp_path), "--json"]
    assert run(argv) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["mask_iou"] > 0.9 and said["memorised"] == 1 and said["selection"] == "last"
    assert said["config"]["pairs"] == str(dataset) and set(said["per_label"]) == {"spot"}
    assert len(list(tmp_path.glob("*/result.json"))) == 1


def test_command_line_says_what_is_wrong(dataset, tmp_path, capsys):
    empty = tmp_path / "project"
    Project.create(empty).close()
    for argv, says in (
        ([tmp_path / "none", "--reference", dataset], "there is no such folder"),
        ([dataset, "--reference", tmp_path / "none"], "there is no such folder"),
        ([empty, "--reference", dataset], "no kept pairs"),
        ([dataset, "--reference", dataset, "--label", "dent"], "no pairs of label dent (there are: spot)"),
        ([dataset], "--reference"),
    ):
        assert run(["evaluate", "generation", *map(str, argv)]) == 2
        assert says in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(NotFound):
        read_pairs(tmp_path / "none")
    folder = tmp_path / "only" / "train" / "good"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.png"), plate(0))
    with pytest.raises(InputError, match="no pairs"):
        read_pairs(tmp_path / "only")
