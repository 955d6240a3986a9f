"""Words to boxes: any local folder of a zero-shot object detector in transformers' layout.

grounding-dino, mm-grounding-dino, OmDet-Turbo, OWL-ViT and OWLv2; ``AutoModelForZeroShotObjectDetection`` reads them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import weights
from core.device import choose_device
from core.errors import InputError, Unavailable
from core.progress import Steps
from core.segmentation.sam_family import model_type
from core.segmentation.segmenter import Box, Cancel, raise_if_cancelled
from core.types import Image, check_image

DETECTORS = {
    "grounding-dino": "Grounding DINO",
    "mm-grounding-dino": "MM Grounding DINO",
    "omdet-turbo": "OmDet-Turbo",
    "owlv2": "OWLv2",
    "owlvit": "OWL-ViT",
}
"""What transformers calls a detector that takes words, and what its authors call it."""

MAX_WORDS = 20
LEAST_SCORE = 0.2
"""Score below which a box is left out; detectors give each photo hundreds of worse ones."""
_SAME = 0.5


@dataclass(frozen=True)
class WordBox:
    """``word`` was found in ``box_xyxy`` (photo pixels) with this score, 0..1."""

    word: str
    box_xyxy: Box
    score: float


def split_words(text: str) -> list[str]:
    """The words of a list with commas or line ends, each once; InputError for none or too many."""
    words = list(dict.fromkeys(" ".join(part.split()) for part in text.replace("\n", ",").split(",")))
    words = [word for word in words if word]
    if not words:
        raise InputError("words: name what to look for, with commas between, for example 'washer, nut, bolt'")
    if len(words) > MAX_WORDS:
        raise InputError(f"words: expected at most {MAX_WORDS}, got {len(words)}; look for some after the others")
    return words


def detector_folders() -> list[Path]:
    """The folders in the models folder that hold such a detector, by name."""
    root = weights.models_dir()
    if not root.is_dir():
        return []
    return sorted(f for f in root.iterdir() if f.is_dir() and model_type(f) in DETECTORS)


def missing_detector() -> str | None:
    """None, or in one line what to fetch so that words find regions."""
    if detector_folders():
        return None
    return (
        f"put the folder of grounding-dino-tiny or owlv2-base-patch16-ensemble into {weights.models_dir()}; "
        "the Models tab says where they come from"
    )


class WordDetector:
    """The detector in one folder; it is loaded when it is first asked."""

    def __init__(self, folder: Path, device: str = "auto") -> None:
        self.folder, self._device = folder, device
        self.title = f"{DETECTORS.get(model_type(folder), 'Detector')} ({folder.name})"
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    def find(
        self,
        image: Image,
        words: Sequence[str],
        least: float = LEAST_SCORE,
        progress: Steps | None = None,
        cancelled: Cancel | None = None,
    ) -> list[WordBox]:
        """Boxes of each word, best first; of boxes that are nearly the same the best word keeps it."""
        photo = check_image(image)
        found: list[WordBox] = []
        with self._lock:
            for done, word in enumerate(words):
                raise_if_cancelled(cancelled)
                found += self._find_one(photo, word, least)
                if progress is not None:
                    progress(done + 1, len(words))
        return _distinct(found)

    def _find_one(self, photo: Image, word: str, least: float) -> list[WordBox]:
        """One word a pass: detectors that read a sentence mix the words of several up."""
        import torch

        model, processor = self._load()
        height, width = photo.shape[:2]
        inputs = processor(images=photo.copy(), text=[[word]], return_tensors="pt").to(model.device)
        with torch.inference_mode():
            outputs = model(**inputs)
        (seen,) = processor.post_process_grounded_object_detection(
            outputs, threshold=least, target_sizes=[(height, width)], text_labels=[[word]]
        )
        boxes, scores = seen["boxes"].float().cpu().tolist(), seen["scores"].float().cpu().tolist()
        clipped = [(max(0.0, a), max(0.0, b), min(width, c), min(height, d)) for a, b, c, d in boxes]
        return [
            WordBox(word, (x0, y0, float(x1), float(y1)), score)
            for (x0, y0, x1, y1), score in zip(clipped, scores, strict=True)
            if x1 - x0 >= 2 and y1 - y0 >= 2
        ]

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from safetensors import SafetensorError
            from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

            read_processor: Any = AutoProcessor.from_pretrained
            try:
                processor = read_processor(self.folder, local_files_only=True)
                model = AutoModelForZeroShotObjectDetection.from_pretrained(
                    self.folder, local_files_only=True, use_safetensors=True
                )
            except (ImportError, OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
                line = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
                raise Unavailable(f"{self.title}: {self.folder} cannot be read ({line}); fetch it again") from error
            self._loaded = model.to(choose_device(self._device)).eval(), processor
        return self._loaded


def _distinct(found: list[WordBox]) -> list[WordBox]:
    kept: list[WordBox] = []
    for one in sorted(found, key=lambda f: -f.score):
        if all(_box_iou(one.box_xyxy, other.box_xyxy) < _SAME for other in kept):
            kept.append(one)
    return kept


def _box_iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
