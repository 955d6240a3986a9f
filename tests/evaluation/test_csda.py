"""ComGEN's detector: its equations in closed form, and that it learns what differs from the nearest good photo."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch.nn import functional as F

from app.cli import run as cli
from core.errors import Cancelled, InputError, NotFound, Unavailable
from core.evaluation.detectors.api import ComparingDetector, SerializableDetector, TrainContext, detector
from core.evaluation.localization import evaluate_detection
from core.evaluation.metrics import map_metrics
from core.evaluation.photo_sets import Shot
from core.evaluation.results import load_result, save_result
from core.evaluation.saved_detector import DETECTOR_FILE, load_detector
from core.evaluation.score_map_files import read_score_map
from core.evaluation.training.classifier import resnet
from core.evaluation.training.frozen_features import FrozenTrunk, pack_scales, resnet_features, trunk
from core.features.extract import available
from core.images import png_bytes
from core.methods.comgen.csda import network as cs
from core.methods.comgen.csda.detector import CSDA, CSDAParams
from core.methods.comgen.csda.references import ReferencePairFeed, ReferenceSet, choose_references

needs_features = pytest.mark.skipif(available() is not None, reason="the packaged features are not installed")

PARAMS = CSDAParams(side=64, epochs=2, samples=64, width=8, test_every=1, trunk="efficientnet")


def part(seed: int, label: str = "good") -> tuple[np.ndarray, np.ndarray]:
    """A plain photo of 80x80 with a dark block, and where its bright square is, if it has one."""
    rng = np.random.default_rng([seed, len(label)])
    image = rng.normal(120, 5, (80, 80, 3))
    image[16 + seed % 4 : 40, 24:48] -= 50
    mask = np.zeros((80, 80), np.bool_)
    if label != "good":
        y, x = rng.integers(6, 58, 2)
        mask[y : y + 14, x : x + 14] = True
        image[mask] = 235
    return np.clip(image, 0, 255).astype(np.uint8), mask


def shots(counts: dict[str, int], start: int) -> list[Shot]:
    found = []
    for label, count in counts.items():
        for i in range(start, start + count):
            image, mask = part(i, label)
            found.append(Shot(f"{label}/{i}", image, label, () if label == "good" else (mask,)))
    return found


TRAIN = shots({"good": 6, "square": 6}, 0)


def maps_of(fitted: object, images: list[np.ndarray]) -> list[bytes]:
    return [m.tobytes() for m in fitted.score(images)]  # type: ignore[attr-defined]


def test_masks_are_those_of_equation_11() -> None:
    generator = torch.Generator().manual_seed(0)
    photo, other = (
        tuple(torch.randn(2, c, 16 // 2**j, 16 // 2**j, generator=generator) for j, c in enumerate((3, 4, 16)))
        for _ in range(2)
    )
    apart = cs.differences(photo, other)
    assert all(torch.equal(d, torch.sqrt((a - b) ** 2)) for d, a, b in zip(apart, photo, other, strict=True))
    m1, m2, m3 = cs.mean_differences(apart)
    assert [tuple(m.shape) for m in (m1, m2, m3)] == [(2, 1, 16, 16), (2, 1, 8, 8), (2, 1, 4, 4)]
    assert torch.allclose(m2[:, 0], apart[1].mean(1))
    n1, n2, n3 = cs.progressive_masks((m1, m2, m3))
    up = lambda m: F.interpolate(m, scale_factor=2, mode="bilinear", align_corners=False)  # noqa: E731
    assert torch.equal(n3, m3) and torch.allclose(n2, m2 * up(m3)) and torch.allclose(n1, m1 * up(m2))
    alike = cs.progressive_masks(cs.mean_differences(cs.differences(photo, photo)))
    assert not any(m.any() for m in alike), "where nothing differs nothing passes"


def test_the_loss_is_equation_12() -> None:
    masks = torch.zeros(1, 2, 2, dtype=torch.bool)
    masks[0, 0, 0] = True
    undecided = torch.zeros(1, 2, 2, 2)
    smooth = 0.5 * 0.5**2
    focal = 0.25 * math.log(2)
    dice = 1 - (2 * 0.5 + 1) / (4 * 0.25 + 1 + 1)
    assert float(cs.total_loss(undecided, masks)) == pytest.approx(smooth + 5 * focal + dice, rel=1e-6)
    sure = torch.where(masks[:, None], 40.0, -40.0) * torch.tensor([-1.0, 1.0]).reshape(1, 2, 1, 1)
    assert float(cs.total_loss(sure, masks)) == pytest.approx(0, abs=1e-6)
    assert float(cs.dice_loss(torch.zeros(4), torch.zeros(4))) == 0


@needs_features
def test_a_soft_mask_is_learned_where_a_pair_has_one(tmp_path: Path) -> None:
    train = shots({"good": 3, "square": 2}, 0)
    soft = np.zeros((80, 80, 3), np.uint8)
    soft[20:40, 30:50], soft[40:50, 30:50] = 200, 50
    (tmp_path / "soft.png").write_bytes(png_bytes(soft))
    first = next(shot for shot in train if not shot.good)
    train = [replace(shot, soft=tmp_path / "soft.png") if shot is first else shot for shot in train]
    references = choose_references(train, 64, 8, trunk("efficientnet"), "nearest", 0)
    _, masks = ReferencePairFeed(train, references, 1, 0.5, soft=True).batch(np.random.default_rng(0), 12)
    assert masks.dtype == np.float32 and masks.max() == 1
    kinds = {bool(((mask > 0.2) & (mask < 0.3)).sum() > 20) for mask in masks if mask.any()}
    assert kinds == {True, False}, "one pair by its soft map, the other by its mask"
    logits = torch.randn(12, 2, 64, 64)
    wanted = torch.from_numpy(masks)
    cut = (wanted >= 0.4).float()
    assert cs.total_loss(logits, wanted) != cs.total_loss(logits, cut.bool())
    assert torch.allclose(cs.total_loss(logits, cut), cs.total_loss(logits, cut.bool()))
    _, plain = ReferencePairFeed(train, references, 1, 0.5).batch(np.random.default_rng(0), 4)
    assert plain.dtype == np.bool_


def test_scales_are_packed_without_loss() -> None:
    rng = np.random.default_rng(1)
    scales = tuple(rng.normal(size=(16 // 2**j, 16 // 2**j, c)).astype(np.float32) for j, c in enumerate((3, 8, 32)))
    packed = pack_scales(scales)  # type: ignore[arg-type]
    assert packed.shape == (16, 16, 3 + 2 + 2) and packed.dtype == np.float16
    back = cs.unpacked_scales(torch.from_numpy(packed.astype(np.float32)).permute(2, 0, 1)[None], (3, 8, 32))
    for scale, found in zip(scales, back, strict=True):
        assert np.array_equal(found[0].permute(1, 2, 0).numpy(), scale.astype(np.float16).astype(np.float32))
    with pytest.raises(ValueError, match="multiple of 4"):
        pack_scales((scales[0], scales[1][..., :6], scales[2]))


def test_the_network_uses_all_it_has() -> None:
    network = cs.CsdaNetwork((4, 8, 16), 6)
    logits = network(torch.randn(2, 2 * (4 + 2 + 1), 16, 16, generator=torch.Generator().manual_seed(3)))
    assert logits.shape == (2, 2, 64, 64)
    logits.square().mean().backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle
    deep = [m for block in network.down for m in block.modules() if getattr(m, "groups", 1) > 1]
    assert len(deep) == 2 and all(m.groups == m.in_channels and m.stride == (2, 2) for m in deep)


def test_with_resnet_the_neighbour_is_the_nearest_by_its_blocks() -> None:
    network = resnet("resnet18", 1000, None, 0).eval()
    own = FrozenTrunk("resnet18", "random", (64, 128, 256), lambda image, side: resnet_features(network, image, side))
    references = choose_references(TRAIN, 64, 4, own, "nearest", 0)

    def seen(image: np.ndarray) -> list[np.ndarray]:
        scales = resnet_features(network, image, 256)
        return [s.reshape(8, s.shape[0] // 8, 8, -1, s.shape[2]).mean((1, 3)) for s in scales]

    asked = TRAIN[-1].read()
    pairs = [zip(seen(asked), seen(photo), strict=True) for photo in references.photos]
    gaps = [sum(np.linalg.norm(a - b) for a, b in scales) for scales in pairs]
    assert references.neighbours(asked, 2) == [int(i) for i in np.argsort(gaps)[:2]], "eq. 5"
    kept = ReferenceSet(references.photos, references.names, own, vectors=np.zeros((4, 11264), np.float16))
    assert kept.neighbours(asked) == references.neighbours(asked), "vectors of other features are made again"


def test_resnet_gives_the_published_sizes_and_is_asked_for_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    photo, _ = part(0)
    assert [s.shape for s in resnet_features(resnet("resnet18", 1000, None, 0).eval(), photo, 256)] == [
        (64, 64, 64),
        (32, 32, 128),
        (16, 16, 256),
    ]
    monkeypatch.setattr("core.evaluation.training.classifier.weights_file", lambda network: None)
    assert trunk("auto").name == "efficientnet"
    with pytest.raises(Unavailable, match="resnet18-f37072fd.pth"):
        trunk("resnet18")


@needs_features
def test_a_pair_is_not_compared_with_the_photo_it_was_made_from() -> None:
    references = choose_references(TRAIN, 64, 6, trunk("efficientnet"), "nearest", 0)
    good = TRAIN[0].read()
    assert references.neighbours(good)[0] != 0
    made = good.copy()
    mask = np.zeros(made.shape[:2], np.bool_)
    mask[50:62, 50:62] = True
    made[mask] = 235
    assert references.neighbours(made, 6)[0] == 0, "without its mask nothing says that it was made from it"
    assert 0 not in references.neighbours(made, 6, mask)
    assert len(choose_references(TRAIN, 64, 3, trunk("efficientnet"), "nearest", 0).photos) == 3
    anywhere = replace(references, association="random")
    assert anywhere.neighbours(good) == anywhere.neighbours(good) and 0 not in anywhere.neighbours(good, 6)
    found = {anywhere.neighbours(part(i)[0])[0] for i in range(40, 60)}
    assert len(found) > 3
    with pytest.raises(InputError, match="at least two"):
        choose_references(TRAIN[:1], 64, 6, trunk("efficientnet"), "nearest", 0)
    alone = ReferenceSet(references.photos[:1], ("a",), references.trunk)
    with pytest.raises(InputError, match="two different"):
        alone.neighbours(good)


@needs_features
def test_each_draw_may_take_another_of_the_nearest() -> None:
    references = choose_references(TRAIN, 64, 6, trunk("efficientnet"), "nearest", 0)
    feed = ReferencePairFeed(TRAIN, references, 3, 0.25)
    maps, near = feed.stored_input(part(30)[0], None)
    assert len(near) == 3 == len(set(near))
    half = maps.shape[2]
    seen = {feed.network_input((maps, near), np.random.default_rng(i))[..., half:].tobytes() for i in range(20)}
    assert seen == {references.maps(i).tobytes() for i in near}
    batch, masks = feed.batch(np.random.default_rng(0), 4)
    assert batch.shape == (4, 16, 16, 2 * half) and not masks[:2].any() and masks[2:].any(axis=(1, 2)).all()


@needs_features
def test_it_learns_a_bright_square_and_the_same_seed_gives_the_same_bytes() -> None:
    fitted = CSDA().fit(TRAIN, PARAMS, TrainContext(seed=4))
    test = [part(i, ("good", "square")[i % 2]) for i in range(100, 112)]
    images = [image for image, _ in test]
    maps = fitted.score(images)
    assert all(m.shape == (80, 80) and m.dtype == np.float32 for m in maps)
    labels = ["square" if mask.any() else "good" for _, mask in test]
    scores = [CSDA().image_score(m) for m in maps]
    found = map_metrics(maps, [[m] if m.any() else [] for _, m in test], labels, image_scores=scores).overall
    assert found["pixel_auroc"] > 0.9 and found["image_auroc"] > 0.9
    again = CSDA().fit(TRAIN, PARAMS, TrainContext(seed=4))
    assert maps_of(again, images) == [m.tobytes() for m in maps]
    assert isinstance(fitted, ComparingDetector) and isinstance(fitted, SerializableDetector)
    near = fitted.neighbour(images[0])
    assert near.name.startswith("good/") and near.image.shape == (64, 64, 3)
    kept = CSDA().unpack(fitted.pack(), PARAMS, TrainContext())
    assert maps_of(kept, images) == [m.tobytes() for m in maps]
    with pytest.raises(InputError, match="train it again"):
        CSDA().unpack(replace(fitted.pack(), facts={}), PARAMS, TrainContext())


@needs_features
def test_it_stops_within_a_step_and_tells_how_far_it_is() -> None:
    steps: list[int] = []
    ctx = TrainContext(
        progress=lambda done, total, preview=None, message="": steps.append(done), cancelled=lambda: len(steps) >= 2
    )
    with pytest.raises(Cancelled):
        CSDA().fit(TRAIN, PARAMS, ctx)
    assert steps == [1, 2]


def test_it_is_registered() -> None:
    assert isinstance(detector("csda"), CSDA) and detector("csda").needs_pairs


@needs_features
def test_a_run_keeps_its_detector_for_single_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = shots({"good": 4, "square": 4}, 100)
    given = {
        "params": PARAMS.model_dump(),
        "seeds": (0, 1),
        "side": 64,
        "ctx": TrainContext(checkpoint=tmp_path / "t"),
    }
    result = evaluate_detection(TRAIN, test, detector="csda", **given)
    assert result.metrics["image_auroc"] > 0.9
    run = save_result(tmp_path, result)
    again = evaluate_detection(TRAIN, test, detector="csda", **given)
    assert again.files[DETECTOR_FILE] != result.files[DETECTOR_FILE] and load_result(run).files == {
        DETECTOR_FILE: run / DETECTOR_FILE
    }
    assert (
        (save_result(tmp_path, again) / DETECTOR_FILE).read_bytes()
        == (run / DETECTOR_FILE).read_bytes()
        == result.files[DETECTOR_FILE]
    )

    bad = test[4].read()
    looks = [load_detector(run).predict(shot.read()) for shot in (test[0], test[4])]
    fresh = CSDA().fit(TRAIN, PARAMS, TrainContext(seed=0)).score([bad])[0]
    assert looks[1].scores.tobytes() == fresh.tobytes() and looks[1].scores.shape == (80, 80)
    assert looks[1].above_good == 1.0 and looks[1].score > looks[0].score
    assert looks[1].neighbour and looks[1].neighbour.name.startswith("good/")
    panel = cv2.imdecode(np.frombuffer(looks[1].picture(), np.uint8), cv2.IMREAD_COLOR)
    assert panel.shape == (320, 3 * 320 + 12, 3)

    photo = tmp_path / "part.png"
    cv2.imwrite(str(photo), bad[..., ::-1])
    assert cli(["evaluate", "photo", str(run), str(photo), "--out", str(tmp_path / "seen"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["photos"][0]
    assert said["image_score"] == pytest.approx(looks[1].score) and said["above_good"] == 1.0
    assert np.array_equal(read_score_map(Path(said["map"])), looks[1].scores) and Path(said["picture"]).is_file()


def test_what_is_no_detector_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "part.png"
    cv2.imwrite(str(photo), part(0)[0])
    (tmp_path / "empty").mkdir()
    broken, other = tmp_path / "broken.safetensors", tmp_path / "other.safetensors"
    broken.write_bytes(b"no weights")
    other.write_bytes(save({"a": np.zeros(2, np.float32)}))
    for where, what, line in (
        (tmp_path / "empty", photo, "there is no trained detector"),
        (broken, photo, "damaged"),
        (other, photo, "expected a detector that Flawsmith trained"),
        (tmp_path / "empty", tmp_path / "nowhere.png", "no such photo"),
        (tmp_path / "empty", tmp_path / "empty", "found no photo"),
    ):
        assert cli(["evaluate", "photo", str(where), str(what)]) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and line in said[0]
    with pytest.raises(NotFound):
        load_detector(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["unet", "features"])
def test_other_detectors_are_kept_too(name: str) -> None:
    chosen = detector(name)
    if chosen.available():
        pytest.skip("its library is not installed")
    params = chosen.Params.preset("cpu", {"side": 64, "width": 4, "epochs": 1, "samples": 8})
    fitted = chosen.fit(TRAIN, params, TrainContext())
    kept = chosen.unpack(fitted.pack(), params, TrainContext())
    image = part(50, "square")[0]
    assert maps_of(kept, [image]) == maps_of(fitted, [image])
    wider = chosen.Params.preset("cpu", {"side": 64, "width": 8})
    with pytest.raises(InputError, match="do not fit"):
        chosen.unpack(fitted.pack(), wider, TrainContext())
