"""Trains the autoencoder: pictures of 256x256 to 4x32x32 and back, as exact as so few numbers allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tools.mini_model import pictures, principal
from tools.mini_model.sizes import Size, autoencoder
from tools.mini_model.training import Average, Log, Pair, clip, rate, restore, save

KL = 1e-6
"""Weight of the latents' divergence from a unit Gaussian, as Stable Diffusion has it."""


def train(
    size: Size, work: Path, steps: int, encoder_steps: int, batch: int, side: int, seed: int, device: str
) -> None:
    """Go on from ``work``/autoencoder.pt to ``steps``; its averaged weights are what counts.

    After ``encoder_steps`` the encoder rests at its average and the latents stay what they are: the denoiser can
    learn them while the decoder goes on.
    """
    torch.manual_seed(seed)
    model = autoencoder(size).to(device)
    if not (work / "autoencoder.pt").is_file():
        first = np.concatenate([pictures.batch(np.random.default_rng([seed, 1, k]), side, 16, 1) for k in range(30)])
        principal.start(model, torch.from_numpy(first).to(device))
    optimiser = Pair(*_sorted(model), 0.02, 7e-4)
    average, start, worked = Average(model), 0, 0.0
    if (state := restore(work / "autoencoder.pt")) is not None:
        model.load_state_dict(state["model"])
        optimiser.load(state["optimiser"])
        average.load(state["average"])
        start, worked = state["step"], state["worked"]
    log = Log(work / "autoencoder.jsonl", worked)
    for step in range(start, steps):
        if step >= encoder_steps and next(model.encoder.parameters()).requires_grad:
            _rest(model, average)
        rng = np.random.default_rng([seed, step])
        x = torch.from_numpy(pictures.batch(rng, side, batch)).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            posterior = model.encode(x).latent_dist
            out = model.decode(posterior.sample()).sample
        loss = distance(out.float(), x) + KL * posterior.kl().mean()
        loss.backward()
        clip(p for p in model.parameters() if p.grad is not None)
        optimiser.step(rate(step, steps))
        average.update(model)
        if (step + 1) % 50 == 0:
            log.line(step=step + 1, loss=round(float(loss.detach()), 4), psnr=round(psnr(out, x), 2))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            save(
                work / "autoencoder.pt",
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state(),
                    "average": average.state(),
                    "step": step + 1,
                    "worked": log.worked,
                },
            )


def _rest(model: torch.nn.Module, average: Average) -> None:
    """Set encoder weights to their average and train them no more."""
    for name, p in model.named_parameters():
        if name.startswith(("encoder", "quant")):
            p.data.copy_(average.weights[name])
            p.requires_grad_(False)
            p.grad = None


def _sorted(model: torch.nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The decoder's kernels for Muon, and the others: the encoder starts at a good code and must not be rushed."""
    inner, rest = [], []
    for name, p in model.named_parameters():
        fast = name.startswith("decoder") and p.ndim > 1 and "conv_in" not in name and "conv_out" not in name
        (inner if fast else rest).append(p)
    return inner, rest


def distance(out: Tensor, x: Tensor) -> Tensor:
    """Squared error of the levels and of each 8x8 cell's hue, and L1 of the slopes: thin flaws are mostly slope.

    Squares, because most cells are grey: their median hue is none, which is what an absolute error settles on.
    """
    gap = out - x
    slopes = sum(gap.diff(dim=d).abs().mean() for d in (2, 3))
    cells = F.avg_pool2d(gap, 8)
    hues = cells[:, [0, 2]] - cells[:, [1, 1]]
    return 4 * gap.square().mean() + 0.2 * slopes + 4 * hues.square().mean()


def psnr(out: Tensor, x: Tensor) -> float:
    """Of pictures in -1..1, in dB, mean over the pictures."""
    error = (out.detach().float().clamp(-1, 1) - x).square().flatten(1).mean(dim=1)
    return float((10 * torch.log10(4 / error.clamp(min=1e-10))).mean())
