"""Segment Anything as a segmenter (core.segmentation.sam_network runs it).

Checkpoints are read from the models folder (core.weights). The encoder runs once per photo; what it gives is
kept for the photos last looked at, within the budget of all caches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from core import weights as models
from core.device import choose_device
from core.errors import Unavailable
from core.memory_budget import BUDGET, MemoryBudget, WarmCache, image_key
from core.progress import Steps
from core.segmentation.sam_candidates import bounding_box, clicked_candidates
from core.segmentation.sam_checkpoint import SamEmbedding, load_checkpoint
from core.segmentation.sam_network import encode_photo, generate_masks, import_package, mask_prompt
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, check_prompt, raise_if_cancelled
from core.types import Image, Mask, check_image

_MIN_REGION = 1e-4
"""Share of the photo below which an automatic region is dust."""


class SamSegmenter:
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
        self.name, self.title = name, title
        self._weights, self._package, self._install, self._build = weights_name, package, install, build
        self._checkpoint, self._device, self._points = checkpoint, device, points_per_side
        self._model: Any = None
        self._cache: WarmCache[str, SamEmbedding] = WarmCache(lambda e: e.nbytes, budget=budget)
        # One network: one thread at a time runs it, the others wait.
        self._lock = threading.RLock()

    def available(self) -> str | None:
        """None, or the pip line or the fetch command that makes it available."""
        missing = [m for m in self._package.split() if find_spec(m) is None]
        if missing:
            return f"{self.title}: run '{self._install}'"
        if self._checkpoint is None and models.find_weights(self._weights) is None:
            row = models.weight_file(self._weights)
            return (
                f"{self.title}: fetch {row.file} ({row.size / 1e6:.0f} MB) on the Models tab or with "
                f"'launch.py models fetch {row.name}', or put it into {models.models_dir()}"
            )
        return None

    def prepare(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> SamPreparedPhoto:
        """Run the encoder, or take what it gave for this photo before. ``progress`` counts encoder blocks."""
        photo = check_image(image)
        raise_if_cancelled(cancelled)
        key = image_key(photo)
        embedding = self._cache.peek(key)
        if embedding is None:
            with self._lock:
                model = self._load()
                embedding = self._cache.put(key, encode_photo(model, photo, progress, cancelled))
        elif progress is not None:
            progress(1, 1)
        return SamPreparedPhoto(self, embedding)

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """SAM's automatic mask generator, largest first, cancelled within one batch of points."""
        photo = check_image(image)
        with self._lock:
            model = self._load()
            found = generate_masks(self._package.split()[0], model, photo, self._points, progress, cancelled)
        least = _MIN_REGION * photo.shape[0] * photo.shape[1]
        found = [c for c in found if np.count_nonzero(c.mask) >= least]
        return sorted(found, key=lambda c: -int(np.count_nonzero(c.mask)))

    def _load(self) -> Any:
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


class SamPreparedPhoto:
    """A photo with its embedding; a click costs one pass of the small decoder."""

    def __init__(self, owner: SamSegmenter, embedding: SamEmbedding) -> None:
        self._owner, self._embedding = owner, embedding

    @property
    def nbytes(self) -> int:
        """Memory held by the embedding."""
        return self._embedding.nbytes

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """See core.segmentation.segmenter.Prepared."""
        checked, box, given = check_prompt(self._embedding.shape, clicks, box_xyxy, mask)
        points = np.array([[c.x, c.y] for c in checked], np.float32) if checked else None
        labels = np.array([int(c.positive) for c in checked], np.int32) if checked else None
        predictor = self._predictor()
        side = predictor.model.prompt_encoder.mask_input_size[0]
        prior = mask_prompt(given, self._embedding.input_shape, side) if given is not None else None
        if given is not None and points is None and box is None:
            around: Box | None = bounding_box(given)
        else:
            around = box
        # A lone click is ambiguous and gets part, object and whole; a fuller prompt has one answer.
        several = len(checked) == 1 and box is None and given is None
        with self._owner._lock:
            masks, scores, _ = predictor.predict(
                point_coords=points,
                point_labels=labels,
                box=None if around is None else np.array(around, np.float32),
                mask_input=prior,
                multimask_output=several,
            )
        return clicked_candidates(list(masks.astype(np.bool_)), scores.tolist(), checked, box, given)

    def _predictor(self) -> Any:
        package = import_package(self._owner._package.split()[0])
        with self._owner._lock:
            predictor = package.SamPredictor(self._owner._load())
        predictor.features = self._embedding.features.to(predictor.device)
        predictor.original_size = self._embedding.shape
        predictor.input_size = self._embedding.input_shape
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
