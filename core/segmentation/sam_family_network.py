"""Running a model of the SAM family: the only file of the segmenters that imports transformers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Unavailable
from core.progress import Steps
from core.segmentation.sam_candidates import FloatArray
from core.segmentation.sam_network import mask_prompt
from core.segmentation.segmenter import Box, Cancel, Click, raise_if_cancelled
from core.types import Image, Mask

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class FamilyEmbedding:
    """What the encoder gave for a photo of ``shape`` (H, W), on the CPU.

    ``tensors`` are the keyword arguments that the decoder takes them by; ``scale`` is (x, y) from photo pixels to
    those of the network's input, ``input_shape`` the (h, w) of the photo in it, ``content`` the share that is photo.
    """

    tensors: Mapping[str, Tensor | list[Tensor]]
    shape: tuple[int, int]
    scale: tuple[float, float]
    input_shape: tuple[int, int]
    content: tuple[float, float]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.element_size() * t.nelement() for value in self.tensors.values() for t in _each(value))


def load_family(folder: Path, title: str, device: torch.device) -> FamilyNetwork:
    """The model and processor in the folder; Unavailable says in one line what is wrong with it."""
    from safetensors import SafetensorError
    from transformers import AutoModelForMaskGeneration, AutoProcessor

    read_processor: Any = AutoProcessor.from_pretrained
    try:
        processor = read_processor(folder, local_files_only=True)
        model, report = AutoModelForMaskGeneration.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except ImportError as error:
        raise Unavailable(f"{title}: it needs a package that is not installed: {_line(error)}") from error
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise Unavailable(f"{title}: {folder} cannot be read ({_line(error)}); fetch the model again") from error
    wrong = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    if wrong:
        raise Unavailable(
            f"{title}: the weights in {folder} are of another model ({len(wrong)} tensors are missing or do not fit, "
            f"the first {sorted(wrong)[0]}); use config.json and weights of one model"
        )
    return FamilyNetwork(model.to(device).eval(), processor)


class FamilyNetwork:
    """A loaded model with its processor. Not safe for threads."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model, self._processor = model, processor

    def encode(self, photo: Image, progress: Steps | None = None, cancelled: Cancel | None = None) -> FamilyEmbedding:
        """The encoder on a photo, block by block: each block reports and looks whether it shall stop."""
        import torch

        # A copy: photos are read-only, and torch warns of such arrays.
        inputs = self._processor(images=photo.copy(), return_tensors="pt")
        pixels = inputs["pixel_values"]
        height, width = photo.shape[:2]
        padded = (int(pixels.shape[-2]), int(pixels.shape[-1]))
        # SAM and HQ-SAM keep the photo's proportions and pad; the others stretch it.
        reshaped = inputs.get("reshaped_input_sizes")
        inner = padded if reshaped is None else (int(reshaped[0][0]), int(reshaped[0][1]))
        with _block_hooks(self._model.vision_encoder, progress, cancelled), torch.inference_mode():
            given = self._model.get_image_embeddings(pixels.to(self._model.device))
        return FamilyEmbedding(
            {name: _on_cpu(value) for name, value in self._named(given).items()},
            (height, width),
            (inner[1] / width, inner[0] / height),
            inner,
            (inner[0] / padded[0], inner[1] / padded[1]),
        )

    def decode(
        self, photo: FamilyEmbedding, clicks: Sequence[Click], box: Box | None, mask: Mask | None, several: bool
    ) -> tuple[FloatArray, FloatArray]:
        """Logits (m, h, w) and scores (m,) for clicks, a box and the mask so far, in photo pixels."""
        import torch

        sx, sy = photo.scale
        prompt: dict[str, Tensor | bool] = {"multimask_output": several}
        if clicks:
            prompt["input_points"] = torch.tensor([[[[c.x * sx, c.y * sy] for c in clicks]]], dtype=torch.float32)
            prompt["input_labels"] = torch.tensor([[[int(c.positive) for c in clicks]]], dtype=torch.int64)
        if box is not None:
            x0, y0, x1, y1 = box
            prompt["input_boxes"] = torch.tensor([[[x0 * sx, y0 * sy, x1 * sx, y1 * sy]]], dtype=torch.float32)
        if mask is not None:
            prompt["input_masks"] = torch.from_numpy(mask_prompt(mask, photo.input_shape, self._mask_side(photo)))[
                None
            ]
        logits, scores = self._run(photo, prompt)
        return logits[0], scores[0]

    def decode_points(self, photo: FamilyEmbedding, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Logits (n, m, h, w) and scores (n, m) for n single clicks (n, 2) as x, y in photo pixels."""
        import torch

        scaled = torch.from_numpy(points * np.asarray(photo.scale, np.float32))
        return self._run(
            photo,
            {
                "input_points": scaled[None, :, None],
                "input_labels": torch.ones((1, len(points), 1), dtype=torch.int64),
                "multimask_output": True,
            },
        )

    def _run(self, photo: FamilyEmbedding, prompt: Mapping[str, Tensor | bool]) -> tuple[FloatArray, FloatArray]:
        import torch

        device = self._model.device
        tensors = {name: [t.to(device) for t in _each(value)] for name, value in photo.tensors.items()}
        given = {n: v if isinstance(photo.tensors[n], list) else v[0] for n, v in tensors.items()}
        moved = {n: v.to(device) if isinstance(v, torch.Tensor) else v for n, v in prompt.items()}
        with torch.inference_mode():
            out = self._model(**given, **moved)
        logits, scores = out.pred_masks[0].float().cpu().numpy(), out.iou_scores[0].float().cpu().numpy()
        return logits, scores[:, : logits.shape[1]]

    @staticmethod
    def _named(given: Any) -> dict[str, Tensor | list[Tensor]]:
        """What ``get_image_embeddings`` gave, by the decoder's argument; HQ-SAM gives a pair."""
        if isinstance(given, tuple) and len(given) == 2:
            return {"image_embeddings": given[0], "intermediate_embeddings": list(given[1])}
        return {"image_embeddings": list(given) if isinstance(given, (list, tuple)) else given}

    @staticmethod
    def _mask_side(photo: FamilyEmbedding) -> int:
        """A mask prompt has four times the side of the embedding."""
        return 4 * int(_each(photo.tensors["image_embeddings"])[-1].shape[-1])


def _each(value: Tensor | list[Tensor]) -> list[Tensor]:
    return list(value) if isinstance(value, list) else [value]


def _on_cpu(value: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    def copied(tensor: Tensor) -> Tensor:
        return tensor.detach().cpu().clone()

    return [copied(tensor) for tensor in value] if isinstance(value, list) else copied(value)


def _line(error: BaseException) -> str:
    """The first line of an error's message, at most 160 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


@contextmanager
def _block_hooks(encoder: nn.Module, progress: Steps | None, cancelled: Cancel | None) -> Iterator[None]:
    """Hooks on the encoder's longest list of blocks, removed in the end whatever happens."""
    import torch

    lists = [m for m in encoder.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    blocks = list(max(lists, key=lambda blocks: len(list(blocks)))) if lists else [encoder]
    done = 0

    def after(*_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, len(blocks)), len(blocks))
        raise_if_cancelled(cancelled)

    hooks = [block.register_forward_hook(after) for block in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
