"""Any local folder of the SAM family in transformers' layout as a segmenter.

That is SAM, HQ-SAM, SAM 2 and 2.1, EdgeTAM and SAM 3. The folder's ``config.json`` says which model it is;
``AutoModelForMaskGeneration`` and ``AutoProcessor`` read the rest. Only safetensors are read.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import weights
from core.device import choose_device
from core.errors import Unavailable
from core.memory_budget import BUDGET, MemoryBudget, WarmCache, image_key
from core.progress import Steps
from core.segmentation.sam_candidates import FloatArray, bounding_box, clicked_candidates, grid_regions, photo_mask
from core.segmentation.sam_family_network import FamilyEmbedding, FamilyNetwork, load_family
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, check_prompt, raise_if_cancelled
from core.types import Image, Mask, check_image

FAMILY = {
    "sam": "SAM",
    "sam_hq": "HQ-SAM",
    "sam2": "SAM 2",
    "sam2_video": "SAM 2",
    "edgetam": "EdgeTAM",
    "edgetam_video": "EdgeTAM",
    "sam3_tracker": "SAM 3",
    "sam3_video": "SAM 3",
}
"""What transformers calls a model that finds masks at clicks, and what its authors call it."""


def model_type(folder: Path) -> str:
    """What ``config.json`` in the folder says the model is; "" where there is no such file, or it says nothing."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def family_folders() -> list[Path]:
    """The folders in the models folder that hold a model of the family, by name."""
    root = weights.models_dir()
    if not root.is_dir():
        return []
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and model_type(folder) in FAMILY)


class FamilySegmenter:
    """The model in one folder; it is loaded at the first photo."""

    def __init__(self, folder: Path, device: str = "auto", budget: MemoryBudget = BUDGET) -> None:
        kind = FAMILY.get(model_type(folder), "SAM")
        self.folder, self._device = folder, device
        self.name = f"folder:{folder.name}"
        self.title = f"{kind} ({folder.name})"
        self._network: FamilyNetwork | None = None
        self._cache: WarmCache[str, FamilyEmbedding] = WarmCache(lambda e: e.nbytes, budget=budget)
        # One network: one thread at a time runs it, the others wait.
        self.lock = threading.RLock()

    def available(self) -> str | None:
        """None, or what the folder lacks and where it comes from."""
        kind = model_type(self.folder)
        if kind not in FAMILY:
            what = f"a model of kind {kind!r}" if kind else "no model in transformers' layout (it has no config.json)"
            return f"{self.title}: {self.folder} is {what}; expected one of {', '.join(sorted(FAMILY))}"
        if not list(self.folder.glob("*.safetensors")):
            return f"{self.title}: {self.folder} has no *.safetensors; fetch the model's safetensors files into it"
        if not any((self.folder / f"{name}_config.json").is_file() for name in ("processor", "preprocessor")):
            return (
                f"{self.title}: {self.folder} has no preprocessor_config.json; fetch it from where the model is from"
            )
        return None

    def prepare(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> FamilyPreparedPhoto:
        """Run the encoder, or take what it gave for this photo before. ``progress`` counts encoder blocks."""
        photo = check_image(image)
        raise_if_cancelled(cancelled)
        key = image_key(photo)
        embedding = self._cache.peek(key)
        if embedding is None:
            with self.lock:
                embedding = self._cache.put(key, self.network().encode(photo, progress, cancelled))
        elif progress is not None:
            progress(1, 1)
        return FamilyPreparedPhoto(self, embedding)

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """What a grid of clicks finds, largest first, cancelled within one batch of points."""
        return grid_regions(self.prepare(image, None, cancelled), progress, cancelled)

    def network(self) -> FamilyNetwork:
        """The loaded model; Unavailable names what is wrong with the folder."""
        with self.lock:
            if self._network is None:
                if (reason := self.available()) is not None:
                    raise Unavailable(reason)
                self._network = load_family(self.folder, self.title, choose_device(self._device))
            return self._network


class FamilyPreparedPhoto:
    """A photo with its embedding; a click costs one pass of the small decoder."""

    def __init__(self, owner: FamilySegmenter, embedding: FamilyEmbedding) -> None:
        self._owner, self._embedding = owner, embedding

    @property
    def nbytes(self) -> int:
        """Memory held by the embedding."""
        return self._embedding.nbytes

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        return self._embedding.shape

    @property
    def content(self) -> tuple[float, float]:
        """The share of the network's rows and columns that is photo."""
        return self._embedding.content

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """See core.segmentation.segmenter.PreparedPhoto."""
        checked, box, given = check_prompt(self.shape, clicks, box_xyxy, mask)
        around: Box | None = bounding_box(given) if given is not None and not checked and box is None else box
        # A lone click is ambiguous and gets part, object and whole; a fuller prompt has one answer.
        several = len(checked) == 1 and box is None and given is None
        with self._owner.lock:
            logits, scores = self._owner.network().decode(self._embedding, checked, around, given, several)
        masks = [photo_mask(one, self.content, self.shape) for one in logits]
        return clicked_candidates(masks, scores.tolist(), checked, box, given)

    def decode_points(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See core.segmentation.sam_candidates.GridDecoder."""
        with self._owner.lock:
            return self._owner.network().decode_points(self._embedding, np.asarray(points, np.float32))
