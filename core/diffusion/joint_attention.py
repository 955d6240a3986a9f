"""Controllers on attention in which picture and prompt are one sequence: both are seen as a UNet's layers are.

Of the queries, only the picture's are shown. What they give the prompt's tokens is shown as cross-attention and what
they give the picture's positions as self-attention, each divided by its sum, so that both add up to 1 as they do in a
UNet. What a controller makes of them is multiplied by that sum again: how much of its attention a position gives to
words at all stays the model's own. ``context`` and ``qkv`` have no place here: InputError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.diffusion.joint_denoiser import SEQUENCE_MULTIPLE
from core.errors import InputError

Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class JointLayout:
    """Where what stands in the sequence: the picture's ``shape`` in positions, ``tokens`` of the longest prompt."""

    shape: tuple[int, int]
    tokens: int

    @property
    def picture(self) -> slice:
        """The picture's positions, which come first."""
        return slice(0, self.shape[0] * self.shape[1])

    @property
    def prompt(self) -> slice:
        """The prompt's tokens, after the picture and its padding."""
        start = -(-self.picture.stop // SEQUENCE_MULTIPLE) * SEQUENCE_MULTIPLE
        return slice(start, start + self.tokens)


def attend(
    attn: Any,
    hidden: Tensor,
    mask: Tensor | None,
    rotation: Tensor | None,
    layout: JointLayout,
    logits_seen: dict[bool, Change],
    probs_seen: dict[bool, Change],
) -> Tensor:
    """The layer's output (B, n, C) for ``hidden`` (B, n, C), computed in the open, in float32.

    ``logits_seen`` and ``probs_seen`` change what is shown of logits and probabilities, True for cross-attention.
    """
    q, k, v = (
        made.unflatten(2, (attn.heads, -1)) for made in (attn.to_q(hidden), attn.to_k(hidden), attn.to_v(hidden))
    )
    q = q if attn.norm_q is None else attn.norm_q(q)
    k = k if attn.norm_k is None else attn.norm_k(k)
    if rotation is not None:
        q, k = _rotated(q, rotation), _rotated(k, rotation)
    q, k, v = (made.transpose(1, 2) for made in (q, k, v))
    logits = q.float() @ k.float().transpose(-1, -2) * attn.scale
    if mask is not None:
        shown = mask[:, None, None, :] if mask.ndim == 2 else mask
        logits = logits.masked_fill(~shown, -torch.inf) if shown.dtype == torch.bool else logits + shown
    for cross, change in logits_seen.items():
        part = layout.prompt if cross else layout.picture
        logits = _with(logits, layout.picture, part, change(logits[:, :, layout.picture, part]))
    probs = logits.softmax(dim=-1)
    for cross, change in probs_seen.items():
        part = layout.prompt if cross else layout.picture
        given = probs[:, :, layout.picture, part]
        total = given.sum(dim=-1, keepdim=True)
        probs = _with(probs, layout.picture, part, change(given / total.clamp(min=1e-12)) * total)
    out: Tensor = (probs.to(v.dtype) @ v).transpose(1, 2).flatten(2).to(hidden.dtype)
    for layer in attn.to_out:
        out = layer(out)
    return out


def refuse_points(name: str, points: list[str]) -> None:
    """InputError where a controller acts on what picture and prompt share in such a layer."""
    if points:
        raise InputError(
            f"attention {name}: picture and prompt are one sequence in this model, so {' and '.join(points)} of "
            "either alone cannot be changed; take a model with a UNet (Stable Diffusion 1.5, 2 or XL)"
        )


def _with(whole: Tensor, rows: slice, columns: slice, part: Tensor) -> Tensor:
    """``whole`` (B, heads, n, m) with ``part`` in its place; gradients flow."""
    changed = torch.cat([whole[:, :, rows, : columns.start], part, whole[:, :, rows, columns.stop :]], dim=3)
    return torch.cat([whole[:, :, : rows.start], changed, whole[:, :, rows.stop :]], dim=2)


def _rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """Queries or keys (B, n, heads, d) turned by complex ``rotation`` (B, n, d / 2): rotary position embedding."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation.unsqueeze(2)).flatten(3).type_as(x)
