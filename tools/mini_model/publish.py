"""Writes the trained parts as a model folder that plain diffusers loads, and its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from tools.mini_model.sizes import SIDE, Size, autoencoder, denoiser, scheduler, text_encoder, write_tokenizer
from tools.mini_model.training import restore

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "requires_safety_checker": False,
}


def publish(size: Size, work: Path, out: Path, figures: dict[str, Any], where: str = "one CPU core") -> int:
    """Write ``out`` whole in place of what was there; returns its bytes."""
    first, second = restore(work / "autoencoder.pt"), restore(work / "denoiser.pt")
    if first is None or second is None:
        raise FileNotFoundError(f"{work}: expected autoencoder.pt and denoiser.pt; train both first")
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    vocabulary = write_tokenizer(part / "tokenizer")
    vae = autoencoder(size)
    vae.load_state_dict(first["average"]["weights"])
    vae.register_to_config(scaling_factor=second["scale"])
    both = torch.nn.ModuleDict({"unet": denoiser(size), "text": text_encoder(size, vocabulary)})
    both.load_state_dict(second["average"]["weights"])
    for name, model in {"vae": vae, "unet": both["unet"], "text_encoder": both["text"]}.items():
        model.half().save_pretrained(part / name)
    _computes_in_single(part / "text_encoder" / "config.json")
    scheduler().save_pretrained(part / "scheduler")
    (part / "model_index.json").write_text(json.dumps(INDEX, indent=2) + "\n")
    (part / "README.md").write_text(card(figures, first, second, where))
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)
    return sum(f.stat().st_size for f in out.rglob("*") if f.is_file())


def _computes_in_single(config: Path) -> None:
    """Without this, transformers loads half precision where diffusers loads single, and the pipeline cannot run."""
    told = json.loads(config.read_text())
    config.write_text(json.dumps(told | {"dtype": "float32"}, indent=2, sort_keys=True) + "\n")


def card(figures: dict[str, Any], first: dict[str, Any], second: dict[str, Any], where: str = "one CPU core") -> str:
    """The model card: what it learned from, for how long, and what was measured."""
    rows = "\n".join(f"| {key} | {value} |" for key, value in figures.items()) or "| not measured | |"
    return f"""# Flawsmith mini

A latent diffusion model of Stable Diffusion's make and layout, small enough for a CPU. It draws the three rendered
demo products and simple surfaces with named flaws at {SIDE}x{SIDE}; it knows nothing else. Apache-2.0.

    diffusers.StableDiffusionPipeline.from_pretrained("assets/models/mini")

## How it was made

`python -m tools.mini_model`, from nothing, on {where}, seed 0.

- Autoencoder: {first["step"]:,} steps of 8 crops of 128x128 ({first["worked"] / 60:.0f} minutes): rendered scenes,
  drawn surfaces, and photos that Python packages carry. Its encoder starts at the principal components of 8x8 cells.
- Denoiser (predicts v) and text encoder: {second["step"]:,} steps of {second["batch"]} rendered scenes and surfaces
  ({second["worked"] / 60:.0f} minutes). While they learn, each named component's cross-attention at 16x16 is drawn to
  its rendered mask.

## What was measured

By `launch.py bench mini --json`, on scenes it has not seen:

| figure | value |
|---|---|
{rows}
"""
