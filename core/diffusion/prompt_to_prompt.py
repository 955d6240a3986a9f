"""Prompt-to-prompt: the words of an edited prompt look where words of the photo's own prompt look (Hertz et al. 2022).

Where they look on the photo is taken at t = 0 (``PhotoAttention``), where it is sharpest, and holds for every step.
What lies outside the edited places is at each step that of the photo's inversion, which therefore need not run
along; only where shapes are kept does it, as the first row of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.attention import AttentionController, AttentionSite, attention_control, cross_attention_levels
from core.diffusion.backbone import Backbone, predict_noise
from core.diffusion.conditioning import Conditioning
from core.diffusion.sampling import AfterStep, BeforeStep, NoisePredictor, SamplingSchedule, SamplingStep, invert
from core.diffusion.tokens import encode_text, token_spans
from core.diffusion.word_attention import AttentionStore


@dataclass(frozen=True)
class InvertedPhoto:
    """Where a word gets its attention from: that of the tokens ``old`` of the photo's prompt.

    ``keep`` float32 (1, 1, H, W) in 0..1, at any size, says where it counts; None: everywhere. It is then moved by
    ``shift`` (down, right), in shares of the map.
    """

    old: tuple[int, ...]
    keep: Tensor | None = None
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class TokenMap:
    """The tokens ``tokens`` of the edited prompt share the attention of all ``sources``, times ``weight``."""

    tokens: tuple[int, ...]
    sources: tuple[InvertedPhoto, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class PhotoAttention:
    """The attention of some ``tokens`` on a picture at t = 0: (heads, positions, tokens) by the name of the site."""

    tokens: tuple[int, ...]
    maps: Mapping[str, Tensor]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return sum(maps.nbytes for maps in self.maps.values())

    def total(self, site: AttentionSite, tokens: Sequence[int]) -> Tensor:
        """(heads, positions) float32: what these tokens get together."""
        return self.maps[site.name][..., [self.tokens.index(t) for t in tokens]].float().sum(dim=-1)


class _AttentionCapture(AttentionController):
    """Keeps what passes, of the batch's last row."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = list(tokens)
        self.maps: dict[str, Tensor] = {}

    def wants(self, site: AttentionSite) -> bool:
        return site.cross

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        self.maps[site.name] = probs[-1][..., self._tokens].half()
        return probs


class AttentionReplace(AttentionController):
    """Writes the linked attention into the last row of the batch, the edited prompt's.

    What the linked words leave of a place's attention, all others share as they would. While ``structure`` is set the
    maps' own attention (self-attention, up to 16x16) is that of the first row, the photo's, which keeps shapes.
    """

    def __init__(self, links: Sequence[TokenMap], still: PhotoAttention) -> None:
        self._token_maps = tuple(links)
        self._photo_attention = still
        self.active = True
        self.structure = False

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        """See the class. ``probs`` is (rows, heads, positions, tokens)."""
        if not site.cross:
            return probs[:1].expand_as(probs) if self.structure and max(site.shape) <= 16 else probs
        if not self.active or not self._token_maps:
            return probs
        row = probs[-1].clone()
        named = sorted({t for link in self._token_maps for t in link.tokens})
        written = torch.zeros_like(row)
        for link in self._token_maps:
            share = self._share(link, site, row) * (link.weight / len(link.tokens))
            written[..., list(link.tokens)] += share[..., None]
        row[..., named] = 0
        total = written.sum(dim=-1, keepdim=True)
        written = written / total.clamp(min=1.0)
        row = row / row.sum(dim=-1, keepdim=True).clamp(min=1e-6) * (1 - total.clamp(max=1.0))
        return torch.cat([probs[:-1], (row + written)[None]])

    def _share(self, link: TokenMap, site: AttentionSite, like: Tensor) -> Tensor:
        """(heads, positions): the attention that all of the link's sources give."""
        h, w = site.shape
        out = torch.zeros(len(like), h, w, dtype=like.dtype, device=like.device)
        for source in link.sources:
            seen = self._photo_attention.total(site, source.old).to(like).reshape(-1, h, w)
            if source.keep is not None:
                seen = seen * F.interpolate(source.keep.to(seen), (h, w), mode="area")[0]
            out = out + moved(seen, round(source.shift[0] * h), round(source.shift[1] * w))
        return out.flatten(1)


def moved(maps: Tensor, down: int, right: int) -> Tensor:
    """Maps (..., h, w) moved by whole cells; what comes in at the border is 0."""
    h, w = maps.shape[-2:]
    out = torch.zeros_like(maps)
    if abs(down) < h and abs(right) < w:
        rows, columns = slice(max(0, down), h + min(0, down)), slice(max(0, right), w + min(0, right))
        back_rows, back_columns = slice(max(0, -down), h - max(0, down)), slice(max(0, -right), w - max(0, right))
        out[..., rows, columns] = maps[..., back_rows, back_columns]
    return out


@dataclass(frozen=True)
class MovedCells:
    """Cells ``mask`` float32 (1, 1, h, w) in 0..1 that show the photo's own latents from elsewhere, moved by so many
    cells."""

    mask: Tensor
    down: int
    right: int


@dataclass
class PromptToPromptEdit:
    """A guided model (``sampling.NoisePredictor``) that follows a photo for the first steps; also the hooks it needs.

    ``path`` is the photo's inversion (sampling.invert) and ``still`` where its words look, ``region`` float32
    (1, 1, h, w) in 0..1 where the edit may draw; elsewhere the latents are the photo's at every step. Where something
    is ``moved_cells`` they are the photo's from elsewhere. ``follow`` and ``structure`` are shares of the steps.
    """

    backbone: Backbone
    inversion: Sequence[Tensor]
    photo_attention: PhotoAttention
    region: Tensor
    photo_prompt: Conditioning
    prompt: Conditioning
    token_maps: Sequence[TokenMap]
    guidance: float = 3.0
    follow: float = 0.6
    structure: float = 0.0
    negative: Conditioning | None = None
    moved_cells: Sequence[MovedCells] = ()
    controller: AttentionReplace = field(init=False)
    _step: SamplingStep | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.controller = AttentionReplace(self.token_maps, self.photo_attention)
        if self.negative is None:
            self.negative = encode_text(self.backbone, [""])

    def before(self, x: Tensor, step: SamplingStep) -> Tensor:
        """Outside the region the photo's own latents of this step."""
        self._step = step
        share = step.index / step.count
        self.controller.active = share < self.follow
        self.controller.structure = share < self.structure
        return self._with_photo(x, self.inversion[step.index])

    def after(self, x: Tensor, step: SamplingStep, x0: Tensor) -> Tensor:
        """After the last step the photo's own latents outside the region."""
        return self._with_photo(x, self.inversion[-1]) if step.last else x

    def _with_photo(self, x: Tensor, photo: Tensor) -> Tensor:
        x = x * self.region + photo * (1 - self.region)
        for one in self.moved_cells:
            x = x * (1 - one.mask) + moved(photo, one.down, one.right) * one.mask
        return x

    def model(self, x: Tensor, t: int) -> Tensor:
        """The noise in ``x`` (1, C, h, w), with guidance; the photo's row runs along while its shapes are kept."""
        assert self._step is not None and self.negative is not None
        rows, prompts = [x], [self.prompt]
        if self.guidance != 1:
            rows, prompts = [x, *rows], [self.negative, *prompts]
        if self.controller.structure:
            rows, prompts = [self.inversion[self._step.index], *rows], [self.photo_prompt, *prompts]
        out = predict_noise(self.backbone, torch.cat(rows), t, Conditioning.cat(prompts))
        return out[-1:] if self.guidance == 1 else out[-2:-1] + self.guidance * (out[-1:] - out[-2:-1])

    def hooks(self) -> tuple[list[BeforeStep], list[AfterStep]]:
        """For sampling.sample."""
        return [self.before], [self.after]


def working_shape(backbone: Backbone, shape: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of the whole photo at the model's own size: its longer side, in multiples the model takes."""
    scale, unit = backbone.side / max(shape), backbone.multiple
    h, w = (max(unit, round(n * scale / unit) * unit) for n in shape)
    return h, w


def attention_side(backbone: Backbone, latents: Tensor) -> int:
    """The longer side of the attention maps to read: the model's own nearest to 16 from below, else its coarsest."""
    longest = max(latents.shape[-2:])
    # Halving rounds up at each level.
    sides = [-(-longest // (1 << level)) for level in cross_attention_levels(backbone.unet)]
    return next((side for side in sides if side <= 16), sides[-1])


@torch.no_grad()
def read_photo_attention(
    backbone: Backbone, path: Sequence[Tensor], prompt: Conditioning, tokens: Sequence[int], t: int
) -> PhotoAttention:
    """Where ``tokens`` of a ``prompt`` look on an inverted picture, at its last step from noise, ``t``."""
    keep = _AttentionCapture(tokens)
    with attention_control(backbone.unet, keep):
        predict_noise(backbone, path[-2], t, prompt)
    return PhotoAttention(tuple(tokens), keep.maps)


@torch.no_grad()
def read_component_maps(
    backbone: Backbone,
    z0: Tensor,
    pieces: Sequence[tuple[str, int | None]],
    schedule: SamplingSchedule | None,
    cancelled: Callable[[], bool] | None = None,
) -> Tensor:
    """A_0 of ComGEN: one map float32 (p, h, w) on the CPU for each component, mean over heads and 16x16 layers.

    ``z0`` (1, C, h, w) are a picture's latents, ``pieces`` a prompt with the component that each piece names (None
    for none). The picture is carried one step of ``schedule`` towards noise (eq. 8) and the pass that brings it back
    (eq. 9) is looked at; without a schedule it is the picture itself, at t = 0 exactly, as the paper writes it.
    """
    words = [text for text, _ in pieces]
    places = token_spans(backbone, words)
    prompt = encode_text(backbone, ["".join(words)])
    model: NoisePredictor = lambda x, t: predict_noise(backbone, x, t, prompt)  # noqa: E731
    x, t = z0, 0
    if schedule is not None:
        last = SamplingSchedule(schedule.timesteps[-1:], schedule.levels[-2:])
        x, t = invert(model, z0, last, rounds=1, cancelled=cancelled), last.timesteps[0]
    seen = AttentionStore(None, (attention_side(backbone, z0),))
    with attention_control(backbone.unet, seen):
        model(x, t)
    maps = seen.maps()
    count = 1 + max((i for _, i in pieces if i is not None), default=-1)
    out = torch.zeros(count, *maps.shape[1:])
    for (_, i), at in zip(pieces, places, strict=True):
        if i is not None:
            out[i] += maps[list(at)].sum(dim=0)
    return out
