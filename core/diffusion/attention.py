"""Controllers of the UNet's attention, installed for the time of a ``with`` block.

A controller may act at five points of every attention site:

    context  what keys and values are made of         (B, m, C)
    qkv      queries, keys, values   each (B, heads, n, d)
    logits   before the softmax      (B, heads, n, m), float32
    probs    after the softmax       (B, heads, n, m), float32
    out      after the output layer, before the residual is added   (B, n, C)

n runs over the positions of a map ``site.shape`` (rows first), m over the same positions (self-attention) or the
prompt's tokens (cross-attention). The site's own fused attention stays where no controller sees logits or probs: then
the model's output is equal to the last bit. Where one does, they are computed in the open, in float32, and an idle
controller changes the output by rounding only (within 1e-4 of its range in float32).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor

from core.diffusion.joint_attention import Change, JointLayout, attend, refuse_points
from core.diffusion.joint_denoiser import JointDenoiser
from core.errors import InputError


@dataclass(frozen=True)
class AttentionSite:
    """One attention layer. ``shape`` (h, w) of its map is known while the model runs, (0, 0) before."""

    name: str
    cross: bool
    place: Literal["down", "mid", "up"]
    heads: int
    shape: tuple[int, int] = (0, 0)


class AttentionController:
    """Does nothing; override ``wants`` and some of the five points."""

    def wants(self, site: AttentionSite) -> bool:
        """Whether to be installed at this site."""
        return True

    def context(self, site: AttentionSite, context: Tensor) -> Tensor:
        """What keys and values are to be made of: the text, or in self-attention the layer's own input."""
        return context

    def qkv(self, site: AttentionSite, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values to use."""
        return q, k, v

    def logits(self, site: AttentionSite, logits: Tensor) -> Tensor:
        """Logits to use."""
        return logits

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        """Probabilities to use."""
        return probs

    def out(self, site: AttentionSite, out: Tensor) -> Tensor:
        """The layer's output to use."""
        return out


@contextmanager
def attention_control(unet: Any, *controllers: AttentionController) -> Iterator[None]:
    """``unet`` under ``controllers``, which act in the order given; as before when the block ends, however it ends.

    Blocks may be nested: the inner controllers act after the outer ones.
    """
    state = _ControllerState()
    before: list[tuple[Any, Any]] = []
    watch = unet.register_forward_pre_hook(state.see, with_kwargs=True)
    try:
        joint = isinstance(unet, JointDenoiser)
        for name, layer in unet.joint_layers() if joint else attention_layers(unet):
            site = _site(name, layer)
            wanted = tuple(c for c in controllers if c.wants(site) or joint and c.wants(replace(site, cross=True)))
            if not wanted:
                continue
            own = layer.processor
            before.append((layer, own))
            outer, own = (own.controllers, own.own) if isinstance(own, _ControlledProcessor) else ((), own)
            made = _JointProcessor if joint else _ControlledProcessor
            layer.set_processor(made(site, (*outer, *wanted), own, state))
        yield
    finally:
        for layer, own in before:
            layer.set_processor(own)
        watch.remove()


def attention_layers(unet: Any) -> list[tuple[str, Any]]:
    """Every attention layer of a UNet with its name, in the order of the modules."""
    return [(n, m) for n, m in unet.named_modules() if hasattr(m, "processor") and hasattr(m, "to_q")]


def cross_attention_levels(unet: Any) -> tuple[int, ...]:
    """How often the latents are halved where the UNet reads the prompt, finest first: (0, 1, 2, 3) for Stable
    Diffusion 1.5, (1, 2) for XL, (1,) for a transformer of patches of 2x2."""
    if isinstance(unet, JointDenoiser):
        return (unet.config.patch.bit_length() - 1,)
    coarsest, found = len(unet.config.block_out_channels) - 1, set[int]()
    for name, layer in attention_layers(unet):
        if layer.is_cross_attention:
            place, _, rest = name.partition(".")
            block = int(rest.split(".")[0]) if place != "mid_block" else coarsest
            found.add(coarsest - block if place == "up_blocks" else block)
    return tuple(sorted(found))


def _site(name: str, layer: Any) -> AttentionSite:
    place: Literal["down", "mid", "up"] = (
        "down" if name.startswith("down") else "up" if name.startswith("up") else "mid"
    )
    return AttentionSite(name, bool(layer.is_cross_attention), place, int(layer.heads))


class _ControllerState:
    """Shape of the latents in the call that runs, and tokens of its longest prompt where they are counted."""

    def __init__(self) -> None:
        self.latents = (0, 0)
        self.tokens = 0
        self.patch = 1

    def see(self, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        x = args[0] if args else kwargs["sample"]
        self.latents = (int(x.shape[-2]), int(x.shape[-1]))
        if isinstance(model, JointDenoiser):
            self.tokens = int(kwargs["added_cond_kwargs"]["valid"].sum(dim=1).max())
            self.patch = model.config.patch

    def map_of(self, positions: int) -> tuple[int, int]:
        h, w = self.latents
        while h * w > positions:
            h, w = -(-h // 2), -(-w // 2)
        return (h, w) if h * w == positions else (1, positions)


@dataclass(frozen=True)
class _ControlledProcessor:
    """What a layer calls in place of ``own``, its processor."""

    site: AttentionSite
    controllers: tuple[AttentionController, ...]
    own: Any
    state: _ControllerState

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        if hidden_states.ndim != 3 or attn.residual_connection or attn.group_norm is not None:
            raise InputError(f"attention {self.site.name}: expected a transformer's attention of (B, n, C)")
        site = replace(self.site, shape=self.state.map_of(hidden_states.shape[1]))
        for c in self.controllers:
            if _overrides(c, "context"):
                known = hidden_states if encoder_hidden_states is None else encoder_hidden_states
                encoder_hidden_states = c.context(site, known)
        if not any(_overrides(c, point) for c in self.controllers for point in ("qkv", "logits", "probs")):
            out: Tensor = self.own(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        else:
            out = self._attend(site, attn, hidden_states, encoder_hidden_states, attention_mask)
        for c in self.controllers:
            out = c.out(site, out)
        return out

    def _attend(
        self,
        site: AttentionSite,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None,
        mask: Tensor | None,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        q, k, v = (
            split.unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for split in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        q = q if attn.norm_q is None else attn.norm_q(q)
        k = k if attn.norm_k is None else attn.norm_k(k)
        if mask is not None:
            mask = attn.prepare_attention_mask(mask, k.shape[2], len(k)).unflatten(0, (len(k), -1))
        for c in self.controllers:
            q, k, v = c.qkv(site, q, k, v)
        if any(_overrides(c, "logits") or _overrides(c, "probs") for c in self.controllers):
            mixed = self._explicit_attention(site, q, k, v, mask, attn.scale)
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=attn.scale)
        out: Tensor = attn.to_out[1](attn.to_out[0](mixed.transpose(1, 2).flatten(2).to(q.dtype)))
        return out

    def _explicit_attention(
        self, site: AttentionSite, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float
    ) -> Tensor:
        logits = q.float() @ k.float().transpose(-1, -2) * scale
        if mask is not None:
            logits = logits + mask
        for c in self.controllers:
            logits = c.logits(site, logits)
        probs = logits.softmax(dim=-1)
        for c in self.controllers:
            probs = c.probs(site, probs)
        return probs.to(v.dtype) @ v


class _JointProcessor(_ControlledProcessor):
    """The same where picture and prompt are one sequence; see core.diffusion.joint_attention."""

    def __call__(  # type: ignore[override]  # diffusers gives each kind of layer other arguments
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        freqs_cis: Tensor | None = None,
    ) -> Tensor:
        h, w = self.state.latents
        layout = JointLayout((h // self.state.patch, w // self.state.patch), self.state.tokens)
        sites = {cross: replace(self.site, cross=cross, shape=layout.shape) for cross in (True, False)}
        logits, probs = dict[bool, Change](), dict[bool, Change]()
        for cross, site in sites.items():
            wanted = [c for c in self.controllers if c.wants(site)]
            refuse_points(site.name, [p for p in ("context", "qkv", "out") if any(_overrides(c, p) for c in wanted)])
            if any(_overrides(c, "logits") for c in wanted):
                logits[cross] = partial(_through, "logits", wanted, site)
            if any(_overrides(c, "probs") for c in wanted):
                probs[cross] = partial(_through, "probs", wanted, site)
        if not logits and not probs:
            out: Tensor = self.own(attn, hidden_states, encoder_hidden_states, attention_mask, freqs_cis)
            return out
        return attend(attn, hidden_states, attention_mask, freqs_cis, layout, logits, probs)


def _through(
    point: Literal["logits", "probs"], controllers: Sequence[AttentionController], site: AttentionSite, seen: Tensor
) -> Tensor:
    """What the controllers, one after the other, make of what is seen at a point."""
    for controller in controllers:
        seen = controller.logits(site, seen) if point == "logits" else controller.probs(site, seen)
    return seen


def _overrides(controller: AttentionController, point: str) -> bool:
    return getattr(type(controller), point) is not getattr(AttentionController, point)
