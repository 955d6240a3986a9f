"""Drawing inside a mask: what stays, what changes, and at which size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from core.device import torch_generator
from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.inpainting import (
    DrawingSettings,
    InpaintingHooks,
    InpaintingState,
    InpaintTask,
    blended_hooks,
    inpaint,
    latent_mask,
)
from core.diffusion.model_crop import CropSettings, crop_for_model, latent_previewer, paste_back
from core.diffusion.sampling import SamplingStep, draw_noise, make_schedule, sample
from core.diffusion.word_attention import AttentionStore
from core.errors import Cancelled, InputError, MaskError, Unavailable
from core.images.geometry import resized

FAST = DrawingSettings(steps=3, guidance=1.0)


def photo(height: int = 120, width: int = 150) -> np.ndarray:
    rng = np.random.default_rng(0)
    grain = cv2.GaussianBlur(rng.normal(0, 30, (height, width, 3)), (0, 0), 1.0)
    return np.clip(130 + grain, 0, 255).astype(np.uint8)


def box(shape: tuple[int, int], y0: int, x0: int, y1: int, x1: int) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def draw(toy: Backbone, picture: np.ndarray, mask: np.ndarray, seed: int = 0, **given: object) -> np.ndarray:
    start = given.pop("start", None)
    place = InpaintTask(picture, mask, "a scratch", seed, start)  # type: ignore[arg-type]
    return inpaint(toy, [place], **{"look": FAST, **given})[0]  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 12), st.integers(1, 12), st.integers(0, 9999))
def test_no_pixel_is_lost_on_the_way_to_latents(h: int, w: int, lh: int, lw: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, x = int(rng.integers(h)), int(rng.integers(w))
    small = latent_mask(box((h, w), y, x, y + 1, x + 1), (lh, lw))[0, 0]
    assert small.shape == (lh, lw) and small[y * lh // h, x * lw // w] == 1
    assert float(small.sum()) <= (-(-lh // h) + 1) * (-(-lw // w) + 1)
    assert float(latent_mask(np.zeros((h, w), np.bool_), (lh, lw)).sum()) == 0


@pytest.mark.parametrize("seam", ["feather", "poisson"])
@pytest.mark.parametrize("method", ["ddim", "dpmpp_2m"])
def test_outside_the_mask_the_photo_is_its_own(toy: Backbone, seam: str, method: str) -> None:
    picture, mask = photo(), box((120, 150), 40, 60, 70, 110)
    out = draw(toy, picture, mask, look=DrawingSettings(3, 2.0, method=method), frame=CropSettings(seam=seam))  # type: ignore[arg-type]
    assert np.array_equal(out[~mask], picture[~mask])
    assert (out != picture).any(axis=2)[mask].mean() > 0.9


@pytest.mark.parametrize(
    "mask",
    [
        box((120, 150), 60, 0, 61, 150),
        box((120, 150), 0, 0, 1, 1),
        np.ones((120, 150), np.bool_),
        box((120, 150), 0, 140, 30, 150) | box((120, 150), 100, 0, 120, 9),
    ],
    ids=["hair", "pixel", "all", "two corners"],
)
def test_masks_of_every_form_are_drawn(toy: Backbone, mask: np.ndarray) -> None:
    picture = photo()
    out = draw(toy, picture, mask)
    assert np.array_equal(out[~mask], picture[~mask])
    assert (out != picture).any(axis=2)[mask].mean() > 0.7


@pytest.mark.parametrize("size", [(16, 16), (17, 240), (300, 40)])
def test_photos_of_every_form(toy: Backbone, size: tuple[int, int]) -> None:
    picture, mask = photo(*size), box(size, 4, 5, 12, 13)
    out = draw(toy, picture, mask)
    assert (
        out.shape == picture.shape and np.array_equal(out[~mask], picture[~mask]) and not np.array_equal(out, picture)
    )


def test_latents_outside_stay_on_the_photos_path(toy: Backbone, plate: np.ndarray) -> None:
    z0, noise = encode_image(toy, plate), draw_noise((1, 4, 8, 8), torch_generator(0))
    mask = latent_mask(box((64, 64), 0, 0, 32, 64), (8, 8))
    before, after = blended_hooks(z0, mask, noise)
    seen: list[tuple[SamplingStep, Tensor]] = []

    def model(x: Tensor, t: int) -> Tensor:
        return torch.sin(3 * x)

    def look(x: Tensor, step: SamplingStep) -> Tensor:
        seen.append((step, x))
        return x

    out = sample(model, noise, make_schedule(toy.noise_schedule, 5), before=[before, look], after=[after])
    assert torch.equal(out[:, :, 4:], z0[:, :, 4:]) and not torch.allclose(out[:, :, :4], z0[:, :, :4], atol=0.1)
    for step, x in seen:
        path = step.level.signal**0.5 * z0 + (1 - step.level.signal) ** 0.5 * noise
        assert torch.allclose(x[:, :, 4:], path[:, :, 4:], atol=1e-5)


def test_the_window_is_native_where_the_photo_is_large(toy: Backbone) -> None:
    picture, mask = photo(400, 500), box((400, 500), 200, 200, 210, 215)
    window = crop_for_model(toy, picture, mask, CropSettings())
    assert window.pixels.shape == (64, 64, 3) and window.photo_crop.shape == (64, 64)
    assert np.array_equal(window.pixels, window.photo_crop.crop(picture))
    wide = crop_for_model(toy, picture, mask, CropSettings(margin=6.0))
    assert wide.photo_crop.shape[1] > 150 and max(wide.pixels.shape) == 64
    assert all(side % toy.multiple == 0 for side in wide.pixels.shape[:2])
    assert crop_for_model(toy, picture, mask, CropSettings(side=128)).pixels.shape == (128, 128, 3)
    with pytest.raises(InputError, match="multiple of 16"):
        crop_for_model(toy, picture, mask, CropSettings(side=100))


def test_a_thin_defect_comes_back_at_full_strength(toy: Backbone) -> None:
    """The fade at the edge never eats a line: its middle is the drawing's own."""
    picture, mask = np.full((64, 64, 3), 100, np.uint8), box((64, 64), 20, 0, 22, 64)
    window = crop_for_model(toy, picture, mask, CropSettings())
    drawing = np.full((64, 64, 3), 200, np.uint8)
    thin = paste_back(picture, mask, window, drawing, CropSettings(feather=8))
    assert (thin[20:22] == 200).all()
    broad = box((64, 64), 10, 10, 50, 50)
    soft = paste_back(
        picture, broad, crop_for_model(toy, picture, broad, CropSettings()), drawing, CropSettings(feather=8)
    )
    row = soft[30, 10:30, 0].astype(int)
    assert row[0] < 120 and row[-1] == 200 and (np.diff(row) >= 0).all()


def test_strength_is_how_far_the_photo_is_noised_first(toy: Backbone) -> None:
    picture, mask = photo(64, 64), box((64, 64), 16, 16, 48, 48)
    z0, noise = encode_image(toy, picture), draw_noise((1, 4, 8, 8), torch_generator(0))
    shares = []
    for strength in (0.1, 0.5, 1.0):
        seen: list[tuple[SamplingStep, Tensor]] = []

        def look(x: Tensor, step: SamplingStep, kept: list[tuple[SamplingStep, Tensor]] = seen) -> Tensor:
            kept.append((step, x))
            return x

        guide = InpaintingHooks(before=[look])
        draw(
            toy, picture, mask, look=DrawingSettings(10, 1.0, strength=strength), guide=lambda scene, made=guide: made
        )
        step, x = seen[0]
        assert len(seen) == step.count == round(10 * strength)
        inside = noise if strength == 1 else step.level.add_noise(z0, noise)
        assert torch.allclose(x[..., 2:6, 2:6], inside[..., 2:6, 2:6], atol=1e-5)
        shares.append(step.level.signal)
    assert shares == sorted(shares, reverse=True) and shares[0] > 0.8 > 0.01 > shares[2]


def test_same_seed_same_bytes_and_another_differs(toy: Backbone) -> None:
    picture, mask = photo(), box((120, 150), 40, 60, 70, 110)
    look = DrawingSettings(3, 2.0, eta=1.0)
    one, again, other = (draw(toy, picture, mask, seed, look=look) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def places() -> list[InpaintTask]:
    """Three pictures; the window of the last has another size than those of the first two."""
    return [
        InpaintTask(photo(), box((120, 150), 40, 60, 70, 110), "a scratch", 1),
        InpaintTask(
            photo()[::-1].copy(), box((120, 150), 10, 10, 30, 30), "a dent", 2, initial_image=photo(120, 150) // 2
        ),
        InpaintTask(photo(40, 200), box((40, 200), 4, 5, 30, 150), "a scratch", 3),
    ]


@pytest.mark.parametrize("look", [DrawingSettings(4, 2.0, eta=0.5), DrawingSettings(5, 1.0, 0.6, "dpmpp_2m")])
def test_pictures_drawn_together_are_those_drawn_alone(toy: Backbone, look: DrawingSettings) -> None:
    frame, rows = CropSettings(square=True, detail=0.5), []
    counted = lambda scene: rows.append(len(scene.z0)) or InpaintingHooks()  # noqa: E731
    together = inpaint(toy, places(), look=look, frame=frame, guide=counted)
    assert rows == [2, 1]
    for place, drawn in zip(places(), together, strict=True):
        (alone,) = inpaint(toy, [place], look=look, frame=frame)
        assert drawn.shape == place.photo.shape and np.array_equal(drawn[~place.mask], place.photo[~place.mask])
        assert np.abs(drawn.astype(int) - alone).max() <= 1 and not np.array_equal(drawn, place.photo)


def test_a_batch_too_large_for_the_gpu_is_halved(toy: Backbone) -> None:
    sizes: list[int] = []

    def holding(most: int) -> Callable[[InpaintingState], InpaintingHooks]:
        def guide(scene: InpaintingState) -> InpaintingHooks:
            sizes.append(len(scene.z0))
            if len(scene.z0) > most:
                raise torch.OutOfMemoryError
            return InpaintingHooks()

        return guide

    five = [replace(places()[0], seed=seed) for seed in range(5)]
    expected = inpaint(toy, five, look=FAST)
    drawn = inpaint(toy, five, look=FAST, guide=holding(2))
    assert sizes == [5, 2, 3, 1, 2]
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(drawn, expected, strict=True))
    with pytest.raises(Unavailable, match="one picture is more than the GPU's memory holds"):
        inpaint(toy, five, look=FAST, guide=holding(0))


def test_progress_stop_and_controllers(toy: Backbone) -> None:
    picture, mask = photo(), box((120, 150), 40, 60, 70, 110)
    news: list[tuple[int, int, bool]] = []

    def progress(done: int, count: int, preview: np.ndarray | None) -> None:
        news.append((done, count, preview is not None))
        if preview is not None:
            assert np.array_equal(preview[~mask], picture[~mask])

    record = AttentionStore()
    draw(
        toy,
        picture,
        mask,
        look=DrawingSettings(20, 1.0),
        progress=progress,
        guide=lambda scene: InpaintingHooks(controllers=[record]),
    )
    assert [n[:2] for n in news] == [(i, 20) for i in range(1, 21)] and sum(n[2] for n in news) == 10
    assert record.maps().shape == (77, 6, 8)
    news.clear()
    with pytest.raises(Cancelled):
        draw(toy, picture, mask, look=DrawingSettings(20, 1.0), progress=progress, cancelled=lambda: len(news) == 2)
    assert len(news) == 2


def test_an_empty_mask_is_refused(toy: Backbone) -> None:
    with pytest.raises(MaskError, match="empty"):
        draw(toy, photo(), np.zeros((120, 150), np.bool_))


def test_the_sketch_shows_the_colours(toy: Backbone, plate: np.ndarray) -> None:
    z0 = draw_noise((1, 4, 8, 8), torch_generator(0))
    colours = np.clip(128 + 30 * z0[0, :3].permute(1, 2, 0).numpy(), 0, 255).round().astype(np.uint8)
    picture = np.repeat(np.repeat(colours, 8, axis=0), 8, axis=1)
    shown = cv2.resize(latent_previewer(z0, picture)(z0), (8, 8), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - colours).mean() < 12
    assert resized(plate, (64, 64)) is not plate


def test_a_window_smaller_than_its_surroundings_costs_no_grain(toy: Backbone) -> None:
    picture = np.random.default_rng(0).integers(60, 200, (300, 300, 3)).astype(np.uint8)
    mask = np.zeros((300, 300), np.bool_)
    mask[40:260, 40:260] = True
    window = crop_for_model(toy, picture, mask, CropSettings())
    assert window.pixels.shape[0] < window.photo_crop.shape[0]
    for detail, most in ((1.0, 1), (0.0, 140)):
        back = paste_back(picture, mask, window, window.pixels, CropSettings(detail=detail), picture)
        lost = np.abs(back.astype(int) - picture).max()
        assert lost <= most and (detail == 1 or lost > 20)
