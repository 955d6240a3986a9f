"""What the segmenters of the SAM family share: the encoder runs once per photo, its embedding answers many clicks.

A segmenter gives ``encode`` and ``prepared``; a prepared photo gives ``decode_prompt``. One that can also be asked
about many single clicks gives ``content`` and ``decode_points``, and finds all regions by a grid of them.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from core.memory_budget import BUDGET, MemoryBudget, WarmCache, image_key
from core.progress import Steps
from core.segmentation.sam_candidates import FloatArray, bounding_box, clicked_candidates, grid_regions
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, check_prompt, raise_if_cancelled
from core.types import Image, Mask, check_image


class PhotoEmbedding(Protocol):
    """What an encoder gave for one photo."""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        ...


class GridEmbedding(PhotoEmbedding, Protocol):
    """An embedding that says how much of the network's input is padding."""

    @property
    def content(self) -> tuple[float, float]:
        """The share of the network's rows and columns that is photo."""
        ...


class DecoderPrompt(NamedTuple):
    """What a decoder is asked: checked clicks, the box around them, and the mask so far, bool (H, W).

    ``box`` is the person's box, or the bounds of the mask where nothing else was given. A lone click is ambiguous, and
    ``several`` then asks for part, object and whole; a fuller prompt has one answer.
    """

    clicks: Sequence[Click]
    box: Box | None
    mask: Mask | None
    several: bool


EmbeddingT = TypeVar("EmbeddingT", bound=PhotoEmbedding)
GridEmbeddingT = TypeVar("GridEmbeddingT", bound=GridEmbedding)


class EmbeddedPhoto(ABC, Generic[EmbeddingT]):
    """A photo with its embedding; a click costs one pass of the small decoder."""

    def __init__(self, embedding: EmbeddingT) -> None:
        self.embedding = embedding

    @property
    def nbytes(self) -> int:
        """Memory held by the embedding."""
        return self.embedding.nbytes

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        return self.embedding.shape

    @abstractmethod
    def decode_prompt(self, prompt: DecoderPrompt) -> tuple[list[Mask], list[float]]:
        """Masks, bool (H, W) each, and the decoder's score of each."""

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """See core.segmentation.segmenter.PreparedPhoto."""
        checked, box, given = check_prompt(self.shape, clicks, box_xyxy, mask)
        around = bounding_box(given) if given is not None and not checked and box is None else box
        several = len(checked) == 1 and box is None and given is None
        masks, scores = self.decode_prompt(DecoderPrompt(checked, around, given, several))
        return clicked_candidates(masks, scores, checked, box, given)[:3]


class EmbeddedGridPhoto(EmbeddedPhoto[GridEmbeddingT]):
    """An embedded photo whose decoder can be asked about many single clicks, see sam_candidates.GridDecoder."""

    @property
    def content(self) -> tuple[float, float]:
        """The share of the network's rows and columns that is photo."""
        return self.embedding.content

    @abstractmethod
    def decode_points(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """See core.segmentation.sam_candidates.GridDecoder."""


PhotoT = TypeVar("PhotoT", bound=EmbeddedPhoto[Any])
GridPhotoT = TypeVar("GridPhotoT", bound=EmbeddedGridPhoto[Any])


class EmbeddingSegmenter(ABC, Generic[EmbeddingT, PhotoT]):
    """A segmenter that keeps the embeddings of the photos last looked at, within the budget of all caches."""

    def __init__(self, budget: MemoryBudget = BUDGET) -> None:
        self._cache: WarmCache[str, EmbeddingT] = WarmCache(lambda e: e.nbytes, budget=budget)
        # One network: one thread at a time runs it, the others wait.
        self.lock = threading.RLock()

    @abstractmethod
    def encode(self, photo: Image, progress: Steps | None, cancelled: Cancel | None) -> EmbeddingT:
        """Run the encoder; called with the lock held. ``progress`` counts what the encoder can count."""

    @abstractmethod
    def prepared(self, embedding: EmbeddingT) -> PhotoT:
        """The photo of an embedding, ready for clicks."""

    def prepare(self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None) -> PhotoT:
        """Run the encoder, or take what it gave for this photo before."""
        photo = check_image(image)
        raise_if_cancelled(cancelled)
        key = image_key(photo)
        embedding = self._cache.peek(key)
        if embedding is None:
            with self.lock:
                embedding = self._cache.put(key, self.encode(photo, progress, cancelled))
        elif progress is not None:
            progress(1, 1)
        return self.prepared(embedding)


class GridSegmenter(EmbeddingSegmenter[EmbeddingT, GridPhotoT]):
    """An embedding segmenter that finds all regions by a grid of clicks."""

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """What a grid of clicks finds, largest first, cancelled within one batch of points."""
        return grid_regions(self.prepare(image, None, cancelled), progress, cancelled)
