"""The parts of a training: the network, its loss, the batches, the registry, and how seeds are summed up."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from core.device import numpy_rng
from core.errors import Cancelled, InputError, NotFound
from core.evaluation.detectors.api import (
    Detector,
    DetectorParams,
    RestorableDetector,
    TrainContext,
    detector,
    detectors,
    pooled_maximum,
)
from core.evaluation.detectors.features import FeaturesParams, FrozenFeatureDetector, cached_features
from core.evaluation.detectors.unet import UNetDetector, UNetParams
from core.evaluation.results import Curve, EvalResult
from core.evaluation.seeds import CurveRecorder, averaged_over_seeds, fingerprint, run_seeds
from core.evaluation.training.batches import TrainingFeed, fit_mask
from core.evaluation.training.draem import DOWN, DiscriminativeNetwork, focal_loss
from core.evaluation.training.precision import step_for
from tests.evaluation.plates import shots

ROOT = Path(__file__).resolve().parents[2]


def test_network_is_draems() -> None:
    network = DiscriminativeNetwork(4)
    # Convolutions: two per encoder level, one per lift and two per merge, and the head.
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 2 * 6 + 5 * 3 + 1
    assert [c.out_channels for c in convolutions[:12:2]] == [4 * k for k in DOWN]
    # The merges take what is lifted beside the encoder's level of the same size: up_b, db_b, db1..db4 of the paper.
    merges = [block[0].in_channels // 4 for block in network.merge]
    assert merges == [8 + 8, 4 + 8, 2 + 4, 1 + 2, 1 + 1]
    assert network(torch.rand(2, 3, 64, 96)).shape == (2, 2, 64, 96)


def test_every_level_reaches_the_output() -> None:
    network = DiscriminativeNetwork(4)
    network(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in network.named_parameters() if "weight" in n)


def test_focal_loss_in_closed_form() -> None:
    masks = torch.tensor([[[True, False]]])
    undecided = torch.zeros(1, 2, 1, 2)
    assert float(focal_loss(undecided, masks)) == pytest.approx(0.25 * math.log(2))
    sure = torch.tensor([[[[-50.0, 50.0]], [[50.0, -50.0]]]])
    assert float(focal_loss(sure, masks)) == pytest.approx(0.0, abs=1e-12)
    assert float(focal_loss(-sure, masks)) == pytest.approx(100.0)
    some = torch.randn(1, 2, 1, 2, generator=torch.Generator().manual_seed(0))
    cross_entropy = torch.nn.functional.cross_entropy(some, masks.long())
    assert float(focal_loss(some, masks, gamma=0)) == pytest.approx(float(cross_entropy), rel=1e-6)


def test_image_score_is_the_published_pooling() -> None:
    generator = np.random.default_rng(3)
    scores = generator.random((256, 256), np.float32)
    pooled = torch.nn.functional.avg_pool2d(torch.from_numpy(scores)[None, None], 21, 1, 10)
    assert pooled_maximum(scores) == pytest.approx(float(pooled.max()), rel=1e-5)
    alone = np.zeros((256, 256), np.float32)
    alone[100, 100] = 1
    assert pooled_maximum(alone) == pytest.approx(1 / 21**2, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    st.tuples(st.integers(8, 40), st.integers(8, 40)),
    st.integers(0, 10_000),
    st.floats(0, 0.9),
)
def test_no_defect_is_lost_when_masks_shrink(
    size: tuple[int, int], shape: tuple[int, int], seed: int, cover: float
) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, bool)
    mask[rng.integers(size[0]), rng.integers(size[1])] = True
    small = fit_mask(mask, shape, cover)
    assert small.shape == shape and small.any()
    assert not fit_mask(np.zeros(size, bool), shape, cover).any()
    assert fit_mask(np.ones(size, bool), shape, cover).all()


def test_batches_are_balanced() -> None:
    feed = TrainingFeed(shots({"good": 5, "dot": 2, "line": 9}, 0), 32)
    assert feed.counts() == {"good": 5, "dot": 2, "line": 9}
    bright = dark = 0
    for step in range(60):
        images, masks = feed.batch(numpy_rng(1, step), 8)
        assert images.shape == (8, 32, 32, 3) and masks.shape == (8, 32, 32)
        assert not masks[:4].any() and masks[4:].any(axis=(1, 2)).all()
        for image, mask in zip(images[4:], masks[4:], strict=True):
            level = image[mask].mean()
            bright, dark = bright + (level > 150), dark + (level < 100)
    assert bright + dark == 240 and abs(bright - dark) < 70, (
        "labels come up equally often, however many pairs they have"
    )


def test_mirrored_samples_keep_image_and_mask_together() -> None:
    feed = TrainingFeed(shots({"good": 2, "dot": 3}, 0), 32)
    images, masks = feed.batch(numpy_rng(0), 32, flips=True)
    for image, mask in zip(images[16:], masks[16:], strict=True):
        assert image[mask].mean() > image[~mask].mean() + 40


def test_one_class_only_is_one_clear_line() -> None:
    for counts in ({"good": 3}, {"dot": 3}):
        with pytest.raises(InputError, match="good photos and anomalies") as said:
            TrainingFeed(shots(counts, 0), 32)
        assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", list(detectors()))
def test_registered_detectors_keep_the_contract(name: str) -> None:
    found = detector(name)
    assert found.name == name and found.title and found.summary and found.available() is None
    declared = {*dir(RestorableDetector), *Detector.__annotations__}
    strange = {own for own in vars(type(found)) if not own.startswith("_")} - declared
    assert not strange, f"the contract has no {strange}; misspelt?"
    assert {"cpu", "paper"} <= set(found.Params.PRESETS)
    for preset in found.Params.PRESETS:
        assert isinstance(found.Params.preset(preset), DetectorParams)
    for field, info in found.Params.model_fields.items():
        assert info.title and info.description, f"{field} does not explain itself"
    with pytest.raises(Cancelled):
        found.fit(shots({"good": 3, "dot": 3}, 0), found.Params.preset("cpu"), TrainContext(cancelled=lambda: True))


def test_wrong_names_and_values_are_told() -> None:
    with pytest.raises(NotFound, match="unet"):
        detector("nonsense")
    with pytest.raises(InputError, match="cpu, paper"):
        UNetParams.preset("gpu")
    with pytest.raises(InputError, match="there is no 'widht'"):
        UNetParams.preset("cpu", {"widht": 3})
    with pytest.raises(InputError, match="side"):
        UNetParams.preset("cpu", {"side": 100})
    with pytest.raises(InputError, match="float16"):
        step_for(torch.device("cpu"), "float16")


def test_paper_preset_is_the_published_training() -> None:
    p = UNetParams.preset("paper")
    assert (p.width, p.side, p.batch, p.lr, p.epochs, p.samples) == (64, 256, 8, 1e-4, 200, 500)
    assert not p.flips and p.cover == 0.5


def test_scores_come_at_each_photos_own_size() -> None:
    params = UNetParams.preset("cpu", {"width": 4, "side": 32, "epochs": 1, "samples": 8, "batch": 4})
    fitted = UNetDetector().fit(shots({"good": 4, "dot": 4}, 0), params, TrainContext())
    photos = [np.zeros((40, 70, 3), np.uint8), np.full((33, 20, 3), 90, np.uint8)]
    maps = fitted.score(photos)
    assert [m.shape for m in maps] == [(40, 70), (33, 20)]
    assert all(m.dtype == np.float32 and 0 <= m.min() and m.max() <= 1 for m in maps)


def test_frozen_features_learn_in_few_steps() -> None:
    params = FeaturesParams.preset("cpu", {"side": 64, "epochs": 2, "samples": 160, "lr": 0.01})
    fitted = FrozenFeatureDetector().fit(shots({"good": 6, "dot": 4, "line": 4}, 0), params, TrainContext())
    test = shots({"good": 2, "dot": 3, "line": 3}, 300)
    maps = fitted.score([shot.read() for shot in test])
    masks = [shot.mask(scores.shape) for shot, scores in zip(test, maps, strict=True)]
    assert roc_auc_score(np.concatenate(masks).ravel(), np.concatenate(maps).ravel()) > 0.95


def test_features_of_a_photo_are_found_once() -> None:
    photo = shots({"good": 1}, 77)[0].read()
    first = cached_features(photo, 64)
    assert first.shape == (16, 16, 176) and first.dtype == np.float16
    assert cached_features(photo.copy(), 64) is first and cached_features(photo, 80) is not first


def test_the_registry_loads_no_torch() -> None:
    code = "import sys; from core.evaluation.detectors import detectors; detectors(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def _result(seed: int, value: float) -> EvalResult:
    curves = {"loss": Curve((1.0,), (value,), "epochs", "loss"), "roc": Curve((0.0,), (0.0,), "fpr", "tpr")}
    return EvalResult(
        "localization", "t", {"seed": seed}, {"pixel_ap": value}, curves=curves, per_label={"dot": {"pro": value}}
    )


def test_seeds_are_summed_up() -> None:
    whole = averaged_over_seeds([_result(0, 0.2), _result(4, 0.4), _result(7, 0.9)], (0, 4, 7), "T", {"a": 1})
    assert whole.metrics["pixel_ap"] == pytest.approx(0.5)
    assert whole.spread["pixel_ap"] == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 2))
    assert whole.seeds == {"0": {"pixel_ap": 0.2}, "4": {"pixel_ap": 0.4}, "7": {"pixel_ap": 0.9}}
    assert whole.per_label["dot"]["pro"] == pytest.approx(0.5)
    assert set(whole.curves) == {"loss", "loss, seed 4", "loss, seed 7", "roc"}
    assert averaged_over_seeds([_result(0, 0.2)], (0,), "T", {}).spread == {}


def test_finished_seeds_are_found_again_and_a_stop_says_how_many(tmp_path: Path) -> None:
    asked: list[int] = []

    def one(ctx: TrainContext) -> EvalResult:
        asked.append(ctx.seed)
        if ctx.seed == 2:
            raise Cancelled("stopped")
        return _result(ctx.seed, 0.1 * ctx.seed)

    ctx = TrainContext(checkpoint=tmp_path)
    with pytest.raises(Cancelled, match="2 of 3 trainings"):
        run_seeds((0, 1, 2), ctx, "key", one)
    with pytest.raises(Cancelled):
        run_seeds((0, 1, 2), ctx, "key", one)
    assert asked == [0, 1, 2, 2]
    again = run_seeds((1, 0), ctx, "key", one)
    assert asked == [0, 1, 2, 2] and [r.metrics["pixel_ap"] for r in again] == [0.1, 0.0]
    run_seeds((0,), ctx, "another key", one)
    assert asked[-1] == 0
    with pytest.raises(InputError, match="different whole numbers"):
        run_seeds((1, 1), ctx, "key", one)


def test_progress_and_curves_tell_the_seeds_apart() -> None:
    news: list[tuple[int, int, str]] = []
    names: list[str] = []

    def one(ctx: TrainContext) -> EvalResult:
        ctx.progress(5, 10, "epoch 1")
        ctx.curve("loss", 1, 2)
        return _result(ctx.seed, 0.1)

    ctx = TrainContext(
        progress=lambda done, total, preview=None, message="": news.append((done, total, message)),
        curve=lambda name, x, y: names.append(name),
    )
    run_seeds((0, 1), ctx, "key", one)
    assert [n[:2] for n in news] == [(5, 20), (15, 20)] and "seed 1 (2 of 2)" in news[1][2]
    assert names == ["loss", "loss, seed 1"]


def test_fingerprints_see_every_pixel_label_and_setting() -> None:
    base = shots({"good": 1, "dot": 1}, 0)
    key = fingerprint({"lr": 1}, base)
    assert key == fingerprint({"lr": 1}, list(reversed(base)))
    changed = base[1].image.copy()
    changed[0, 0, 0] ^= 1
    others = [
        fingerprint({"lr": 2}, base),
        fingerprint({"lr": 1}, base[:1]),
        fingerprint({"lr": 1}, [base[0], type(base[1])("n", changed, "dot", base[1].masks)]),
        fingerprint({"lr": 1}, [base[0], type(base[1])("n", base[1].image, "spot", base[1].masks)]),
        fingerprint({"lr": 1}, [base[0], type(base[1])("n", base[1].image, "dot", (~base[1].masks[0],))]),
    ]
    assert len({key, *others}) == 6


def test_long_curves_are_thinned_but_keep_their_end() -> None:
    recorder = CurveRecorder(lambda name, x, y: None)
    for i in range(1501):
        recorder("loss", i, 1 / (i + 1))
    curve = recorder.curves()["loss"]
    assert len(curve.x) <= 400 and curve.x[0] == 0 and curve.x[-1] == 1500
