"""A transformer that reads picture and prompt as one sequence (Z-Image), called as a UNet is.

What it predicts is the velocity u = eps - x_0 of rectified flow; diffusers' own class gives its negative, and is told
1 - t'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

TRAINING_STEPS = 1000
"""Of rectified flow in diffusers; a model reads the time as a share of them."""
SEQUENCE_MULTIPLE = 32
"""Picture and prompt are each padded to a multiple of so many positions."""


@dataclass(frozen=True)
class JointConfig:
    """What is read off a model's configuration, by the names that UNets have."""

    in_channels: int
    sample_size: int
    cross_attention_dim: int
    block_out_channels: tuple[int, ...]
    patch: int


@dataclass(frozen=True)
class DenoiserOutput:
    """``sample`` (N, C, h, w): what the model predicts of x_t."""

    sample: Tensor


class JointDenoiser(nn.Module):
    """``transformer``, a ZImageTransformer2DModel, for latents of about ``side`` positions along each axis."""

    def __init__(self, transformer: Any, side: int) -> None:
        super().__init__()
        self.transformer = transformer
        given = transformer.config
        patch = int(given.all_patch_size[0])
        # One halving more than the autoencoder's: sides must be multiples of a patch of latents.
        self.config = JointConfig(given.in_channels, side, given.cap_feat_dim, (given.dim,) * patch, patch)

    def forward(
        self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor, added_cond_kwargs: dict[str, Tensor]
    ) -> DenoiserOutput:
        """u for latents (N, C, h, w) at training step ``t`` (one, or (N,)).

        ``encoder_hidden_states`` (N, L, D) are token states, ``added_cond_kwargs["valid"]`` (N, L) 1 where they count.
        """
        time = 1 - (t.reshape(-1).float() + 1) / TRAINING_STEPS
        lengths = added_cond_kwargs["valid"].sum(dim=1).long().tolist()
        prompts = [states[:length] for states, length in zip(encoder_hidden_states, lengths, strict=True)]
        pictures = list(x.unsqueeze(2).unbind(dim=0))
        found = self.transformer(
            pictures, time.expand(len(x)), prompts, return_dict=False, patch_size=self.config.patch
        )
        return DenoiserOutput(-torch.stack(list(found[0])).squeeze(2))

    def joint_layers(self) -> list[tuple[str, Any]]:
        """The attention layers in which picture and prompt see each other, with their names."""
        return [
            (f"transformer.layers.{i}.attention", block.attention) for i, block in enumerate(self.transformer.layers)
        ]

    def enable_gradient_checkpointing(self) -> None:
        """Keep less for the backward pass."""
        self.transformer.enable_gradient_checkpointing()

    def disable_gradient_checkpointing(self) -> None:
        """Keep all of it."""
        self.transformer.disable_gradient_checkpointing()
