"""A sheet of samples from the checkpoint as it stands: one prompt a column, one seed a row, and words' maps below."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from core.diffusion.attention import attention_control
from core.diffusion.backbone import decode
from core.diffusion.loading import load_backbone
from core.diffusion.sampling import classifier_free_guidance, make_schedule, sample
from core.diffusion.tokens import encode_text, token_positions
from core.diffusion.word_attention import AttentionStore
from tools.mini_model.publish import publish
from tools.mini_model.sizes import Size

PROMPTS = (
    ("a fastener tray with a bolt, a nut, two washers, a spring, a clip and a cap", "nut"),
    ("a fastener tray with a bolt, two washers, a spring and a clip", "washers"),
    ("a fastener tray with a nut and a cap", "cap"),
    ("an empty fastener tray", "tray"),
    ("a gear unit with a gear, a pinion, a bearing, a lever and four screws", "gear"),
    ("a gear unit with a gear, a bearing and two screws", "bearing"),
    ("a brushed steel plate", "plate"),
    ("a brushed steel plate with a scratch", "scratch"),
    ("a stone surface with a crack", "crack"),
)


def sheet(size: Size, work: Path, seeds: tuple[int, ...] = (0, 1), guidance: float = 3.0) -> Path:
    """Write ``work``/sheet-STEP.png and return its path."""
    with tempfile.TemporaryDirectory() as folder:
        publish(size, work, Path(folder) / "mini", {})
        backbone = load_backbone(str(Path(folder) / "mini"), "cpu")
    prompts = [p for p, _ in PROMPTS]
    rows = []
    for seed in seeds:
        noise = torch.randn((1, 4, 32, 32), generator=torch.Generator().manual_seed(seed))
        pictures, maps = [], []
        for prompt, word in PROMPTS:
            text, nothing = encode_text(backbone, [prompt]), encode_text(backbone, [""])
            seen = AttentionStore(token_positions(backbone, prompt, word), (16,), slice(-1, None))
            with attention_control(backbone.unet, seen):
                x = sample(
                    classifier_free_guidance(backbone, text, nothing, guidance),
                    noise,
                    make_schedule(backbone.noise_schedule, 20),
                )
            pictures.append(decode(backbone, x)[0])
            heat = seen.maps((16, 16))[0].numpy()
            heat = cv2.resize(heat / max(heat.max(), 1e-6), (256, 256), interpolation=cv2.INTER_NEAREST)
            maps.append(np.repeat((heat * 255).astype(np.uint8)[..., None], 3, axis=2))
        rows += [np.concatenate(pictures, 1), np.concatenate(maps, 1)]
    step = torch.load(work / "denoiser.pt", weights_only=True)["step"]
    path = work / f"sheet-{step:06}.png"
    cv2.imwrite(str(path), cv2.cvtColor(np.concatenate(rows, 0), cv2.COLOR_RGB2BGR))
    print(", ".join(prompts))
    return path
