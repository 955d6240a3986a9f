"""A folder in diffusers' layout that no torch is needed to write: right in every file, and it means nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

WEIGHTS = {
    "unet": ("diffusion_pytorch_model", 700_000),
    "vae": ("diffusion_pytorch_model", 60_000),
    "text_encoder": ("model", 30_000),
}


def write_folder(folder: Path) -> Path:
    """About 1.6 MB; the UNet is larger than what a download reads at once."""
    from safetensors.numpy import save_file

    made = {
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None],
    }
    settings: dict[str, dict[str, object]] = {
        "model_index.json": {"_class_name": "StableDiffusionPipeline", **made},
        "scheduler/scheduler_config.json": {"prediction_type": "epsilon"},
        "tokenizer/tokenizer_config.json": {"model_max_length": 77},
        "tokenizer/vocab.json": {f"word{i}": i for i in range(400)},
        **{f"{part}/config.json": {"part": part} for part in WEIGHTS},
    }
    for name, values in settings.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(values, indent=2))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\na b\n")
    rng = np.random.default_rng(0)
    for part, (name, count) in WEIGHTS.items():
        tensors = {"a": rng.normal(size=count).astype(np.float16), "b": np.zeros((4, 4), np.float16)}
        save_file(tensors, folder / part / f"{name}.safetensors")
    return folder
