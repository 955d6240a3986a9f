"""The training of mini-click: exact masks, lessons, folding, resuming, ranking."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.device import numpy_rng  # noqa: E402
from core.features.extract import LAYERS  # noqa: E402
from core.segmentation.click_network import LIFTED, FoldedConvBlock, forward, layers  # noqa: E402
from core.segmentation.network_scores import SIGNALS, ClickNetwork  # noqa: E402
from core.segmentation.photo_features import STRIDES, FeatureStatistics, PhotoFeatures  # noqa: E402
from core.segmentation.segmenter import iou  # noqa: E402
from tools.mini_click import sources  # noqa: E402
from tools.mini_click.lessons import lesson  # noqa: E402
from tools.mini_click.network import ClickNet, folded, loss  # noqa: E402
from tools.mini_click.publish import card, table, write  # noqa: E402
from tools.mini_click.ranking import fit  # noqa: E402
from tools.mini_click.stuff import LEAST  # noqa: E402
from tools.mini_click.train import Course, Plan  # noqa: E402

STATISTICS = FeatureStatistics(*(tuple(np.full(c, value, np.float32) for c in LAYERS) for value in (0.0, 1.0)))


def seen_lesson(picture, rng):
    return lesson(picture, PhotoFeatures(picture.image, STATISTICS), 64, rng)


def random_inputs():
    maps = [torch.randn(2, c, 48 // s, 64 // s) for c, s in zip(LIFTED, STRIDES, strict=True)]
    return torch.randn(2, 11, 48, 64), maps


TINY = Plan(minutes=60, batch=2, side=64, pool=3, sheet_every=1, statistics=2)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("make", [make for _, make in sources.MIX], ids=lambda make: make.__name__)
def test_sources_give_the_same_pictures_with_masks_of_some_size(make):
    made = [make(numpy_rng(4, k), 128) for k in range(3)]
    again = make(numpy_rng(4, 0), 128)
    assert np.array_equal(again.image, made[0].image) and len(again.targets) == len(made[0].targets)
    assert any(one.targets for one in made)
    for one in made:
        assert one.image.shape == (128, 128, 3) and one.image.dtype == np.uint8
        for mask in one.targets:
            assert mask.shape == (128, 128) and mask.dtype == bool
            assert LEAST <= np.count_nonzero(mask) < 0.85 * mask.size


def test_tracks_targets_are_what_differs_from_their_surroundings():
    found = [one for k in range(12) for one in sources.tracks(numpy_rng(1, k), 128).targets]
    assert found and np.mean([np.count_nonzero(m) for m in found]) < 1500


def test_the_shares_add_up():
    assert sum(sources.describe().values()) == pytest.approx(1)


def test_a_lesson_ends_with_the_truth_once_it_is_found():
    made = [one for k in range(30) if (one := seen_lesson(sources.picture(numpy_rng(7, k), 128), numpy_rng(8, k)))]
    assert len(made) > 20
    for one in made:
        assert one.clicks or one.box is not None
        for click in one.clicks:
            if one.region is None:
                assert one.truth[int(click.y), int(click.x)]
        before = len(one.clicks)
        wrong = ~one.truth
        one.correct(wrong)
        click = one.clicks[-1]
        assert len(one.clicks) == before + 1 and one.truth[int(click.y), int(click.x)] == click.positive
        one.correct(one.truth)
        assert len(one.clicks) == before + 1
        assert one.inputs().shape == (11, 64, 64)


def test_folding_changes_nothing():
    torch.manual_seed(0)
    model = ClickNet()
    for norm in model.norms.values():
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    model.eval()
    for name in ("lift4", "lift8", "lift16"):
        torch.nn.init.normal_(model.convolutions[name].weight, std=0.1)
    x, maps = random_inputs()
    with torch.no_grad():
        want = model(x, maps)
        got = forward(x, maps, FoldedConvBlock(folded(model.state_dict()), layers()))
    assert got.shape == (2, 1, 48, 64) and torch.allclose(got, want, atol=1e-3 * float(want.abs().max()))


def test_training_goes_on_from_shipped_weights():
    """What a network says in training mode is what its folded weights say, normalisation given back."""
    torch.manual_seed(0)
    first, second = ClickNet(), ClickNet()
    x, maps = random_inputs()
    with torch.no_grad():
        weights = {k: v for k, v in folded(first.state_dict()).items() if not k.startswith("lift")}
        second.start_from(weights, x, maps)
        want = forward(x, maps, FoldedConvBlock(folded(first.state_dict()), layers()))
        assert torch.allclose(second(x, maps), want, atol=1e-2 * float(want.abs().max()))


def test_the_loss_is_least_at_the_truth():
    truth = torch.zeros(1, 1, 16, 16)
    truth[..., 4:9, 4:9] = 1
    right = (truth * 2 - 1) * 12
    assert loss(right, truth) < 1e-3 < loss(right * 0.05, truth) < loss(-right, truth)


def test_training_goes_on_where_it_was(tmp_path):
    course = Course(tmp_path, TINY)
    first = course.take()
    assert np.isfinite(first["loss"])
    course.sheet()
    course.log.line(step=course.step, **first)
    course.keep()
    again = Course(tmp_path, TINY)
    assert again.step == 1 and again.lessons == course.lessons and again.log.worked > 0
    for name, value in course.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert all(np.array_equal(a.image, b.image) for (a, _), (b, _) in zip(course.pool, again.pool, strict=True))
    assert (tmp_path / "sheet_000001.png").is_file() and json.loads((tmp_path / "log.jsonl").read_text())["step"] == 1


def test_a_small_network_learns_one_batch():
    torch.manual_seed(1)
    model = ClickNet((8, 8, 16, 16))
    batch = [one for k in range(9) if (one := seen_lesson(sources.collage(numpy_rng(3, k), 128), numpy_rng(2, k)))]
    batch = batch[:4]
    given = torch.from_numpy(np.stack([one.inputs() for one in batch]))
    maps = [torch.from_numpy(np.stack([one.features()[k] for one in batch])) for k in range(3)]
    truth = torch.from_numpy(np.stack([one.truth for one in batch])[:, None].astype(np.float32))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    values = []
    for _ in range(60):
        value = loss(model(given, maps), truth)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    found = (model(given, maps)[:, 0] > 0).numpy()
    assert values[-1] < 0.5 * values[0]
    assert np.mean([iou(mask, one.truth) for mask, one in zip(found, batch, strict=True)]) > 0.6


def test_the_fit_finds_the_signal_that_tells():
    rng = numpy_rng(0, "fit")
    cases = []
    for _ in range(80):
        rows = rng.normal(size=(int(rng.integers(2, 9)), len(SIGNALS)))
        cases.append((rows, 1 / (1 + np.exp(-2 * rows[:, SIGNALS.index("certain")]))))
    rule = fit(cases)
    assert rule["iou"] > rule["best"] - 0.01
    weights = rule["weights"]
    assert weights["certain"] > 5 * max(abs(v) for name, v in weights.items() if name != "certain")
    assert rule["slope"] * weights["certain"] == pytest.approx(2, rel=0.2)


def test_what_is_published_can_be_read_and_told(tmp_path):
    course = Course(tmp_path / "work", TINY)
    course.keep()
    state = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)
    rule = {"weights": dict.fromkeys(SIGNALS, 0.5), "slope": 1.0, "offset": 0.0}
    config = write(state, tmp_path / "out", rule)
    assert config["file"]["size"] == (tmp_path / "out" / "model.safetensors").stat().st_size < 8e6
    assert ClickNetwork(tmp_path / "out").first_click_rule.weights.tolist() == [0.5] * len(SIGNALS)
    row = {"noc85": 2.5, "noc90": 4.0, "failures": 0.125, "iou_1": 0.75, "box_iou": 0.5, "worst_component": 0.25}
    figures = {"cases": {"scenes": 5}, "sets": {"scenes": {"classic": row}}}
    assert "| scenes | 5 | classic | 2.5 | 4 | 0.125 | 0.75 | 0.5 | 0.25 |" in table(figures)
    text = card(state, [{"iou_1": 0.5, "loss": 0.25}], config, figures)
    assert "loss 0.250, IoU after the first click 0.50" in " ".join(text.split()) and "{" not in text
