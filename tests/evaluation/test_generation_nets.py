"""The published networks with toy weights in the real files' layout: loaded, asked, and told from broken files."""

from dataclasses import replace

import numpy as np
import pytest

from core import weights
from core.errors import Unavailable
from core.evaluation.generation.feature_networks import INCEPTION, LPIPS, SIDE, find_networks, network_input

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Random weights under the names and in the layout of the published files."""
    from core.evaluation.generation.inception_net import InceptionFID

    folder = tmp_path_factory.mktemp("models")
    rng = torch.Generator().manual_seed(0)

    def draw(state):
        for name, value in state.items():
            if value.is_floating_point():
                scale = 1 / max(1, value[0].numel()) ** 0.5 if value.ndim > 1 else 0.1
                value.copy_(torch.randn(value.shape, generator=rng) * scale)
                if name.endswith(("running_var", "bn.weight")):
                    value.abs_().add_(0.5)
        return state

    torch.save(draw(InceptionFID().state_dict()), folder / weights.weight_file(INCEPTION).file)
    torch.save(draw(vgg_layout()), folder / weights.weight_file(LPIPS).file)
    return folder


def vgg_layout():
    """VGG16's state dict without the classifier, which LPIPS never reads."""
    state, inputs, place = {}, 3, 0
    for size in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if size != "M":
            state[f"features.{place}.weight"] = torch.zeros(size, inputs, 3, 3)
            state[f"features.{place}.bias"] = torch.zeros(size)
            inputs = size
        place += 1 if size == "M" else 2
    return state


@pytest.fixture
def installed(files, monkeypatch):
    """The toy files where fetched ones would be."""
    monkeypatch.setenv("FLAWSMITH_MODELS", str(files))
    for name in (INCEPTION, LPIPS):
        row = weights.weight_file(name)
        monkeypatch.setitem(weights.CATALOGUE, name, replace(row, size=(files / row.file).stat().st_size))


def photos(n):
    rng = np.random.default_rng(5)
    return [rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8) for _ in range(n)]


def test_without_weights_a_line_names_file_size_place_and_stand_in(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    judges = find_networks("cpu")
    assert [j.score_metric for j in judges.class_networks] == ["is_efflite"] and [
        j.metric for j in judges.perceptual_networks
    ] == ["ic_efflite"]
    inception, lpips = judges.missing
    for line, name, size, instead in (
        (inception, INCEPTION, "96 MB", "kid_efflite"),
        (lpips, LPIPS, "553 MB", "ic_efflite"),
    ):
        row = weights.weight_file(name)
        for part in (row.file, size, row.url, str(tmp_path / row.file), f"models fetch {name}", instead):
            assert part in line
        assert "\n" not in line


@pytest.mark.thorough
def test_with_weights_both_are_asked_and_keep_their_names(installed):
    judges = find_networks("cpu")
    assert judges.missing == ()
    assert [(j.score_metric, j.distance_metric) for j in judges.class_networks] == [
        ("is_efflite", "kid_efflite"),
        ("inception_score", "kid"),
    ]
    assert [j.metric for j in judges.perceptual_networks] == ["ic_efflite", "ic_lpips"]
    one, two = photos(2)
    (_, _), (features, logits) = (judge.features_and_logits(one) for judge in judges.class_networks)
    assert features.shape == (2048,) and logits.shape == (1008,) and np.isfinite(logits).all()
    for judge in judges.perceptual_networks:
        matrix = judge.pairwise_distances([one, two, one], lambda: None)
        assert matrix[0, 2] == matrix[0, 0] == 0 and matrix[0, 1] > 0
        assert np.allclose(matrix, matrix.T) and np.allclose(judge.distances([one], [two], lambda: None), matrix[0, 1])


@pytest.mark.thorough
def test_lpips_vectors_are_as_far_apart_as_lpips_says(installed, files):
    from core.evaluation.generation.lpips_net import load

    vectors = load(files / weights.weight_file(LPIPS).file)
    rng = torch.Generator().manual_seed(1)
    a, b = (torch.rand((2, 3, 64, 64), generator=rng) * 2 - 1 for _ in range(2))
    with torch.inference_mode():
        ours = (vectors(a) - vectors(b)).square().sum(1)
        theirs = vectors.network(a, b)[:, 0, 0, 0]
    assert torch.allclose(ours, theirs, rtol=1e-4) and ours.min() > 0


@pytest.mark.parametrize("name", [INCEPTION, LPIPS])
def test_another_file_under_that_name_is_refused_in_one_line(tmp_path, monkeypatch, name):
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    row = weights.weight_file(name)
    torch.save({"something": torch.zeros(3)}, tmp_path / row.file)
    monkeypatch.setitem(weights.CATALOGUE, name, replace(row, size=(tmp_path / row.file).stat().st_size))
    with pytest.raises(Unavailable, match=f"models fetch {name}") as caught:
        find_networks("cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.interop
def test_inception_is_torch_fidelity_s(installed, files):
    theirs = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    from core.evaluation.generation.inception_net import load

    path = files / weights.weight_file(INCEPTION).file
    names = ["2048", "logits_unbiased"]
    published = theirs.FeatureExtractorInceptionV3("inception", names, feature_extractor_weights_path=str(path))
    images = torch.randint(0, 256, (2, 3, 200, 330), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for ours, other in zip(load(path)(images), published(images), strict=True):
        assert torch.allclose(ours, other, atol=1e-5 * float(other.abs().max()))


def test_resizing_is_tensorflow_s():
    from core.evaluation.generation.inception_net import resize_like_tensorflow

    ramp = torch.arange(4.0).repeat(4, 1)[None, None]
    found = resize_like_tensorflow(ramp, 8)[0, 0]
    # TensorFlow 1 reads pixel k at k * 4 / 8: 0, 0.5, 1 ... and repeats the edge.
    assert torch.equal(found[0], torch.tensor([0, 0.5, 1, 1.5, 2, 2.5, 3, 3])) and torch.equal(found[7], found[0])
    assert torch.equal(resize_like_tensorflow(ramp, 4), ramp)


def test_what_lies_outside_the_mask_is_black():
    image, mask = np.full((100, 60, 3), 200, np.uint8), np.zeros((100, 60), bool)
    mask[:50] = True
    small = network_input(image, mask)
    assert small.shape == (SIDE, SIDE, 3) and (small[:120] == 200).all() and (small[136:] == 0).all()
    assert (network_input(image) == 200).all()
