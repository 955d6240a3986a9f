"""A latent diffusion model as one frozen value, and plain functions on it.

Latents are float32 (N, C, h, w), prompts a Conditioning of N rows. What the model predicts of x_t, and how much noise
is in that, says its NoiseSchedule. Loading is core.diffusion.loading's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.diffusion.conditioning import Conditioning
from core.diffusion.joint_denoiser import JointDenoiser
from core.diffusion.noise_schedule import NoiseSchedule
from core.errors import Cancelled, InputError, Unavailable
from core.types import Image, check_image

MemoryMode = Literal["full", "slicing", "offload"]

CHAT_TOKENS = 512
"""Tokens of a question that Z-Image was taught to read at most."""
_VAE_ROWS = 2
"""Pictures that go through the autoencoder at once. On a CPU two take a quarter less time than one by one, and more
take longer; on a GPU the autoencoder is what would run out of memory first."""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A loaded model.

    ``placeholders`` are words of core.diffusion.tokens and their ids. ``memory`` says what is done to save memory.
    Stable Diffusion XL has a ``second_text_encoder``, which reads the same ids, padded by ``second_pad_id``; where
    ``zero_empty_prompt`` is set, it was taught that an empty prompt is zeros. ``blank_latents`` float32 (1, C, h, w)
    are those of a grey picture, which an inpainting model sees where all is to be drawn. ``question`` are the ids
    before and after a prompt where a chat model reads it.
    """

    name: str
    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    noise_schedule: NoiseSchedule
    device: torch.device
    dtype: torch.dtype
    memory: MemoryMode = "full"
    placeholders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    second_text_encoder: Any = None
    second_pad_id: int = 0
    zero_empty_prompt: bool = False
    question: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    blank_latents: Tensor | None = None
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @property
    def vae_scale_factor(self) -> int:
        """Pixels a latent covers along each axis."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def vae_scaling_factor(self) -> float:
        """What the encoder's latents are multiplied by, so that they have about unit variance."""
        return float(self.vae.config.scaling_factor)

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return int(self.vae.config.latent_channels)

    @property
    def vae_shift_factor(self) -> float:
        """What is taken off the encoder's latents before, so that they are about zero in the mean."""
        return float(getattr(self.vae.config, "shift_factor", None) or 0.0)

    @property
    def joint(self) -> bool:
        """Whether picture and prompt are one sequence in the model, a transformer in place of a UNet."""
        return isinstance(self.unet, JointDenoiser)

    @property
    def prompt_ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that stand before and after every prompt."""
        if self.question is not None:
            return self.question
        return (self.tokenizer.bos_token_id,), (self.tokenizer.eos_token_id,)

    @property
    def reads_surroundings(self) -> bool:
        """Whether it is an inpainting model: its UNet also reads a mask and the picture around it (9 channels)."""
        return int(self.unet.config.in_channels) == 2 * self.channels + 1

    @property
    def text_encoders(self) -> tuple[Any, ...]:
        """The text encoders, in the order in which the UNet reads their states: one, or two."""
        return (
            (self.text_encoder,) if self.second_text_encoder is None else (self.text_encoder, self.second_text_encoder)
        )

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that has weights, by the name of its field."""
        found = {"unet": self.unet, "vae": self.vae, "text_encoder": self.text_encoder}
        if self.second_text_encoder is not None:
            found["second_text_encoder"] = self.second_text_encoder
        return found

    @property
    def side(self) -> int:
        """The side, in pixels, of the images the model was trained on."""
        return int(self.unet.config.sample_size) * self.vae_scale_factor

    @property
    def multiple(self) -> int:
        """Sides of an image must be multiples of this many pixels."""
        return int(self.vae_scale_factor * 2 ** (len(self.unet.config.block_out_channels) - 1))

    @property
    def max_tokens(self) -> int:
        """Length of the text the model reads, start and end included."""
        longest = int(self.text_encoder.config.max_position_embeddings)
        return longest if self.question is None else min(longest, CHAT_TOKENS)


def require_unet(backbone: Backbone, purpose: str) -> None:
    """Unavailable where picture and prompt are one sequence and what is wanted changes the picture's own attention."""
    if backbone.joint:
        raise Unavailable(
            f"{backbone.name}: picture and prompt are one sequence in this model, and {purpose} changes the attention "
            "of the picture alone; choose a model with a UNet (Stable Diffusion 1.5, 2 or XL)"
        )


def preferred_batch_size(backbone: Backbone) -> int:
    """How many pictures to draw as one batch: as many as a GPU of 12 GB holds; on a CPU only where that is faster."""
    area = (backbone.side / 256) ** 2
    return max(1, round((4 if backbone.device.type == "cpu" else 16) / area))


class Lockable(Protocol):
    """A loaded model that one job at a time may hold."""

    @property
    def lock(self) -> threading.RLock:
        """Held by the job at work."""
        ...


@contextmanager
def exclusive(backbone: Lockable, cancelled: Callable[[], bool] | None = None) -> Iterator[None]:
    """Hold the model alone: controllers and placeholders of one job must not show in another's. Cancelled in wait."""
    while not backbone.lock.acquire(timeout=0.2):
        if cancelled is not None and cancelled():
            raise Cancelled("stopped while another job used the model; what was finished is kept")
    try:
        yield
    finally:
        backbone.lock.release()


def encode_image(backbone: Backbone, image: Image, generator: torch.Generator | None = None) -> Tensor:
    """Latents float32 (1, C, h, w) of an image uint8 (H, W, 3): the posterior's mode, or a draw from it.

    InputError unless the sides are multiples of the encoder's factor.
    """
    return encode_images(backbone, [image], generator)


@torch.no_grad()
def encode_images(backbone: Backbone, images: Sequence[Image], generator: torch.Generator | None = None) -> Tensor:
    """Latents float32 (N, C, h, w) of images of one size; see encode_image."""
    vae = part_on_device(backbone, "vae")
    found = []
    for rows in torch.split(torch.stack([_pixels(backbone, image) for image in images]), _VAE_ROWS):
        posterior = _run_autoencoder(backbone, vae.encode, rows).latent_dist
        latents = posterior.mean.float()
        if generator is not None:
            noise = torch.randn(latents.shape, generator=generator)
            latents = latents + posterior.std.float() * noise.to(latents.device)
        found.append(latents)
    return (torch.cat(found) - backbone.vae_shift_factor) * backbone.vae_scaling_factor


def _pixels(backbone: Backbone, image: Image) -> Tensor:
    """An image as the encoder reads it, float32 (3, H, W) in -1..1."""
    pixels = check_image(image)
    if pixels.shape[0] % backbone.vae_scale_factor or pixels.shape[1] % backbone.vae_scale_factor:
        raise InputError(
            f"image: expected sides that are multiples of {backbone.vae_scale_factor}, "
            f"got {pixels.shape[1]}x{pixels.shape[0]}; resize or pad it first"
        )
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 127.5 - 1


@torch.no_grad()
def decode(backbone: Backbone, latents: Tensor) -> list[Image]:
    """Images uint8 (H, W, 3), one for each of the latents (N, C, h, w).

    InputError where the latents, or what the decoder makes of them, are not finite: they would become black pictures.
    """
    _check_finite(backbone, latents, "drew")
    vae = part_on_device(backbone, "vae")
    pictures: list[Image] = []
    for rows in torch.split(latents / backbone.vae_scaling_factor + backbone.vae_shift_factor, _VAE_ROWS):
        decoded = _run_autoencoder(backbone, vae.decode, rows).sample.float()
        _check_finite(backbone, decoded, "decoded")
        x = (decoded + 1) * 127.5
        x = x.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu()
        pictures += [np.ascontiguousarray(picture) for picture in x.numpy()]
    return pictures


def _run_autoencoder(backbone: Backbone, work: Callable[[Tensor], Any], rows: Tensor) -> Any:
    """What ``work``, the autoencoder's ``encode`` or ``decode``, gives for ``rows`` float32 (N, C, H, W).

    Some autoencoders overflow in float16 (SDXL's first one does). What is not finite there is computed in float32.
    """
    found = work(rows.to(backbone.device, backbone.dtype))
    values = found.sample if isinstance(getattr(found, "sample", None), Tensor) else found.latent_dist.mean
    if backbone.dtype == torch.float32 or bool(torch.isfinite(values).all()):
        return found
    backbone.vae.to(torch.float32)
    try:
        return work(rows.to(backbone.device, torch.float32))
    finally:
        backbone.vae.to(backbone.dtype)


def _check_finite(backbone: Backbone, values: Tensor, did: str) -> None:
    """InputError with the advice that fits the model's precision, unless all ``values`` are finite."""
    if bool(torch.isfinite(values).all()):
        return
    raise InputError(nonfinite_advice(backbone.name, backbone.dtype, did))


def nonfinite_advice(name: str, dtype: torch.dtype, did: str) -> str:
    """In one line what to do where model ``name`` ``did`` (drew, decoded) what is not finite in ``dtype``."""
    kind = str(dtype).removeprefix("torch.")
    advice = (
        "set FLAWSMITH_DTYPE=bfloat16 or float32, since float16 overflows"
        if dtype == torch.float16
        else "lower the guidance or another weight, or verify the model's files"
    )
    return f"{name}: expected finite numbers, it {did} NaN or infinite ones in {kind}; {advice}"


def model_output(backbone: Backbone, x: Tensor, t: int | Tensor, conditioning: Conditioning) -> Tensor:
    """What the UNet itself predicts from x_t, float32: noise, velocity or x_0 (``noise_schedule.prediction``)."""
    unet = part_on_device(backbone, "unet")
    when = t.to(backbone.device) if isinstance(t, Tensor) else torch.tensor(t, device=backbone.device)
    told = conditioning.to(backbone.device, backbone.dtype)
    # UNets that read the prompt as a whole take it, and what else they are told, under these names.
    pooled = {} if told.pooled is None else {"text_embeds": told.pooled}
    added = {"added_cond_kwargs": {**pooled, **told.extras}} if pooled or told.extras else {}
    x = x.to(backbone.device, backbone.dtype)
    if backbone.reads_surroundings:
        x = torch.cat([x, _surroundings(backbone, x, told)], dim=1)
    return cast(Tensor, unet(x, when, encoder_hidden_states=told.states, **added).sample.float())


def _surroundings(backbone: Backbone, x: Tensor, told: Conditioning) -> Tensor:
    """What an inpainting model reads beside ``x`` (N, C, h, w): as it is told, else that all is to be drawn."""
    if told.surroundings is not None:
        return told.surroundings
    if backbone.blank_latents is None:
        raise InputError(f"{backbone.name}: an inpainting model needs the latents of a grey picture; load it anew")
    blank = F.interpolate(backbone.blank_latents.to(x), x.shape[2:], mode="nearest").expand(len(x), -1, -1, -1)
    return torch.cat([torch.ones_like(x[:, :1]), blank], dim=1)


def predict_noise(backbone: Backbone, x: Tensor, t: int | Tensor, conditioning: Conditioning) -> Tensor:
    """The noise in x_t, float32, of latents (N, C, h, w) at training step ``t`` (one, or int64 (N,))."""
    return backbone.noise_schedule.to_epsilon(x, t, model_output(backbone, x, t, conditioning))


def part_on_device(backbone: Backbone, part: str) -> Any:
    """The network ``part`` (see Backbone.networks) on the device; with offload the others leave it first."""
    if backbone.memory == "offload" and backbone.device.type != "cpu":
        for other, network in backbone.networks.items():
            if other != part and next(network.parameters()).device.type != "cpu":
                network.to("cpu")
        if next(getattr(backbone, part).parameters()).device.type == "cpu":
            getattr(backbone, part).to(backbone.device)
    return getattr(backbone, part)
