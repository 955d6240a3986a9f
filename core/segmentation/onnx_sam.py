"""An encoder and a decoder of SAM or MobileSAM, exported to ONNX, as a segmenter.

A folder with one ``*encoder*.onnx`` and one ``*decoder*.onnx``, as samexporter writes them. onnxruntime runs them; it
is not among Flawsmith's requirements. The encoder takes a picture and gives an embedding; the decoder, exported as
segment-anything exports it, takes ``image_embeddings, point_coords, point_labels, mask_input, has_mask_input,
orig_im_size`` and gives masks and scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core import weights
from core.errors import Unavailable
from core.memory_budget import BUDGET, MemoryBudget
from core.progress import Steps
from core.segmentation.photo_embedding import DecoderPrompt, EmbeddedGridPhoto, GridSegmenter
from core.segmentation.sam_candidates import FloatArray, photo_mask
from core.segmentation.sam_network import mask_prompt
from core.segmentation.segmenter import Cancel
from core.types import Image, Mask

_SIDE = 1024
"""Pixels of the encoder's input where the file leaves its size open."""
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_DECODER_INPUTS = ("image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size")


def onnx_folders() -> list[Path]:
    """The folders in the models folder that hold an encoder and a decoder, by name."""
    root = weights.models_dir()
    if not root.is_dir():
        return []
    return sorted(f for f in root.iterdir() if f.is_dir() and all(_files(f, part) for part in ("encoder", "decoder")))


def _files(folder: Path, part: str) -> list[Path]:
    return sorted(folder.glob(f"*{part}*.onnx"))


@dataclass(frozen=True)
class OnnxEmbedding:
    """What the encoder gave for a photo of ``shape`` (H, W); ``scale`` is from photo pixels to the network's input.

    ``input_shape`` is the (h, w) of the photo in an input of ``side`` pixels, padded below and to the right.
    """

    features: FloatArray
    shape: tuple[int, int]
    scale: float
    input_shape: tuple[int, int]
    side: int

    @property
    def nbytes(self) -> int:
        """Bytes of the embedding."""
        return self.features.nbytes

    @property
    def content(self) -> tuple[float, float]:
        """The share of the input's rows and columns that is photo."""
        return self.input_shape[0] / self.side, self.input_shape[1] / self.side


class OnnxSegmenter(GridSegmenter[OnnxEmbedding, "OnnxPreparedPhoto"]):
    """The pair in one folder; it is loaded at the first photo."""

    def __init__(self, folder: Path, budget: MemoryBudget = BUDGET) -> None:
        super().__init__(budget)
        self.folder = folder
        self.name = f"onnx:{folder.name}"
        self.title = f"ONNX ({folder.name})"
        self._sessions: tuple[Any, Any] | None = None

    def available(self) -> str | None:
        """None, or the pip line, or what the folder lacks."""
        if find_spec("onnxruntime") is None:
            return f"{self.title}: run 'pip install onnxruntime'"
        for part in ("encoder", "decoder"):
            if len(found := _files(self.folder, part)) != 1:
                return f"{self.title}: expected one *{part}*.onnx in {self.folder}, found {len(found)}"
        return None

    def encode(self, photo: Image, progress: Steps | None, cancelled: Cancel | None) -> OnnxEmbedding:
        """The embedding of a photo. onnxruntime counts no blocks, and cannot be stopped half-way."""
        embedding = _encoded(self.sessions()[0], photo)
        if progress is not None:
            progress(1, 1)
        return embedding

    def prepared(self, embedding: OnnxEmbedding) -> OnnxPreparedPhoto:
        """The photo of an embedding, ready for clicks."""
        return OnnxPreparedPhoto(self, embedding)

    def sessions(self) -> tuple[Any, Any]:
        """The encoder and the decoder; Unavailable names what is wrong with them."""
        with self.lock:
            if self._sessions is None:
                if (reason := self.available()) is not None:
                    raise Unavailable(reason)
                encoder, decoder = (_session(_files(self.folder, p)[0], self.title) for p in ("encoder", "decoder"))
                names = {i.name for i in decoder.get_inputs()}
                if missing := [name for name in _DECODER_INPUTS[:3] if name not in names]:
                    raise Unavailable(
                        f"{self.title}: the decoder takes {', '.join(sorted(names))}, not {', '.join(missing)}; "
                        "export it as segment-anything's export_onnx_model or samexporter does"
                    )
                self._sessions = encoder, decoder
            return self._sessions


class OnnxPreparedPhoto(EmbeddedGridPhoto[OnnxEmbedding]):
    """A photo with its embedding; a click costs one pass of the decoder."""

    def __init__(self, owner: OnnxSegmenter, embedding: OnnxEmbedding) -> None:
        super().__init__(embedding)
        self._owner = owner

    def decode_prompt(self, prompt: DecoderPrompt) -> tuple[list[Mask], list[float]]:
        """Every mask that the decoder gives: these exports have no switch between one and several."""
        points = [(c.x, c.y, 1.0 if c.positive else 0.0) for c in prompt.clicks]
        # In these exports a box is two points more, of labels 2 and 3; without one, a point of label -1 pads.
        box = prompt.box
        points += [(box[0], box[1], 2.0), (box[2], box[3], 3.0)] if box else [(0.0, 0.0, -1.0)]
        logits, scores = self._decode(np.array(points, np.float32), prompt.mask)
        return [photo_mask(one, self.content, self.shape) for one in logits], scores.tolist()

    def decode_points(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See core.segmentation.sam_candidates.GridDecoder; these decoders take one click at a time."""
        pad = np.array([[0, 0, -1]], np.float32)
        pairs = [self._decode(np.vstack([[[x, y, 1]], pad]).astype(np.float32), None) for x, y in points]
        return np.stack([logits for logits, _ in pairs]), np.stack([scores for _, scores in pairs])

    def _decode(self, points: FloatArray, mask: Mask | None) -> tuple[FloatArray, FloatArray]:
        """Logits (m, h, w) of the padded input and scores (m,) for points (n, 3) as x, y, label in photo pixels."""
        e = self.embedding
        side = 4 * int(e.features.shape[-1])
        given = np.zeros((1, side, side), np.float32) if mask is None else mask_prompt(mask, e.input_shape, side)
        values = {
            "image_embeddings": e.features,
            "point_coords": points[None, :, :2] * np.float32(e.scale),
            "point_labels": points[None, :, 2],
            "mask_input": given[None],
            "has_mask_input": np.array([0 if mask is None else 1], np.float32),
            "orig_im_size": np.array(e.shape, np.float32),
        }
        with self._owner.lock:
            decoder = self._owner.sessions()[1]
            wanted = {i.name for i in decoder.get_inputs()}
            outputs = decoder.run(None, {name: value for name, value in values.items() if name in wanted})
        return _masks_and_scores([o.name for o in decoder.get_outputs()], outputs)


def _session(path: Path, title: str) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # onnxruntime has a class of its own for each of its codes
        raise Unavailable(f"{title}: {path} is no ONNX file that onnxruntime reads; fetch it again") from error


def _encoded(encoder: Any, photo: Image) -> OnnxEmbedding:
    """The encoder on a photo: longest side to its input's, padded; in the layout that the file asks for."""
    (wanted, *_), (height, width) = encoder.get_inputs(), photo.shape[:2]
    channels_first = len(wanted.shape) == 4
    sides = [n if isinstance(n, int) else 0 for n in (wanted.shape[2:] if channels_first else wanted.shape[:2])]
    side = max(sides) or _SIDE
    room = (sides[0] or side, sides[1] or side)
    scale = min(room[0] / height, room[1] / width)
    inner = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = cv2.resize(photo, (inner[1], inner[0]), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    pixels: npt.NDArray[np.float32] = small.astype(np.float32)
    if channels_first:  # an encoder of a batch of pictures wants them normalised; of one picture, as it is
        pixels = np.asarray((pixels - np.array(_MEAN)) / np.array(_STD), np.float32)
    if channels_first or all(sides):
        padded = np.zeros((*room, 3), np.float32)
        padded[: inner[0], : inner[1]] = pixels
        pixels = padded
    if channels_first:
        pixels = pixels.transpose(2, 0, 1)[None].astype(np.float32)
    (features, *_) = encoder.run(None, {wanted.name: np.ascontiguousarray(pixels)})
    return OnnxEmbedding(np.asarray(features, np.float32), (height, width), scale, inner, side)


def _masks_and_scores(names: list[str], outputs: list[Any]) -> tuple[FloatArray, FloatArray]:
    """Low-resolution logits (m, h, w) and scores (m,), whatever their order."""
    by_name = dict(zip(names, outputs, strict=True))
    logits = by_name.get("low_res_masks")
    if logits is None:
        logits = next(o for o in outputs if np.ndim(o) == 4)
    scores = by_name.get("iou_predictions")
    if scores is None:
        scores = next(o for o in outputs if np.ndim(o) == 2)
    return np.asarray(logits[0], np.float32), np.asarray(scores[0], np.float32)
