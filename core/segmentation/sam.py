"""Segment Anything as a segmenter (core.segmentation.sam_network runs it).

Checkpoints are read from the models folder (core.weights). The encoder runs once per photo; what it gives is
kept for the photos last looked at, within the budget of all caches.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from core import weights as models
from core.device import choose_device
from core.errors import Unavailable
from core.memory_budget import BUDGET, MemoryBudget
from core.progress import Steps
from core.segmentation.photo_embedding import DecoderPrompt, EmbeddedPhoto, EmbeddingSegmenter
from core.segmentation.sam_checkpoint import SamEmbedding, load_checkpoint
from core.segmentation.sam_network import encode_photo, generate_masks, import_package, mask_prompt
from core.segmentation.segmenter import Cancel, MaskCandidate
from core.types import Image, Mask, check_image

_MIN_REGION = 1e-4
"""Share of the photo below which an automatic region is dust."""


class SamSegmenter(EmbeddingSegmenter[SamEmbedding, "SamPreparedPhoto"]):
    """One SAM model. ``build`` gives the empty network; the checkpoint is loaded at the first photo."""

    def __init__(
        self,
        name: str,
        title: str,
        weights_name: str,
        package: str,
        install: str,
        build: Callable[[], Any],
        checkpoint: Path | None = None,
        device: str = "auto",
        points_per_side: int = 32,
        budget: MemoryBudget = BUDGET,
    ) -> None:
        super().__init__(budget)
        self.name, self.title, self.package = name, title, package
        self._weights, self._install, self._build = weights_name, install, build
        self._checkpoint, self._device, self._points = checkpoint, device, points_per_side
        self._model: Any = None

    def available(self) -> str | None:
        """None, or the pip line or the fetch command that makes it available."""
        missing = [m for m in self.package.split() if find_spec(m) is None]
        if missing:
            return f"{self.title}: run '{self._install}'"
        if self._checkpoint is None and models.find_weights(self._weights) is None:
            row = models.weight_file(self._weights)
            return (
                f"{self.title}: fetch {row.file} ({row.size / 1e6:.0f} MB) on the Models tab or with "
                f"'launch.py models fetch {row.name}', or put it into {models.models_dir()}"
            )
        return None

    def encode(self, photo: Image, progress: Steps | None, cancelled: Cancel | None) -> SamEmbedding:
        """The embedding of a photo; ``progress`` counts encoder blocks."""
        return encode_photo(self.model(), photo, progress, cancelled)

    def prepared(self, embedding: SamEmbedding) -> SamPreparedPhoto:
        """The photo of an embedding, ready for clicks."""
        return SamPreparedPhoto(self, embedding)

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """SAM's automatic mask generator, largest first, cancelled within one batch of points."""
        photo = check_image(image)
        with self.lock:
            model = self.model()
            found = generate_masks(self.package.split()[0], model, photo, self._points, progress, cancelled)
        least = _MIN_REGION * photo.shape[0] * photo.shape[1]
        found = [c for c in found if np.count_nonzero(c.mask) >= least]
        return sorted(found, key=lambda c: -int(np.count_nonzero(c.mask)))

    def model(self) -> Any:
        """The loaded network; Unavailable names what is missing or wrong."""
        if self._model is None:
            if (reason := self.available()) is not None:
                raise Unavailable(reason)
            self._model = load_checkpoint(self._build(), self._path(), self.title).to(choose_device(self._device))
        return self._model

    def _path(self) -> Path:
        if self._checkpoint is not None:
            return self._checkpoint
        found = models.verify(self._weights)
        if found.state != "present":
            raise Unavailable(
                f"{self.title}: {found.path} is not the published file (its size or sha256 differs); "
                f"delete it and run 'launch.py models fetch {self._weights}'"
            )
        return found.path


class SamPreparedPhoto(EmbeddedPhoto[SamEmbedding]):
    """A photo with its embedding; a click costs one pass of the small decoder."""

    def __init__(self, owner: SamSegmenter, embedding: SamEmbedding) -> None:
        super().__init__(embedding)
        self._owner = owner

    def decode_prompt(self, prompt: DecoderPrompt) -> tuple[list[Mask], list[float]]:
        """Three masks where the prompt asks for several, else one."""
        clicks, box, given, several = prompt
        predictor = self._predictor()
        side = predictor.model.prompt_encoder.mask_input_size[0]
        with self._owner.lock:
            masks, scores, _ = predictor.predict(
                point_coords=np.array([[c.x, c.y] for c in clicks], np.float32) if clicks else None,
                point_labels=np.array([int(c.positive) for c in clicks], np.int32) if clicks else None,
                box=None if box is None else np.array(box, np.float32),
                mask_input=None if given is None else mask_prompt(given, self.embedding.input_shape, side),
                multimask_output=several,
            )
        return list(masks.astype(np.bool_)), scores.tolist()

    def _predictor(self) -> Any:
        package = import_package(self._owner.package.split()[0])
        with self._owner.lock:
            predictor = package.SamPredictor(self._owner.model())
        predictor.features = self.embedding.features.to(predictor.device)
        predictor.original_size = self.embedding.shape
        predictor.input_size = self.embedding.input_shape
        predictor.is_image_set = True
        return predictor


def _build(package: str, kind: str) -> Callable[[], Any]:
    def build() -> Any:
        return import_package(package).sam_model_registry[kind](checkpoint=None)

    return build


_PIP = "pip install segment-anything"
# mobilesam-mirror is the authors' code (Apache-2.0), packaged; it needs timm, which it does not ask for.
_PIP_MOBILE = "pip install segment-anything mobilesam-mirror timm"


def _sam(kind: str, title: str) -> SamSegmenter:
    build = _build("segment_anything", kind)
    return SamSegmenter(f"sam_{kind}", title, f"sam_{kind}", "segment_anything", _PIP, build)


def vit_h() -> SamSegmenter:
    """Segment Anything, huge."""
    return _sam("vit_h", "SAM huge")


def vit_l() -> SamSegmenter:
    """Segment Anything, large."""
    return _sam("vit_l", "SAM large")


def vit_b() -> SamSegmenter:
    """Segment Anything, base."""
    return _sam("vit_b", "SAM base")


def mobile() -> SamSegmenter:
    """MobileSAM."""
    packages = "mobile_sam timm segment_anything"
    return SamSegmenter("sam_mobile", "MobileSAM", "sam_mobile", packages, _PIP_MOBILE, _build("mobile_sam", "vit_t"))
