"""Segment Anything's plumbing on toy-width networks with random weights in the real layout."""

from functools import partial

import numpy as np
import pytest

from core import weights
from core.errors import Cancelled, Unavailable
from core.memory_budget import MemoryBudget
from core.segmentation import sam, sam_network, segmenters
from core.segmentation.segmenter import Click

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")


def toy():
    """Segment Anything's own classes at toy width; 256-pixel input."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    width = 32
    torch.manual_seed(3)
    return Sam(
        image_encoder=ImageEncoderViT(
            depth=3,
            embed_dim=32,
            img_size=256,
            mlp_ratio=2,
            num_heads=2,
            patch_size=16,
            qkv_bias=True,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            global_attn_indexes=[2],
            window_size=4,
            out_chans=width,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=width, image_embedding_size=(16, 16), input_image_size=(256, 256), mask_in_chans=4
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer_dim=width,
            iou_head_depth=2,
            iou_head_hidden_dim=16,
            transformer=TwoWayTransformer(depth=1, embedding_dim=width, mlp_dim=32, num_heads=2),
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "toy.pth"
    torch.save(toy().state_dict(), path)
    return path


def segmenter(path, **more):
    return sam.SamSegmenter(
        "toy",
        "Toy",
        "sam_vit_b",
        "segment_anything",
        "pip",
        toy,
        checkpoint=path,
        device="cpu",
        points_per_side=12,
        **more,
    )


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8)


def test_a_lone_click_gets_three_masks_of_the_photos_size(checkpoint, photo):
    found = segmenter(checkpoint).prepare(photo).predict([Click(40, 30)])
    assert 1 <= len(found) <= 3
    for candidate in found:
        assert candidate.mask.shape == (90, 140) and candidate.mask.dtype == bool and candidate.mask[30, 40]
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)


def test_clicks_box_and_mask_reach_the_network_and_are_obeyed(checkpoint, photo):
    prepared = segmenter(checkpoint).prepare(photo)
    given = np.zeros((90, 140), bool)
    given[20:50, 30:80] = True
    found = prepared.predict([Click(40, 30), Click(60, 40, False)], (20, 10, 100, 60), given)
    assert len(found) == 1
    mask = found[0].mask
    assert mask[30, 40] and not mask[40, 60]
    assert not mask[:10].any() and not mask[60:].any() and not mask[:, :20].any() and not mask[:, 100:].any()
    prior = sam_network.mask_prompt(given, (165, 256), 256)
    assert prior.shape == (1, 256, 256) and prior[0, 60, 100] > 0 > prior[0, 5, 5] and (prior[0, 170:] < 0).all()


def test_prediction_equals_segment_anythings_own(checkpoint, photo):
    from segment_anything import SamPredictor

    one = segmenter(checkpoint)
    found = one.prepare(photo).predict([Click(40, 30)])
    own = SamPredictor(toy().eval())
    own.set_image(photo)
    masks, scores, _ = own.predict(np.array([[40.0, 30.0]]), np.array([1]), multimask_output=True)
    best = masks[int(np.argmax(scores))].copy()
    best[30, 40] = True
    assert np.array_equal(found[0].mask, best)


def test_the_encoder_runs_once_per_photo_and_the_cache_is_bounded(checkpoint, photo):
    calls = []
    one = segmenter(checkpoint, budget=MemoryBudget(40_000))
    model = one.model()
    model.image_encoder.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        one.prepare(photo)
    assert len(calls) == 1
    for k in range(4):
        one.prepare(np.roll(photo, k + 1, axis=0))
    assert len(calls) == 5 and one._cache._budget.used <= 40_000 and len(one._cache) >= 1
    one.prepare(photo)
    assert len(calls) == 6


def test_progress_counts_blocks_and_cancel_stops_between_them(checkpoint, photo):
    seen = []
    one = segmenter(checkpoint)
    one.prepare(photo, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    with pytest.raises(Cancelled):
        one.prepare(photo[::-1].copy(), lambda done, total: seen.append(done), lambda: len(seen) >= 2)
    assert seen == [1, 2]
    assert not any(b._forward_hooks for b in one.model().image_encoder.blocks)


def test_all_regions_is_cancelled_within_a_batch(checkpoint, photo):
    one = segmenter(checkpoint)
    seen = []
    with pytest.raises(Cancelled):
        one.regions(photo, lambda done, total: seen.append(done), lambda: len(seen) >= 2)
    assert len(seen) == 2
    assert not one.model().mask_decoder._forward_hooks


def test_all_regions_gives_masks_largest_first(checkpoint, photo):
    found = segmenter(checkpoint).regions(photo)
    areas = [np.count_nonzero(c.mask) for c in found]
    assert areas == sorted(areas, reverse=True) and all(c.mask.shape == (90, 140) for c in found)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "pickle", "other", "list"])
def test_a_bad_checkpoint_gives_one_line(checkpoint, damage, photo):
    raw = checkpoint.read_bytes()
    if damage == "truncated":
        checkpoint.write_bytes(raw[: len(raw) // 2])
    elif damage == "text":
        checkpoint.write_text("<html>404</html>")
    elif damage == "empty":
        checkpoint.write_bytes(b"")
    elif damage == "pickle":
        torch.save({"x": partial(print, "run")}, checkpoint)
    elif damage == "other":
        torch.save(torch.nn.Linear(2, 2).state_dict(), checkpoint)
    else:
        torch.save([1, 2], checkpoint)
    with pytest.raises(Unavailable) as error:
        segmenter(checkpoint).prepare(photo)
    assert str(checkpoint) in str(error.value) and "\n" not in str(error.value)


def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    reason = segmenters()["sam_vit_b"].available()
    assert "models fetch sam_vit_b" in reason and str(tmp_path) in reason


def test_a_file_of_the_right_size_but_other_content_is_refused(tmp_path, monkeypatch, photo):
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    row = weights.weight_file("sam_vit_b")
    with (tmp_path / row.file).open("wb") as file:
        file.truncate(4096)
    monkeypatch.setitem(weights.CATALOGUE, "sam_vit_b", weights.WeightFile(**{**row.__dict__, "size": 4096}))
    one = sam.vit_b()
    assert one.available() is None
    with pytest.raises(Unavailable, match="sha256"):
        one.prepare(photo)


def test_a_missing_library_is_named_with_its_pip_line():
    one = sam.SamSegmenter("x", "X", "sam_mobile", "no_such_module_here", "pip install x", toy)
    assert "pip install x" in one.available()


@pytest.mark.slow
def test_the_real_vit_b_layout(tmp_path, photo):
    from segment_anything import sam_model_registry

    path = tmp_path / "b.pth"
    torch.save(sam_model_registry["vit_b"]().state_dict(), path)
    one = sam.SamSegmenter(
        "b", "B", "sam_vit_b", "segment_anything", "pip", lambda: sam_model_registry["vit_b"](), checkpoint=path
    )
    found = one.prepare(photo).predict([Click(40, 30)])
    assert found and found[0].mask[30, 40]
