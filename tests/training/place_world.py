"""A world in which words do say a place: an exact denoiser whose blob lies where the text encoder's output says.

Pictures are a dark blob on grey, x_0 ~ N(μ(place), SPREAD²), so the best prediction of the noise in x_t is known in
closed form. What a learned spatial embedding says can then be read off, and is right or wrong.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.diffusion.backbone import Backbone
from core.diffusion.noise_schedule import VariancePreserving
from core.types import AnomalyExample

SIDE, WIDTH, LENGTH = 32, 16, 24
RADIUS, SPREAD = 0.12, 0.3
"""Of the blob, as a share of the side; and of the pixels about the mean picture."""


class PlaceText(nn.Module):
    """A text encoder whose output is its words' vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.table: nn.Module = nn.Embedding(64, WIDTH)
        self.config = SimpleNamespace(max_position_embeddings=LENGTH, hidden_size=WIDTH)

    def get_input_embeddings(self) -> nn.Module:
        return self.table

    def set_input_embeddings(self, table: nn.Module) -> None:
        self.table = table

    def forward(self, ids: Tensor) -> Any:
        return SimpleNamespace(last_hidden_state=self.table(ids))


class PlaceTokenizer:
    """A number for every word."""

    bos_token_id, eos_token_id, pad_token_id = 0, 1, 1

    def __call__(self, text: str, **more: Any) -> Any:
        return SimpleNamespace(input_ids=[2 + sum(word.encode()) % 60 for word in text.split()])


class PlaceDenoiser(nn.Module):
    """eps(x_t) for a blob at the place that the words say."""

    def __init__(self, schedule: VariancePreserving) -> None:
        super().__init__()
        self.readout = nn.Parameter(torch.randn(WIDTH, 2) / WIDTH**0.5)
        self.config = SimpleNamespace(in_channels=3, sample_size=SIDE, block_out_channels=(1,), down_block_types=())
        self.schedule = schedule

    def place(self, states: Tensor) -> Tensor:
        """(x, y) as shares of the side, (N, 2)."""
        return torch.sigmoid(2 * (states @ self.readout).mean(dim=1))

    def forward(self, x: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> Any:
        place = self.place(encoder_hidden_states)
        at = (torch.arange(x.shape[-1]) + 0.5) / x.shape[-1]
        across = (at[None, None, :] - place[:, 0, None, None]) ** 2
        down = (at[None, :, None] - place[:, 1, None, None]) ** 2
        mean = -torch.exp(-(across + down) / (2 * RADIUS**2))[:, None].expand(-1, 3, -1, -1)
        a, s = self.schedule.a(t), self.schedule.s(t)
        x0 = mean + a * SPREAD**2 / (a * a * SPREAD**2 + s * s) * (x - a * mean)
        return SimpleNamespace(sample=(x - a * x0) / s)


class PixelAutoencoder(nn.Module):
    """Latents are the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(block_out_channels=(1,), scaling_factor=1.0, latent_channels=3)

    def encode(self, x: Tensor) -> Any:
        return SimpleNamespace(latent_dist=SimpleNamespace(mean=x, std=torch.zeros_like(x)))

    def decode(self, latents: Tensor) -> Any:
        return SimpleNamespace(sample=latents)


def place_world() -> Backbone:
    """The model of this world."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
        schedule = VariancePreserving((1 - betas).cumprod(0))
        parts = (PlaceDenoiser(schedule), PixelAutoencoder(), PlaceText(), PlaceTokenizer())
        return Backbone("places", *parts, schedule, torch.device("cpu"), torch.float32)


def blob(number: int, side: int, radius: float) -> AnomalyExample:
    """A photo of this world, uint8 (side, side, 3), with a blob of ``radius`` pixels somewhere on it."""
    rng = np.random.default_rng(number)
    x, y = rng.uniform(0.12, 0.88, 2) * side
    rows, columns = np.mgrid[:side, :side] + 0.5
    far = (columns - x) ** 2 + (rows - y) ** 2
    grey = 128 - 110 * np.exp(-far / (2 * (1.2 * radius) ** 2)) + rng.normal(0, 4, (side, side))
    pixels = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return AnomalyExample(f"e{number}", "spot", pixels, (far < (1.5 * radius) ** 2,))
