"""The photo inverted, edited under its component prompt, and read back. Loads torch; the engine imports it late."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.diffusion.attention import attention_control
from core.diffusion.backbone import Backbone, decode, encode_image
from core.diffusion.model_crop import latent_previewer
from core.diffusion.prompt_to_prompt import (
    InvertedPhoto,
    MovedCells,
    PhotoAttention,
    PromptToPromptEdit,
    TokenMap,
    read_component_maps,
    read_photo_attention,
    working_shape,
)
from core.diffusion.sampling import (
    SamplingSchedule,
    classifier_free_guidance,
    draw_noise,
    invert,
    make_schedule,
    sample,
)
from core.diffusion.tokens import encode_text, token_spans
from core.images.geometry import covered, resized
from core.memory_budget import WarmCache, image_key
from core.methods.comgen.component_prompt import ComponentPrompt
from core.methods.comgen.edit_plan import AttentionTarget, EditPlan, MovedComponent
from core.methods.comgen.prompt_edits import EditedPrompt
from core.methods.comgen.residual import AttentionDiff, attention_diff
from core.methods.comgen.settings import AttentionStep, ComGenParams
from core.progress import PreviewedSteps
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

INVERSION_ROUNDS, INVERSION_TOLERANCE = 2, 1e-2
"""Of the inversion (sampling.invert): the photo is kept by its path, so its end need not lead back to the last bit."""
CELL_SHARE = 0.35
"""Of a latent cell inside the region, from which it is drawn anew."""


@dataclass(frozen=True)
class Held:
    """A photo as the model has it. ``pixels`` and ``reconstructed`` (through the autoencoder) are uint8 (h, w, 3) of
    the model's size; ``path`` is the inversion, noisiest first, its last entry the photo's latents; ``still`` is
    where the components' words look."""

    pixels: Image
    reconstructed: Image
    schedule: SamplingSchedule
    path: tuple[Tensor, ...]
    photo_attention: PhotoAttention
    prompt: ComponentPrompt
    _read: dict[str, Floats] = field(default_factory=dict, repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return (
            self.pixels.nbytes
            + self.reconstructed.nbytes
            + self.photo_attention.nbytes
            + sum(x.nbytes for x in self.path)
        )

    def component_maps(
        self, backbone: Backbone, prompt: ComponentPrompt, read_at: AttentionStep = "first step"
    ) -> Floats:
        """Attention maps float32 (p, h, w) of the prompt's components (A_0^norm), read once."""
        key = f"{read_at}/{prompt.text}"
        if key not in self._read:
            self._read[key] = read_attention(backbone, self.path[-1], prompt, self.schedule, read_at)
        return self._read[key]


@dataclass(frozen=True)
class EditedImage:
    """What came out: ``image`` uint8 (h, w, 3) of the model's size, and how its attention differs from the photo's."""

    image: Image
    attention_diff: AttentionDiff


_inversion_cache: weakref.WeakKeyDictionary[Any, WarmCache[str, Held]] = weakref.WeakKeyDictionary()
"""Inversions by model, kept warm for the next edit of their photos: about a megabyte each with the shipped one."""


def invert_photo(
    backbone: Backbone,
    photo: Image,
    prompt: ComponentPrompt,
    steps: int,
    progress: PreviewedSteps,
    cancelled: Callable[[], bool],
) -> Held:
    """``photo`` inverted under ``prompt`` (eq. 8), kept for the next edit of it. Cancelled within a step."""
    key = "/".join((image_key(photo), str(steps), backbone.name, prompt.text))
    kept = _inversion_cache.setdefault(backbone.unet, WarmCache(lambda one: one.nbytes))
    return kept.get(key, lambda: _inverted(backbone, photo, prompt, steps, progress, cancelled))


def _inverted(
    backbone: Backbone,
    photo: Image,
    prompt: ComponentPrompt,
    steps: int,
    progress: PreviewedSteps,
    cancelled: Callable[[], bool],
) -> Held:
    pixels = resized(photo, working_shape(backbone, (photo.shape[0], photo.shape[1])))
    schedule, z0 = make_schedule(backbone.noise_schedule, steps), encode_image(backbone, pixels)
    conditioning = encode_text(backbone, [prompt.text])
    model = classifier_free_guidance(backbone, conditioning)
    path: list[Tensor] = []

    def show(done: int, count: int, _: Tensor) -> None:
        progress(done, 2 * count, None)

    invert(
        model,
        z0,
        schedule,
        rounds=INVERSION_ROUNDS,
        tolerance=INVERSION_TOLERANCE,
        path=path,
        progress=show,
        cancelled=cancelled,
    )
    tokens = sorted(t for at in word_positions(backbone, prompt).values() for t in at)
    still = read_photo_attention(backbone, path, conditioning, tokens, schedule.timesteps[-1])
    return Held(pixels, decode(backbone, z0)[0], schedule, tuple(path), still, prompt)


def read_attention(
    backbone: Backbone,
    z0: Tensor,
    prompt: ComponentPrompt,
    schedule: SamplingSchedule,
    read_at: AttentionStep = "first step",
) -> Floats:
    """A_0 of a picture's latents: float32 (p, h, w)."""
    step = schedule if read_at == "first step" else None
    return np.asarray(read_component_maps(backbone, z0, prompt.pieces(), step).numpy(), np.float32)


def draw_edit(
    backbone: Backbone,
    held: Held,
    edited: EditedPrompt,
    plan: EditPlan,
    params: ComGenParams,
    generator: torch.Generator,
    progress: PreviewedSteps,
    cancelled: Callable[[], bool],
) -> EditedImage:
    """The photo under its edited prompt (section III-B), drawn inside the plan's region, and eqs. 7 and 10 on it."""
    z0 = held.path[-1]
    fresh = _cells(plan.fresh, (z0.shape[2], z0.shape[3])).to(z0.device)
    edit = _prompt_to_prompt(backbone, held, edited, plan, params)
    noise = draw_noise(z0.shape, generator, z0)
    before, after = edit.hooks()
    sketch, every = latent_previewer(z0, held.pixels), max(1, len(held.schedule.timesteps) // 5)

    def show(done: int, count: int, x0: Tensor) -> None:
        progress(count + done, 2 * count, sketch(x0) if done % every == 0 else None)

    with attention_control(backbone.unet, edit.controller):
        x = sample(
            edit.model,
            held.path[0] * (1 - fresh) + noise * fresh,
            held.schedule,
            before=before,
            after=after,
            progress=show,
            cancelled=cancelled,
        )
    asked = reading_prompt(edited)
    gen = read_attention(backbone, x, asked, held.schedule, params.read_at)
    norm = held.component_maps(backbone, asked, params.read_at)
    names = [chip.name for chip in asked.components]
    shape = (held.pixels.shape[0], held.pixels.shape[1])
    return EditedImage(decode(backbone, x)[0], attention_diff(norm, gen, names, shape))


def _prompt_to_prompt(
    backbone: Backbone, held: Held, edited: EditedPrompt, plan: EditPlan, params: ComGenParams
) -> PromptToPromptEdit:
    """The edit of the held photo inside the plan's region."""
    z0 = held.path[-1]
    restyled = not any(act.comes_or_goes for act in plan.acts)
    weighted = any(chip.weight != 1 for chip in edited.after.components)
    return PromptToPromptEdit(
        backbone,
        held.path,
        held.photo_attention,
        _cells(plan.region, (z0.shape[2], z0.shape[3])).to(z0.device),
        encode_text(backbone, [edited.before.text]),
        encode_text(backbone, [edited.after.text]),
        _token_maps(backbone, edited, plan.looks),
        guidance=params.guidance,
        follow=1.0 if weighted else params.follow,
        structure=params.structure if restyled else 0.0,
        moved_cells=[_moved_cells(one, z0, backbone.vae_scale_factor) for one in plan.carried],
    )


def reading_prompt(edited: EditedPrompt) -> ComponentPrompt:
    """What both pictures are read with: the good part's components, then those that only the edit names."""
    known = {chip.noun for chip in edited.before.components}
    new = tuple(chip for chip in edited.after.components if chip.noun not in known)
    return ComponentPrompt(edited.before.title, (*edited.before.components, *new))


def _token_maps(
    backbone: Backbone, edited: EditedPrompt, looks: Sequence[Sequence[AttentionTarget]]
) -> list[TokenMap]:
    old, new = (word_positions(backbone, prompt) for prompt in (edited.before, edited.after))
    links = []
    for j, (chip, sources) in enumerate(zip(edited.after.components, looks, strict=True)):
        found = [InvertedPhoto(old[s.old], None if s.keep is None else _soft(s.keep), s.shift) for s in sources]
        if found:
            links.append(TokenMap(new[j], tuple(found), chip.weight))
    return links


def word_positions(backbone: Backbone, prompt: ComponentPrompt) -> dict[int, tuple[int, ...]]:
    """Positions in the padded prompt of each chip's word."""
    pieces = prompt.pieces()
    at = token_spans(backbone, [text for text, _ in pieces])
    out: dict[int, tuple[int, ...]] = {}
    for (_, i), places in zip(pieces, at, strict=True):
        if i is not None:
            out[i] = out.get(i, ()) + places
    return out


def _moved_cells(one: MovedComponent, z0: Tensor, factor: int) -> MovedCells:
    cells = _cells(one.with_ground, (z0.shape[2], z0.shape[3])).to(z0.device)
    return MovedCells(cells, one.shift[0] // factor, one.shift[1] // factor)


def _soft(mask: Mask) -> Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None, None]


def _cells(mask: Mask, shape: tuple[int, int]) -> Tensor:
    """Latent cells float32 (1, 1, h, w), 1 where enough of the mask falls; the fullest one at least."""
    return torch.from_numpy(covered(mask, shape, CELL_SHARE).astype(np.float32))[None, None]
