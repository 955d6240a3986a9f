"""What an anomaly is learned from: the examples' windows as latents, masks and prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.device import numpy_rng
from core.diffusion.backbone import Backbone
from core.errors import InputError
from core.images.square_crop import Framing
from core.training.example_crops import (
    DefectTarget,
    ExampleView,
    brightness_ratio,
    cropped_view,
    defect_targets,
    normal_crops,
    usable_examples,
)
from core.training.learning_settings import LearningPreset
from core.training.spatial_embedding import ENCODER_SIDES, encoder_input
from core.training.training_samples import PromptSamples, TrainingSample, encode_samples
from core.types import AnomalyExample, Mask, NormalImage

_MIN_EXAMPLES_TO_SPLIT, _HELD_SHARE, _MAX_HELD_OUT = 6, 0.2, 3
_SURFACES = 96


@dataclass(frozen=True)
class TrainingExamples:
    """The defects of each label, with the window each is seen in, and a note on every example left out."""

    targets: Mapping[str, tuple[DefectTarget, ...]]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[AnomalyExample]], framing: Framing) -> TrainingExamples:
        """From label → examples, seen as ``framing`` says. InputError or MaskError where a label has none."""
        if not groups:
            raise InputError("nothing to learn: there are no real anomalies; import some with their masks")
        found: dict[str, tuple[DefectTarget, ...]] = {}
        notes: list[str] = []
        for label, examples in groups.items():
            if not examples:
                raise InputError(f"label {label!r}: there is no real anomaly of it; import some with their masks")
            kept, dropped = usable_examples(examples)
            found[label] = tuple(t for e in kept for t in defect_targets(e, framing))
            notes += dropped
            if len(kept) == 1:
                notes.append(f"{label}: learned from a single example, so all that is made will look alike; add more")
        return cls(found, tuple(notes))

    @property
    def defects(self) -> int:
        """How many defects there are, over all labels."""
        return sum(len(found) for found in self.targets.values())

    @property
    def extent(self) -> float:
        """The usual side of a window in photo pixels."""
        return float(np.median([t.extent for found in self.targets.values() for t in found]))

    def label_of(self, target: DefectTarget) -> str:
        """The label under which ``target`` is one of these."""
        return next(label for label, found in self.targets.items() if any(t is target for t in found))

    def identity(self) -> Iterator[bytes]:
        """Labels, photos and masks as bytes, by which a run of learning is told from another."""
        for label, found in self.targets.items():
            yield label.encode()
            for target in found:
                yield target.example.id.encode() + np.packbits(target.example.mask).tobytes()

    def summary(self) -> dict[str, Any]:
        """What a concept notes of its examples, as JSON values."""
        ids = {label: [t.example.id for t in found] for label, found in self.targets.items()}
        return {"examples": ids, "tones": self.tones()}

    def tones(self) -> dict[str, list[list[float]]]:
        """Brightness of the defects against what is around them, per channel, for each label (example_crops.tone)."""
        found: dict[str, list[list[float]]] = {}
        for label, there in self.targets.items():
            seen = [brightness_ratio(ExampleView(t.example.pixels, t.defect)) for t in there]
            found[label] = [[round(x, 4) for x in one] for one in seen if one]
        return found


@dataclass(frozen=True)
class SpatialSamples(PromptSamples):
    """Samples with the masks float32 (N, 1, S, S) that the mask encoder reads for them."""

    encoder_masks: Tensor = field(kw_only=True)


def split_held_out(examples: TrainingExamples, validate: bool) -> tuple[list[DefectTarget], list[DefectTarget]]:
    """Targets to learn from and to validate on. Labels with few examples keep all of them to learn from."""
    learning: list[DefectTarget] = []
    holding: list[DefectTarget] = []
    for found in examples.targets.values():
        ids = list(dict.fromkeys(t.example.id for t in found))
        count = (
            min(_MAX_HELD_OUT, round(_HELD_SHARE * len(ids))) if validate and len(ids) >= _MIN_EXAMPLES_TO_SPLIT else 0
        )
        # Taken from all over the list, for neighbours are often shots of one part.
        kept_back = {ids[(i + 1) * len(ids) // (count + 1)] for i in range(count)}
        learning += [t for t in found if t.example.id not in kept_back]
        holding += [t for t in found if t.example.id in kept_back]
    return learning, holding


def encode_views(
    backbone: Backbone,
    examples: TrainingExamples,
    found: Sequence[DefectTarget],
    preset: LearningPreset,
    prompt: Callable[[str, np.random.Generator], str],
    seed: tuple[int, int],
    normals: Sequence[NormalImage],
    cancelled: Callable[[], bool],
) -> SpatialSamples:
    """``preset.views`` views of each target, encoded; with ``normals`` a good surface for every fourth of them."""
    labels = {id(t): label for label, all_of in examples.targets.items() for t in all_of}
    samples: list[TrainingSample] = []
    seen: list[Tensor] = []
    for number, target in enumerate(found):
        for again in range(preset.views):
            rng = numpy_rng(seed[0], "view", seed[1], number, again)
            # The first view shows the window as it is.
            still = again == 0 and not preset.fresh
            shown = cropped_view(target, None if still else rng, preset.motion)
            samples.append(TrainingSample(shown.image, prompt(labels[id(target)], rng), shown.mask))
            seen.append(encoder_input(preset.encoder, shown.mask))
    if normals:
        rng = numpy_rng(seed[0], "surfaces", seed[1])
        crops = normal_crops(normals, max(4, len(samples) // 4), backbone.side, examples.extent, rng)
        samples += [TrainingSample(crop, preset.normal_prompt) for crop in crops]
        seen += [torch.zeros(1, 1, ENCODER_SIDES[preset.encoder], ENCODER_SIDES[preset.encoder])] * len(crops)
    encoded = encode_samples(backbone, samples, text_frozen=False, cancelled=cancelled)
    masks = encoded.masks
    if preset.loss_mask == "bilinear":
        shape = (encoded.latents.shape[2], encoded.latents.shape[3])
        masks = torch.cat([_bilinear(sample.mask, shape) for sample in samples])
    return SpatialSamples(
        encoded.latents, masks, encoded.ids, surroundings=encoded.surroundings, encoder_masks=torch.cat(seen)
    )


def encode_surfaces(
    backbone: Backbone,
    examples: TrainingExamples,
    normals: Sequence[NormalImage],
    preset: LearningPreset,
    seed: int,
    cancelled: Callable[[], bool],
) -> PromptSamples:
    """Crops of good photos, as large as the windows of the defects, all with the prompt of a good surface."""
    crops = normal_crops(normals, _SURFACES, backbone.side, examples.extent, numpy_rng(seed, "product"))
    return encode_samples(
        backbone, [TrainingSample(c, preset.normal_prompt) for c in crops], text_frozen=True, cancelled=cancelled
    )


def _bilinear(mask: Mask | None, shape: tuple[int, int]) -> Tensor:
    """The latent mask of AnomalyDiffusion's code: resized bilinearly, kept from one half on; a thin defect is lost."""
    if mask is None:
        return torch.ones(1, 1, *shape)
    pixels = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    return (F.interpolate(pixels, shape, mode="bilinear", antialias=True) > 0.5).float()
