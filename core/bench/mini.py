"""``launch.py bench mini``: does the shipped model draw what its prompt says, and do its words know where they are?

All scenes are rendered anew from seeds that no training used; what is found in a picture is found by detectors that
learned on renders.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.measure import block_reduce

from core.demo import scenes
from core.demo.spec import Spec
from core.diffusion.model_sources import KNOWN_MODELS, present_folder
from core.errors import Unavailable
from core.features.extract import patch_features
from core.images import read_image
from core.images.geometry import coverage
from core.types import Image, Mask

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone

SIDE, STEPS, GUIDANCE = 256, 20, 3.0
UNSEEN_SEED = 2_000_000_000
"""First seed of the benchmark's scenes; trainings draw theirs below."""
ASSEMBLIES = ("fastener_tray", "gear_unit")


def measure(quick: bool = False) -> dict[str, Any]:
    """All figures; docs/benchmarks.md says what each is and the aim it is held against."""
    from core.diffusion.loading import load_backbone

    folder = present_folder(KNOWN_MODELS["mini"])
    if folder is None:
        raise Unavailable("bench mini: assets/models/mini is not there; restore that folder")
    backbone = load_backbone("mini", "cpu")
    finders = {product: WordFinder.learned(backbone, product, 200 if quick else 700) for product in ASSEMBLIES}
    count = 6 if quick else 24
    return {
        "vae_psnr_db": round(_psnr_of_scenes(backbone, count), 2),
        "vae_psnr_db_magnetic_tile_dev": _psnr_of_tiles(backbone, count),
        **_measure_composition(backbone, finders, count),
        **_measure_word_attention(backbone, 3 if quick else 12),
        "detector_accuracy": round(float(np.mean([f.accuracy for f in finders.values()])), 3),
        "preview_s": round(_preview_seconds(backbone), 2),
        "size_mb": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6, 1),
    }


@dataclass(frozen=True)
class WordFinder:
    """Says which components a picture of ``product`` shows; one logistic regression a word on patch features.

    ``accuracy`` is the share of right answers on renders it did not learn from.
    """

    product: str
    words: tuple[str, ...]
    judges: tuple[Any, ...]
    accuracy: float

    @classmethod
    def learned(cls, backbone: Backbone, product: str, count: int) -> WordFinder:
        """From renders, each as it is and as the model's autoencoder shows it."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        words = tuple(dict.fromkeys(item.word for item in scenes.normal(product, 0).items))
        specs = [scenes.varied(product, UNSEEN_SEED + 10_000 + i, (0.6, 0.85)[i % 2]) for i in range(count)]
        # Of parts that come in fours some is nearly always left: every second scene lacks one word whole.
        specs = [_without(s, words[i // 2 % len(words)]) if i % 2 else s for i, s in enumerate(specs)]
        made = [scenes.make(spec, SIDE) for spec in specs]
        truth = np.array([[bool(s.components.get(w, np.zeros(1)).any()) for w in words] for s in made])
        blurred = [pictures for s in made[::2] for pictures in _reconstructed(backbone, [s.image])]
        rows = np.stack([_cell_features(s.image) for s in made] + [_cell_features(p) for p in blurred])
        truth = np.concatenate([truth, truth[::2]])
        held = np.arange(len(rows)) % 5 == 0
        judges, right = [], []
        for k in range(len(words)):
            judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
            judge.fit(rows[~held], truth[~held, k])
            right.append(judge.score(rows[held], truth[held, k]))
            judges.append(judge.fit(rows, truth[:, k]))
        return cls(product, words, tuple(judges), float(np.mean(right)))

    def found(self, image: Image) -> set[str]:
        """The words of what is seen."""
        row = _cell_features(image)[None]
        return {w for w, judge in zip(self.words, self.judges, strict=True) if judge.predict(row)[0]}


def _without(spec: Spec, word: str) -> Spec:
    """A scene without the parts called ``word``."""
    for item in [item for item in spec.items if item.word == word]:
        spec = spec.without(item.slot)
    return spec


def _cell_features(image: Image) -> NDArray[np.float32]:
    """Features of 8x8 cells of a picture of SIDE pixels, as one row."""
    features = patch_features(image, stride=16)
    return np.asarray(block_reduce(features, (2, 2, 1), np.mean).ravel(), np.float32)


def _reconstructed(backbone: Backbone, images: Sequence[Image]) -> Iterator[Image]:
    from core.diffusion.backbone import decode, encode_image

    for image in images:
        yield decode(backbone, encode_image(backbone, image))[0]


def psnr(a: Image, b: Image) -> float:
    """Peak signal to noise of two pictures uint8 (H, W, 3), in dB."""
    error = np.square(a.astype(np.float64) - b).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _psnr_of_scenes(backbone: Backbone, count: int) -> float:
    made = [scenes.make(scenes.varied(p, UNSEEN_SEED + i), SIDE).image for p in scenes.PRODUCTS for i in range(count)]
    return float(np.mean([psnr(a, b) for a, b in zip(made, _reconstructed(backbone, made), strict=True)]))


def _psnr_of_tiles(backbone: Backbone, count: int) -> float | None:
    """On real photos, where FLAWSMITH_DATA names the folder that holds magnetic_tile_dev; else None."""
    data = os.environ.get("FLAWSMITH_DATA")
    files = sorted(Path(data, "magnetic_tile_dev").rglob("good/*.png")) if data else []
    if not files:
        return None
    tiles = [
        cv2.resize(read_image(f), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        for f in files[:: max(1, len(files) // count)]
    ]
    return round(float(np.mean([psnr(a, b) for a, b in zip(tiles, _reconstructed(backbone, tiles), strict=True)])), 2)


def _measure_composition(backbone: Backbone, finders: dict[str, WordFinder], count: int) -> dict[str, float]:
    """Prompts of whole and of partial scenes, and of each the same without one of its words, under one seed."""
    seen, kept_out, removed = [], [], []
    for product, finder in finders.items():
        for i in range(count):
            rng = np.random.default_rng([UNSEEN_SEED, i, len(product)])
            spec = scenes.normal(product, UNSEEN_SEED + i) if i % 2 == 0 else scenes.varied(product, UNSEEN_SEED + i)
            spec = replace(spec, flaws=())
            words = sorted({item.word for item in spec.items})
            if len(words) < 2:
                continue
            gone = str(rng.choice(words))
            less = _without(spec, gone)
            whole, without = (finder.found(_generated(backbone, scenes.caption(s), i)) for s in (spec, less))
            seen += [w in whole for w in words]
            kept_out += [w not in whole for w in finder.words if w not in words]
            removed.append(gone in whole and gone not in without and set(words) - {gone} <= without)
    return {
        "component_presence": round(float(np.mean(seen)), 3),
        "component_absence": round(float(np.mean(kept_out)), 3),
        "removal": round(float(np.mean(removed)), 3),
    }


def _generated(backbone: Backbone, prompt: str, seed: int) -> Image:
    import torch

    from core.diffusion.backbone import decode
    from core.diffusion.sampling import classifier_free_guidance, draw_noise, make_schedule, sample
    from core.diffusion.tokens import encode_text

    side = SIDE // backbone.vae_scale_factor
    noise = draw_noise((1, backbone.channels, side, side), torch.Generator().manual_seed(seed))
    model = classifier_free_guidance(backbone, encode_text(backbone, [prompt]), None, GUIDANCE)
    return decode(backbone, sample(model, noise, make_schedule(backbone.noise_schedule, STEPS), method="dpmpp_2m"))[0]


def _measure_word_attention(backbone: Backbone, count: int) -> dict[str, float]:
    """Invert unseen scenes with their captions; where do the words look, and does the picture come back?"""
    from core.diffusion.attention import attention_control
    from core.diffusion.backbone import decode, encode_image
    from core.diffusion.sampling import classifier_free_guidance, invert, make_schedule, sample
    from core.diffusion.tokens import encode_text, token_positions
    from core.diffusion.word_attention import AttentionStore

    ious, lost = [], []
    schedule = make_schedule(backbone.noise_schedule, STEPS)
    for product in ASSEMBLIES:
        for i in range(count):
            scene = scenes.make(replace(scenes.normal(product, UNSEEN_SEED + 500 + i), flaws=()), SIDE)
            model = classifier_free_guidance(backbone, encode_text(backbone, [scene.caption]))
            z0, seen = encode_image(backbone, scene.image), AttentionStore(None, (16,))
            with attention_control(backbone.unet, seen):
                noise = invert(model, z0, schedule)
            maps = seen.maps((16, 16)).numpy()
            for word, mask in scene.components.items():
                form = word if f" {word}" in scene.caption and f"{word}s" not in scene.caption else f"{word}s"
                at = token_positions(backbone, scene.caption, form)
                ious.append(token_iou(maps[list(at)].mean(axis=0), mask))
            back, own = decode(backbone, sample(model, noise, schedule))[0], decode(backbone, z0)[0]
            lost.append(psnr(scene.image, own) - psnr(scene.image, back))
    return {"token_iou": round(float(np.mean(ious)), 3), "inversion_loss_db": round(float(np.mean(lost)), 2)}


def token_iou(heat: NDArray[np.float32], mask: Mask) -> float:
    """IoU of a map (16, 16), at half its maximum, with a mask (H, W) brought to its cells.

    A cell counts where at least half as much of it is covered as of the cell covered most.
    """
    share = coverage(mask, (heat.shape[0], heat.shape[1]))
    a, b = heat >= 0.5 * heat.max(), share >= 0.5 * share.max()
    return float((a & b).sum() / max((a | b).sum(), 1))


def _preview_seconds(backbone: Backbone) -> float:
    """Seconds for a picture with guidance on two threads, the best of three: other work only ever adds to it."""
    import torch

    before, taken = torch.get_num_threads(), []
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    try:
        for _ in range(3):
            began = time.perf_counter()
            _generated(backbone, "a gear unit with a gear, a pinion, a bearing, a lever and four screws", 0)
            taken.append(time.perf_counter() - began)
    finally:
        torch.set_num_threads(before)
    return min(taken)
