"""The shipped small segmenter: what it finds, what it never does, and its parts."""

import json
import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import weights
from core.demo import scenes
from core.errors import Cancelled, InputError, Unavailable
from core.features.extract import LAYERS
from core.segmentation import segmenter
from core.segmentation.click_history import REMEMBERED
from core.segmentation.click_network import (
    CLICK_RADIUS,
    HALF_DISTANCE,
    INPUT_CHANNELS,
    LIFTED,
    STRIDE,
    encode_inputs,
    layers,
)
from core.segmentation.mask_scoring import measure_mask
from core.segmentation.mini_click import MiniSegmenter
from core.segmentation.network_scores import (
    SIGNALS,
    ClickNetwork,
    NetworkCalibration,
    NetworkView,
    predict_views,
    signals,
)
from core.segmentation.photo_features import STRIDES, PhotoFeatures, encode_features
from core.segmentation.segmenter import Click, iou
from core.segmentation.simulated_clicks import click_curve
from core.segmentation.view_pyramid import ImagePyramid

pytest.importorskip("torch")
SEGMENTER = MiniSegmenter()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scene():
    return scenes.make(scenes.normal("fastener_tray", 3), 256)


@pytest.fixture(scope="module")
def ready(scene):
    return SEGMENTER.prepare(scene.image)


def deepest(mask):
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Click(float(x), float(y))


def test_one_click_finds_parts_of_a_scene_never_trained_on(scene, ready):
    first, best = [], []
    for mask in scene.instances.values():
        offered = [iou(c.mask, mask) for c in ready.predict([deepest(mask)])]
        first.append(offered[0])
        best.append(max(offered))
    assert np.mean(first) > 0.55 and np.mean(best) > 0.65, (first, best)


def test_five_clicks_are_better_than_one(scene):
    parts = [scene.instances[name] for name in ("nut", "washer_1", "bolt")]
    curves = [click_curve(SEGMENTER, scene.image, part, 5).iou for part in parts]
    assert np.mean([c[-1] for c in curves]) > max(0.7, np.mean([c[0] for c in curves]))


def test_a_box_finds_the_part_and_is_never_left(scene, ready):
    found = []
    for name in ("nut", "bolt", "cap", "washer_1"):
        x, y, w, h = cv2.boundingRect(scene.instances[name].view(np.uint8))
        box = (x - 3, y - 3, x + w + 3, y + h + 3)
        for candidate in ready.predict([], box):
            outside = candidate.mask.copy()
            outside[box[1] : box[3], box[0] : box[2]] = False
            assert candidate.mask.any() and not outside.any()
        found.append(iou(ready.predict([], box)[0].mask, scene.instances[name]))
    assert min(found) > 0.5 and np.mean(found) > 0.75, found


@settings(deadline=None, max_examples=8)
@given(
    st.lists(
        st.tuples(st.integers(0, 95), st.integers(0, 63), st.booleans()),
        min_size=1,
        max_size=4,
        unique_by=lambda c: c[:2],
    )
)
def test_clicks_are_obeyed_whatever_they_are(raw):
    image = np.random.default_rng(2).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    clicks = [Click(x, y, positive or k == 0) for k, (x, y, positive) in enumerate(raw)]
    for candidate in SEGMENTER.prepare(image).predict(clicks):
        assert candidate.mask.shape == (64, 96) and candidate.mask.any() and 0 <= candidate.score <= 1
        for click in clicks:
            assert candidate.mask[int(click.y), int(click.x)] == click.positive


def test_same_clicks_same_masks_whether_asked_before_or_not(scene, ready):
    clicks = [deepest(scene.instances["nut"]), deepest(scene.instances["cap"]), Click(5, 5, False)]
    for k in range(1, 4):
        last = ready.predict(clicks[:k])
    for a, b in zip(last, SEGMENTER.prepare(scene.image).predict(clicks), strict=True):
        assert np.array_equal(a.mask, b.mask) and a.score == b.score


def test_a_further_click_asks_the_network_about_itself_alone(scene, monkeypatch):
    asked = []
    forward = ClickNetwork.__call__
    monkeypatch.setattr(ClickNetwork, "__call__", lambda *given: asked.append(1) or forward(*given))
    fresh = SEGMENTER.prepare(scene.image)
    clicks = [deepest(scene.instances["nut"]), deepest(scene.instances["cap"]), deepest(scene.instances["bolt"])]
    counts = []
    for k in range(1, 4):
        asked.clear()
        fresh.predict(clicks[:k])
        counts.append(len(asked))
    assert counts[1] == counts[2] == 2


def test_distances_to_a_clicked_colour_are_those_of_its_neighbourhood():
    rgb = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    made = encode_inputs(rgb, np.array([[20.0, 10.0]]), np.zeros((0, 2)))
    sharp = rgb.astype(np.float32) / np.float32(255)
    away = np.linalg.norm(sharp - sharp[9:12, 19:22].mean((0, 1)), axis=2)
    assert made[7] == pytest.approx(away / (away + HALF_DISTANCE), abs=1e-6)


@pytest.mark.parametrize("shape", [(16, 400, 3), (300, 17, 3), (16, 16, 3)])
def test_any_format_works(shape):
    image = np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8)
    found = SEGMENTER.prepare(image).predict([Click(shape[1] - 1, shape[0] - 1)])
    assert all(c.mask.shape == shape[:2] for c in found)


def test_a_prompt_without_anything_positive_is_refused(ready):
    with pytest.raises(InputError, match="positive click or a box"):
        ready.predict([Click(3, 3, False)])


@pytest.mark.thorough
def test_all_regions_finds_parts_and_nothing_on_a_plain_surface(scene):
    found = SEGMENTER.regions(scene.image)
    hit = [name for name, mask in scene.instances.items() if max((iou(c.mask, mask) for c in found), default=0) > 0.5]
    assert len(hit) >= 4, hit
    assert [c.area for c in found] == sorted((c.area for c in found), reverse=True)
    assert SEGMENTER.regions(np.full((200, 200, 3), 90, np.uint8)) == []


def test_all_regions_stops_when_told(scene):
    calls = []
    with pytest.raises(Cancelled):
        SEGMENTER.regions(scene.image, None, lambda: bool(calls.append(1)) or len(calls) > 3)


def test_it_is_shipped_whole_and_small(monkeypatch):
    row = weights.verify("mini_click")
    assert row.state == "present" and row.path.parent.name == "mini-click" and row.size < 8e6
    assert segmenter("mini_click").available() is None
    lost = {**row.weights.__dict__, "name": "lost", "file": "lost/x.safetensors"}
    monkeypatch.setitem(weights.CATALOGUE, "lost", weights.WeightFile(**lost))
    with pytest.raises(Unavailable, match="comes with Flawsmith"):
        weights.fetch("lost")


@pytest.mark.parametrize("damage", ["gone", "config", "cut", "other"])
def test_a_damaged_model_gives_one_line(tmp_path, damage):
    source = weights.SHIPPED / "mini-click"
    (tmp_path / "config.json").write_text((source / "config.json").read_text())
    raw = (source / "model.safetensors").read_bytes()
    if damage != "gone":
        (tmp_path / "model.safetensors").write_bytes(raw[: len(raw) // 2] if damage == "cut" else raw)
    if damage == "config":
        (tmp_path / "config.json").write_text("{}")
    if damage == "other":
        config = json.loads((source / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, "widths": [8, 8, 8, 8]}))
    with pytest.raises(Unavailable) as error:
        MiniSegmenter(tmp_path).prepare(np.zeros((32, 32, 3), np.uint8))
    assert "\n" not in str(error.value) and "again" in str(error.value)


def test_the_prompt_is_drawn_where_it_is():
    rgb = np.full((48, 64, 3), 100, np.uint8)
    rgb[:, 32:] = 151
    region = np.zeros((48, 64), bool)
    region[5, 6] = True
    out = encode_inputs(rgb, np.array([[20.0, 10.0]]), np.array([[50.0, 40.0]]), (1, 2, 8, 9), region)
    assert out.shape == (INPUT_CHANNELS, 48, 64) and out.dtype == np.float32
    assert np.allclose(out[:3, 0, 0], 100 / 127.5 - 1)
    for plane, (x, y) in ((3, (20, 10)), (4, (50, 40))):
        share = out[plane] / out[plane].sum()
        ys, xs = np.mgrid[:48, :64]
        assert ((share * xs).sum(), (share * ys).sum()) == pytest.approx((x, y), abs=0.3)
        assert np.pi * CLICK_RADIUS**2 < out[plane].sum() < np.pi * (CLICK_RADIUS + 1) ** 2, (
            "pixels that the disc touches"
        )
    assert out[5].sum() == 7 * 7 and out[5, 2, 1] == 1 and out[6].sum() == 1 and out[6, 5, 6] == 1
    far = np.sqrt(3) * 0.2
    assert np.allclose(out[7, :, :32], 0, atol=1e-4) and np.allclose(
        out[7, :, 32:], far / (far + HALF_DISTANCE), atol=1e-4
    )
    assert np.allclose(out[9, :, :32], far / (far + HALF_DISTANCE), atol=1e-4)
    alone = encode_inputs(rgb, np.zeros((0, 2)), np.array([[-40.0, 9.0]]))
    assert not alone[3:7].any() and (alone[7:] > 0.99).all()


def test_a_window_is_answered_in_its_own_pixels():
    """A network that returns the positive clicks' map must put them back where they were clicked on the photo."""
    image = np.random.default_rng(0).integers(0, 255, (300, 420, 3), dtype=np.uint8)
    pyramid = ImagePyramid(image)
    views = [pyramid.raw_window(100, 50, 260, 210, 128), pyramid.raw_window(0, 0, 420, 300, 128)]
    given = []

    def echo(inputs, maps):
        given.append(inputs)
        assert [one.shape[1:] for one in maps] == [
            (count, inputs.shape[2] // s, inputs.shape[3] // s) for count, s in zip(LIFTED, STRIDES, strict=True)
        ]
        assert inputs.shape[2] % STRIDE == 0 and inputs.shape[3] % STRIDE == 0
        return inputs[:, 3]

    photo = PhotoFeatures(image, SEGMENTER._load_network().statistics)
    for one in predict_views(echo, photo, views, [Click(180, 120)]):
        assert one.probability.shape == one.view.shape
        ys, xs = np.nonzero(one.probability)
        x = one.view.x0 + (xs.mean() + 0.5) / one.view.zoom - 0.5
        y = one.view.y0 + (ys.mean() + 0.5) / one.view.zoom - 0.5
        assert abs(x - 180) < 0.6 / one.view.zoom and abs(y - 120) < 0.6 / one.view.zoom
    assert len(given) == 1


def test_certainty_is_one_for_what_the_network_says_and_falls_with_what_it_does_not():
    pyramid = ImagePyramid(np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8))
    view = pyramid.window(0, 0, 128, 128, 128)
    said = np.zeros((128, 128), bool)
    said[40:60, 40:60] = True
    half = said.copy()
    half[50:] = False
    guesses = [measure_mask(view, mask, 128 * 128, (50, 45)) for mask in (said, half)]
    found = signals(guesses, [NetworkView(view, said.astype(np.float32))], [True, False])
    at = {name: k for k, name in enumerate(SIGNALS)}
    assert np.allclose(found[:, at["certain"]], [1, 0.5])
    assert found[:, at["own"]].tolist() == [1, 0]


def test_a_verdict_is_a_line():
    verdict = NetworkCalibration(np.eye(len(SIGNALS))[3], 2.0, -1.0)
    rows = np.zeros((2, len(SIGNALS)))
    rows[1, 3] = 4
    assert verdict.logits(rows).tolist() == [-1, 7]


def test_the_network_is_small_and_sees_the_prompt():
    network = ClickNetwork(weights.SHIPPED / "mini-click")
    count = sum(one.kernel**2 * one.inputs * one.outputs + one.outputs for one in layers().values())
    assert count < 2e6
    disc = np.full((96, 96, 3), 90, np.uint8)
    cv2.circle(disc, (30, 40), 16, (200, 190, 60), -1, cv2.LINE_AA)
    cv2.circle(disc, (70, 60), 12, (40, 60, 190), -1, cv2.LINE_AA)
    maps = PhotoFeatures(disc, network.statistics).window(np.eye(2, 3), (96, 96))
    one, two = (_answer(network, disc, maps, np.array([at])) for at in ((30.0, 40.0), (70.0, 60.0)))
    assert one[40, 30] > 0.5 > one[60, 70] and two[60, 70] > 0.5 > two[40, 30]


def _answer(network, rgb, maps, positive):
    none = np.zeros((0, 2))
    told = [one[None] for one in encode_features(maps, (positive, none))]
    return network(encode_inputs(rgb, positive, none)[None], told)[0]


def test_features_lie_where_they_are_on_the_photo_at_any_zoom():
    image = np.full((256, 320, 3), 90, np.uint8)
    image[:, 160:] = np.random.default_rng(0).integers(0, 255, (256, 160, 3))
    photo = PhotoFeatures(image, SEGMENTER._load_network().statistics)
    for zoom, x0, y0 in ((0.5, 0, 0), (1.0, 96, 32), (2.0, 128, 64)):
        matrix = np.array([[1 / zoom, 0, x0], [0, 1 / zoom, y0]])
        for stride, one in zip(STRIDES, photo.window(matrix, (128, 128)), strict=True):
            assert one.shape[:2] == (128 // stride, 128 // stride)
            # The plain half and the noisy half differ from where they meet.
            edge = (160 - x0) * zoom / stride
            differs = np.linalg.norm(one[2] - one[2, 0], axis=1)
            assert differs[: max(int(edge) - 2, 1)].max() < differs[int(edge) + 2 :].min()


def test_likeness_to_a_click_is_one_there_and_zero_without_clicks():
    maps = [np.random.default_rng(0).normal(size=(64 // s, 64 // s, c)).astype(np.float32) for s, c in
            zip(STRIDES, LAYERS, strict=True)]  # fmt: skip
    none = np.zeros((0, 2))
    for stride, one in zip(STRIDES, encode_features(maps, (np.array([[33.0, 18.0]]), none)), strict=True):
        assert one[-2, 18 // stride, 33 // stride] == pytest.approx(1, abs=1e-3) == one[-2].max()
        assert not one[-1].any()


def test_each_correction_makes_the_error_smaller(scene):
    for name in ("bolt", "washer_1"):
        curve = click_curve(SEGMENTER, scene.image, scene.instances[name], 6).iou
        assert curve[-1] > max(0.85, curve[0] - 0.01) and min(np.diff(curve)) > -0.05, (name, curve)


def test_a_given_region_is_corrected_where_it_is_clicked(scene, ready):
    part = scene.instances["nut"]
    cut = part.copy()
    cut[:, : int(np.flatnonzero(part.any(0)).mean())] = False
    whole = deepest(part & ~cut)
    (best, *_) = ready.predict([deepest(cut), whole], mask=cut)
    assert iou(best.mask, part) > iou(cut, part) + 0.15
    assert np.array_equal(ready.predict([deepest(cut)], mask=cut)[0].mask, cut), "there was nothing to correct"


@pytest.mark.thorough
def test_clicks_all_over_a_photo_take_no_more_than_was_counted() -> None:
    """The budget of warm photos is only kept if what clicks leave behind is in it."""
    rng = np.random.default_rng(4)
    pixels = cv2.resize(rng.integers(60, 200, (30, 40, 3), np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    photo = MiniSegmenter().prepare(pixels)
    photo.predict([Click(20.0, 20.0)])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for x, y in rng.uniform((0, 0), (640, 480), (REMEMBERED + 4, 2)):
        photo.predict([Click(float(x), float(y))])
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 1 << 20 < grown < photo.nbytes
