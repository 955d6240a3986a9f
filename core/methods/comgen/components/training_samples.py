"""What components are learned from: photos of good parts in several views, each with its sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

from core.device import numpy_rng
from core.diffusion.backbone import Backbone
from core.diffusion.prompt_to_prompt import attention_side, working_shape
from core.diffusion.tokens import token_spans
from core.images.geometry import resized
from core.methods.comgen.components.attention_loss import Wanted
from core.methods.comgen.components.learning_settings import PRESETS, ComponentLearningParams, ComponentPreset
from core.methods.comgen.components.sentences import ComponentSentences
from core.training.training_samples import PromptSamples, TrainingSample, encode_samples
from core.types import Image, NormalImage, Region


@dataclass(frozen=True)
class ComponentPhoto:
    """A good part and its named regions, which may be none."""

    normal: NormalImage
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class ComponentSamples(PromptSamples):
    """Samples, and where the words of each should look; ``wanted`` is empty where attention is not learned from."""

    wanted: tuple[Wanted, ...] = field(kw_only=True)


def encode_photos(
    backbone: Backbone,
    photos: Sequence[ComponentPhoto],
    sentences: ComponentSentences,
    params: ComponentLearningParams,
    cancelled: Callable[[], bool],
    number: int = 0,
) -> ComponentSamples:
    """Each photo in several views, with its sentence, and where the words should look in each.

    The first view is the photo as it is; those of a later round, counted by ``number``, are all drawn anew.
    ``backbone`` understands the words of ``sentences``. Cancelled between photos.
    """
    preset, shape = PRESETS[params.preset], _shape(backbone, photos)
    guides = _Guides(backbone, sentences, shape, _grid(backbone, shape)) if params.attention else None
    samples, wanted = list[TrainingSample](), list[Wanted]()
    rng = numpy_rng(params.seed, "views", *([number] if number else []))
    for photo in photos:
        prompt = sentences.prompt_for(photo.regions)
        pixels = resized(photo.normal.pixels, shape)
        covers = guides.covers(photo) if guides is not None else {}
        for k in range(params.views):
            move = _motion(rng, shape, preset) if k or number else np.eye(2, 3, dtype=np.float32)
            template = preset.templates[int(rng.integers(len(preset.templates)))]
            before, after = template.split("{}")
            samples.append(TrainingSample(_moved(pixels, move), f"{before}{prompt.text}{after}"))
            if guides is not None:
                wanted.append(guides.wanted([(before, None), *prompt.pieces(), (after, None)], covers, move))
    ready = encode_samples(backbone, samples, text_frozen=False, cancelled=cancelled)
    return ComponentSamples(ready.latents, ready.masks, ready.ids, wanted=tuple(wanted))


def identity(photos: Sequence[ComponentPhoto]) -> Iterator[bytes]:
    """Photos and regions as bytes, by which a run of learning is told from another."""
    for photo in photos:
        yield photo.normal.id.encode()
        for region in photo.regions:
            yield region.name.encode() + np.packbits(region.mask).tobytes()


@dataclass(frozen=True)
class _Guides:
    """Tells where words should look, in maps of ``grid`` cells, on photos brought to ``shape``."""

    backbone: Backbone
    sentences: ComponentSentences
    shape: tuple[int, int]
    grid: tuple[int, int]

    def covers(self, photo: ComponentPhoto) -> dict[str, np.ndarray]:
        """float32 (h, w) by name: where regions of that component lie."""
        out: dict[str, np.ndarray] = {}
        for name in self.sentences.names:
            masks = [r.mask for r in photo.regions if self.sentences.stands_for(name, r)]
            if masks:
                union = np.logical_or.reduce(masks).astype(np.float32)
                out[name] = cv2.resize(union, self.shape[::-1], interpolation=cv2.INTER_AREA)
        return out

    def wanted(
        self, pieces: Sequence[tuple[str, int | None]], covers: Mapping[str, np.ndarray], move: np.ndarray
    ) -> Wanted:
        """Where the words of a prompt's ``pieces`` should look on a photo that was moved by ``move``."""
        pieces = [piece for piece in pieces if piece[0]]
        by_word = {word: name for name, word in self.sentences.words.items()}
        at, cells = [], []
        for (text, chip), places in zip(pieces, token_spans(self.backbone, [text for text, _ in pieces]), strict=True):
            if chip is not None and text in by_word and by_word[text] in covers:
                moved = cv2.warpAffine(covers[by_word[text]], move, covers[by_word[text]].shape[::-1])
                at.append(places)
                cells.append(torch.from_numpy(cv2.resize(moved, self.grid[::-1], interpolation=cv2.INTER_AREA)))
        return Wanted(tuple(at), torch.stack(cells) if cells else torch.zeros(0, *self.grid))


def _shape(backbone: Backbone, photos: Sequence[ComponentPhoto]) -> tuple[int, int]:
    """The size, at the model's side, that most photos have; the others are brought to it."""
    shapes = [working_shape(backbone, p.normal.shape) for p in photos]
    return max(dict.fromkeys(shapes), key=shapes.count)


def _grid(backbone: Backbone, shape: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of the attention maps that are read of a picture of ``shape``."""
    latents = torch.zeros(1, 1, shape[0] // backbone.vae_scale_factor, shape[1] // backbone.vae_scale_factor)
    side, longest = attention_side(backbone, latents), max(latents.shape[2:])
    return side * latents.shape[2] // longest, side * latents.shape[3] // longest


def _motion(rng: np.random.Generator, shape: tuple[int, int], preset: ComponentPreset) -> np.ndarray:
    """A small turn and a crop, as a float32 (2, 3) matrix: no border comes into the picture unless by the turn."""
    h, w = shape
    zoom = rng.uniform(1.0, preset.zoom)
    matrix = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-preset.turn, preset.turn), zoom)
    room = (zoom - 1) / 2
    matrix[:, 2] += (rng.uniform(-room, room) * w, rng.uniform(-room, room) * h)
    return np.asarray(matrix, np.float32)


def _moved(pixels: Image, move: np.ndarray) -> Image:
    moved = cv2.warpAffine(
        pixels, move, pixels.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(moved, np.uint8)
