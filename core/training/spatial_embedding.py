"""The spatial embedding e_s: tokens that say where an anomaly is, from its mask by one encoder for all labels.

Name here ↔ symbol in AnomalyDiffusion (section 3.2): MaskEncoder ↔ E, its tokens ↔ e_s (n of them). ``fpn`` is the
paper's encoder: a ResNet-50, a Feature Pyramid Network over its stages, one head a token; norms are over groups of
channels, for batches of four are too small to norm over. ``small`` is a plain network on a 64x64 mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.tokens import embedding_columns, own_embeddings
from core.errors import InputError
from core.types import Mask

EncoderKind = Literal["small", "fpn"]
ENCODER_SIDES: dict[EncoderKind, int] = {"small": 64, "fpn": 256}
"""Side, in pixels, of the masks each encoder reads."""
_POOLED = 4
"""Where something lies is lost in a mean over the whole map, so heads read it at 4x4."""


class MaskEncoder(nn.Module):
    """Masks float (N, 1, S, S) in 0..1 to tokens (N, n, width), in the text encoder's embedding space.

    The tokens are ``start`` (n, width), which is learned too, plus what the mask adds, at first almost nothing: so
    learning starts from words the model knows. ``start``'s deviation gives what is added its scale.
    """

    def __init__(self, kind: EncoderKind, start: Tensor) -> None:
        super().__init__()
        self.kind: EncoderKind = kind
        count, width = start.shape
        self.body = _small() if kind == "small" else _FeaturePyramidEncoder()
        channels = 64 if kind == "small" else _FeaturePyramidEncoder.channels
        self.heads = nn.ModuleList(nn.Linear(channels * _POOLED * _POOLED, width) for _ in range(count))
        for head in self.heads:
            nn.init.normal_(cast(nn.Linear, head).weight, std=0.03)
            nn.init.zeros_(cast(nn.Linear, head).bias)
        self.start = nn.Parameter(start.clone())
        self.register_buffer("scale", start.std().clamp(min=1e-3))

    def forward(self, masks: Tensor) -> Tensor:
        """Tokens (N, n, width) of masks (N, 1, S, S)."""
        found = F.adaptive_avg_pool2d(self.body(masks * 2 - 1), _POOLED).flatten(1)
        # However many and large the body's numbers are, what is added starts small and moves by small steps.
        found = F.layer_norm(found, found.shape[1:]) / found.shape[1] ** 0.5
        added = torch.stack([head(found) for head in self.heads], dim=1)
        return self.start + cast(Tensor, self.scale) * added


def make_encoder(kind: EncoderKind, start: Tensor, seed: int) -> MaskEncoder:
    """A new encoder, its weights drawn from ``seed``; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskEncoder(kind, start)


def load_encoder(kind: EncoderKind, tensors: dict[str, Tensor]) -> MaskEncoder:
    """The encoder whose state is in ``tensors`` (``start`` and the rest by their names)."""
    encoder = make_encoder(kind, tensors["start"], 0)
    encoder.load_state_dict(tensors)
    return encoder.eval()


def encoder_input(kind: EncoderKind, mask: Mask) -> Tensor:
    """A mask bool (H, W) as an encoder reads it: float32 (1, 1, S, S); padded to a square, thin lines kept."""
    height, width = mask.shape
    side = max(height, width)
    square = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = mask
    wanted = ENCODER_SIDES[kind]
    pixels = torch.from_numpy(square)[None, None]
    if side < wanted:
        return F.interpolate(pixels, (wanted, wanted), mode="nearest")
    return F.adaptive_max_pool2d(pixels, (wanted, wanted))


class PerPromptEmbedding(nn.Module):
    """An embedding table with rows appended whose vectors differ from prompt to prompt.

    ``rows`` (N, n, width), set before each call, holds those of the batch's N prompts, or (1, n, width) for all;
    ``columns`` are those of this table's text encoder.
    """

    def __init__(self, base: nn.Module, count: int, columns: slice = slice(None)) -> None:
        super().__init__()
        self.base = base
        self.columns = columns
        self.first_id = int(base.num_embeddings)  # type: ignore[arg-type]
        self.embedding_dim = int(base.embedding_dim)  # type: ignore[arg-type]
        self.num_embeddings = self.first_id + count
        self.rows: Tensor | None = None

    @property
    def weight(self) -> Tensor:
        """The table without the rows."""
        return cast(Tensor, self.base.weight)

    def forward(self, ids: Tensor) -> Tensor:
        new = ids >= self.first_id
        known: Tensor = self.base(ids.masked_fill(new, 0))
        if self.rows is None:
            if new.any():
                raise InputError("spatial word: it has no vectors yet; encode a mask first")
            return known
        rows = self.rows[..., self.columns].to(known).expand(len(ids), -1, -1)
        index = (ids - self.first_id).clamp(min=0)[..., None].expand(-1, -1, rows.shape[2])
        return torch.where(new[..., None], rows.gather(1, index), known)


SpatialTables = tuple[PerPromptEmbedding, ...]
"""The tables of all text encoders of a model."""


@contextmanager
def spatial_word(backbone: Backbone, word: str, count: int) -> Iterator[tuple[Backbone, SpatialTables]]:
    """``backbone`` as it understands ``word``, of ``count`` vectors given prompt by prompt; as before when it ends.

    Enter it within core.diffusion.tokens.with_placeholders, so that its ids come last.
    """
    columns = embedding_columns(backbone)
    tables = tuple(
        PerPromptEmbedding(encoder.get_input_embeddings(), count, own)
        for encoder, own in zip(backbone.text_encoders, columns, strict=True)
    )
    known = {**backbone.placeholders, word: tuple(range(tables[0].first_id, tables[0].num_embeddings))}
    with own_embeddings(backbone, tables):
        yield replace(backbone, placeholders=known), tables


def encode_with_spatial(backbone: Backbone, ids: Tensor, tables: SpatialTables, tokens: Tensor) -> Conditioning:
    """The conditioning of padded ``ids`` (N, length) in which the spatial word stands for ``tokens`` (N, n, width)."""
    for table in tables:
        table.rows = tokens
    try:
        return encode_ids(backbone, ids)
    finally:
        for table in tables:
            table.rows = None


def _small() -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels, out in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.GroupNorm(8, out), nn.SiLU()]
    return nn.Sequential(*layers)


class _FeaturePyramidEncoder(nn.Module):
    """ResNet-50 and a Feature Pyramid Network over its last three stages; gives the finest of the fused maps."""

    channels = 256

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet50
        from torchvision.ops import FeaturePyramidNetwork

        net = resnet50(weights=None, norm_layer=lambda channels: nn.GroupNorm(32, channels))
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
        self.stages = nn.ModuleList((net.layer2, net.layer3, net.layer4))
        self.fuse = FeaturePyramidNetwork([512, 1024, 2048], self.channels)

    def forward(self, masks: Tensor) -> Tensor:
        x, found = self.stem(masks.expand(-1, 3, -1, -1)), {}
        for i, stage in enumerate(self.stages):
            x = stage(x)
            found[str(i)] = x
        return cast(Tensor, self.fuse(found)["0"])
