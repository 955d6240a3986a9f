"""Running a SAM network: the only file that imports segment_anything and mobile_sam."""

from __future__ import annotations

import importlib
import warnings
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from core.images.geometry import coverage
from core.progress import Steps
from core.segmentation.sam_checkpoint import SamEmbedding
from core.segmentation.segmenter import Cancel, MaskCandidate, iou, raise_if_cancelled
from core.types import Image, Mask


def import_package(package: str) -> Any:
    """The imported package."""
    with warnings.catch_warnings():
        # mobile_sam imports timm by its former names.
        warnings.simplefilter("ignore")
        return importlib.import_module(package)


def mask_prompt(mask: Mask, input_shape: tuple[int, int], side: int, logit: float = 8.0) -> npt.NDArray:
    """``mask`` as SAM's mask prompt: float32 (1, side, side) logits, padded as the network's input is."""
    longest = max(input_shape)
    h, w = max(round(input_shape[0] * side / longest), 1), max(round(input_shape[1] * side / longest), 1)
    soft = coverage(mask, (h, w))
    out = np.full((1, side, side), -logit, np.float32)
    out[0, :h, :w] = (soft - 0.5) * 2 * logit
    return out


def encode_photo(model: Any, photo: Image, progress: Steps | None, cancelled: Cancel | None) -> SamEmbedding:
    """The encoder, block by block: each block reports and looks whether it shall stop."""
    import torch
    from segment_anything.utils.transforms import ResizeLongestSide

    small = ResizeLongestSide(model.image_encoder.img_size).apply_image(photo)
    tensor = torch.as_tensor(small, device=model.device).permute(2, 0, 1).contiguous()[None]
    with _block_hooks(model.image_encoder, progress, cancelled), torch.inference_mode():
        features = model.image_encoder(model.preprocess(tensor))
    return SamEmbedding(
        features.detach().cpu().clone(), (photo.shape[0], photo.shape[1]), (small.shape[0], small.shape[1])
    )


@contextmanager
def _block_hooks(encoder: Any, progress: Steps | None, cancelled: Cancel | None) -> Any:
    """Hooks on the encoder's blocks, removed in the end whatever happens."""
    blocks = list(encoder.blocks if hasattr(encoder, "blocks") else encoder.layers)
    done = 0

    def after(*_: Any) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, len(blocks))
        raise_if_cancelled(cancelled)

    hooks = [b.register_forward_hook(after) for b in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def generate_masks(
    package: str, model: Any, photo: Image, points: int, progress: Steps | None, cancelled: Cancel | None
) -> list[MaskCandidate]:
    """The automatic mask generator over a grid of ``points`` by ``points``, best first, without near-duplicates."""
    sam = import_package(package)
    # The generator knows no cancel: the decoder, run once a batch of points, looks for it.
    generator = sam.SamAutomaticMaskGenerator(
        model, points_per_side=points, points_per_batch=64, output_mode="binary_mask"
    )
    batches = -(-points * points // 64)
    done = 0

    def after(*_: Any) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, batches), batches)
        raise_if_cancelled(cancelled)

    hook = model.mask_decoder.register_forward_hook(after)
    try:
        with _block_hooks(model.image_encoder, None, cancelled):
            records = generator.generate(np.ascontiguousarray(photo))
    finally:
        hook.remove()
    found: list[MaskCandidate] = []
    for record in sorted(records, key=lambda r: -r["predicted_iou"]):
        mask = np.asarray(record["segmentation"], np.bool_)
        if all(iou(mask, kept.mask) < 0.85 for kept in found):
            found.append(MaskCandidate(mask, float(np.clip(record["predicted_iou"], 0, 1))))
    return found
