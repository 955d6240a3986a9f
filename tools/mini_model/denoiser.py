"""Trains the denoiser and its text encoder on the bank, with words drawn to where they are seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.diffusion.attention import AttentionController, AttentionSite, attention_control
from tools.mini_model.bank import GRID
from tools.mini_model.sizes import Size, denoiser, scheduler, text_encoder
from tools.mini_model.training import Average, Log, Pair, clip, rate, restore, save

DROP = 0.1
"""Share of captions left out, for guidance."""
ATTENTION = 0.05
"""Weight of the attention loss beside the diffusion loss."""
SNR_MOST = 5.0
"""Signal to noise is weighted up to this (min-SNR)."""


class MapCollector(AttentionController):
    """Collects cross-attention of 16x16 maps, with its gradient: a list of (N, heads, 256, tokens)."""

    def __init__(self) -> None:
        self.probs_seen: list[Tensor] = []

    def wants(self, site: AttentionSite) -> bool:
        return site.cross and "attn2" in site.name

    def probs(self, site: AttentionSite, probs: Tensor) -> Tensor:
        if site.shape == (GRID, GRID):
            self.probs_seen.append(probs)
        return probs


class Shards:
    """The bank in memory; ``look`` takes in what has been written since."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read = folder, set[str]()
        self.parts: dict[str, Tensor] = {}
        self.look()

    def look(self) -> None:
        """Read new shards."""
        from safetensors.torch import load_file

        for path in sorted(self._folder.glob("shard*.safetensors")):
            if path.name not in self._read:
                new = load_file(path)
                self.parts = {k: torch.cat([self.parts[k], v]) if self.parts else v for k, v in new.items()}
                self._read.add(path.name)

    def __len__(self) -> int:
        return len(self.parts["latents"]) if self.parts else 0

    def scale(self) -> float:
        """What latents are multiplied by to have deviation 1; of the first shard, so that it stays."""
        return float(1 / self.parts["latents"][:1024].float().std())


def attention_loss(seen: list[Tensor], masks: Tensor, places: Tensor) -> Tensor:
    """Cross-entropy of each place's attention, mean over heads and layers, with what is seen there.

    ``masks`` float (N, words, 16, 16) are shares of the place, ``places`` (N, words) the words' tokens, 0 for none.
    A place that shows no named thing should look at none of the named tokens.
    """
    mean = torch.stack([p.mean(dim=1) for p in seen]).mean(dim=0)
    share = masks.flatten(2).transpose(1, 2) * (places > 0)[:, None]
    at = places[:, None].expand(-1, mean.shape[1], -1)
    named = mean.gather(2, at) * (places > 0)[:, None]
    rest_is, rest = (1 - share.sum(dim=2)).clamp(min=0), (1 - named.sum(dim=2)).clamp(min=1e-4)
    inside = -(share * named.clamp(min=1e-4).log()).sum(dim=2)
    loss = (inside + -(rest_is * rest.log())).mean(dim=1)
    return (loss * (places > 0).any(dim=1)).mean()


def train(size: Size, vocabulary: int, work: Path, steps: int, batch: int, seed: int, device: str) -> None:
    """Go on from ``work``/denoiser.pt to ``steps``; the averaged weights are what counts."""
    torch.manual_seed(seed)
    unet, text = denoiser(size).to(device), text_encoder(size, vocabulary).to(device)
    both = torch.nn.ModuleDict({"unet": unet, "text": text})
    optimiser = Pair(*_sorted(both), 0.01, 1e-3, decay=0.01)
    average, start, worked = Average(both), 0, 0.0
    shards = Shards(work)
    scale = shards.scale()
    if (state := restore(work / "denoiser.pt")) is not None:
        both.load_state_dict(state["model"])
        optimiser.load(state["optimiser"])
        average.load(state["average"])
        start, worked, scale = state["step"], state["worked"], state["scale"]
    alphas = scheduler().alphas_cumprod.to(device)
    log, past = Log(work / "denoiser.jsonl", worked), []
    for step in range(start, steps):
        loss, drawn = losses(unet, text, shards, alphas, scale, batch, np.random.default_rng([seed, step]), device)
        (loss + ATTENTION * drawn).backward()
        clip(both.parameters())
        optimiser.step(rate(step, steps, warm=100))
        average.update(both)
        past.append((float(loss.detach()), float(drawn.detach())))
        if (step + 1) % 50 == 0:
            mean = np.mean(past, axis=0)
            log.line(step=step + 1, loss=round(mean[0], 4), attention=round(mean[1], 4), bank=len(shards))
            past = []
        if (step + 1) % 250 == 0 or step + 1 == steps:
            shards.look()
            save(
                work / "denoiser.pt",
                {
                    "model": both.state_dict(),
                    "optimiser": optimiser.state(),
                    "average": average.state(),
                    "step": step + 1,
                    "worked": log.worked,
                    "scale": scale,
                    "batch": batch,
                },
            )


def importance(masks: Tensor, side: int) -> Tensor:
    """Weight (N, 1, side, side) of each place, mean 1: the few cells of a crack would else be learned last.

    1 plus, where a word of ``masks`` (N, words, 16, 16) is seen, what makes it weigh as much as 3 percent of the
    picture, at most 8.
    """
    area = masks.mean(dim=(2, 3), keepdim=True)
    more = (masks * (0.03 / area.clamp(min=1e-4)).clamp(max=8)).sum(dim=1, keepdim=True)
    weight = torch.nn.functional.interpolate(1 + more, (side, side), mode="nearest")
    return weight / weight.mean(dim=(2, 3), keepdim=True)


def _sorted(both: torch.nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Weights for Muon, and the others: tables, what enters and leaves, and what is no matrix."""
    inner, rest = [], []
    for name, p in both.named_parameters():
        plain = p.ndim > 1 and not any(part in name for part in ("embedding.weight", "conv_in", "conv_out"))
        (inner if plain else rest).append(p)
    return inner, rest


def losses(
    unet: Any,
    text: Any,
    shards: Shards,
    alphas: Tensor,
    scale: float,
    batch: int,
    rng: np.random.Generator,
    device: str,
) -> tuple[Tensor, Tensor]:
    """The diffusion loss on v with min-SNR weights, and the attention loss, of one batch."""
    pick = torch.from_numpy(rng.integers(0, len(shards), batch))
    x0 = shards.parts["latents"][pick].to(device).float() * scale
    ids = shards.parts["ids"][pick].to(device)
    masks = shards.parts["masks"][pick].to(device).float() / 255
    places = shards.parts["places"][pick].to(device)
    empty = torch.from_numpy(rng.random(batch) < DROP).to(device)
    end = int(ids.max())
    ids = torch.where(empty[:, None] & (torch.arange(ids.shape[1], device=device) > 0), end, ids)
    places = places * ~empty[:, None]
    # Evenly spread over the schedule: a batch sees all noise levels, which steadies the loss.
    t = torch.from_numpy(((np.arange(batch) + rng.random(batch)) / batch * len(alphas)).astype(np.int64)).to(device)
    noise = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32)).to(device)
    a = alphas[t][:, None, None, None].float()
    x = a.sqrt() * x0 + (1 - a).sqrt() * noise
    v = a.sqrt() * noise - (1 - a).sqrt() * x0
    seen = MapCollector()
    with attention_control(unet, seen), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        out = unet(x, t, text(ids).last_hidden_state).sample.float()
    snr = (a / (1 - a)).flatten()
    weight = snr.clamp(max=SNR_MOST) / (snr + 1)
    loss = (((out - v).square() * importance(masks, x0.shape[-1])).flatten(1).mean(dim=1) * weight).mean()
    loss = loss / weight.mean()
    return loss, attention_loss(seen.probs_seen, masks, places)
