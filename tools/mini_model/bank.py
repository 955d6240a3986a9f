"""What the denoiser learns from: scenes and surfaces as latents, captions as ids, words' masks at 16x16; in shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.demo import scenes
from core.demo.products import FLAWS, flaw
from tools.mini_model.captions import closely, reworded, spoken
from tools.mini_model.sizes import SIDE, TOKENS
from tools.mini_model.surfaces import surface

SHARD = 1024
USUAL, SPARSE = 8, 10
"""Where sparse scenes begin among the shards, for the model to know an empty tray, and where close views begin, which
are what it is shown when it draws into a part of a large photo."""
GRID = 16
SEEDS = 2_000_000_000
"""Scenes are rendered from seeds below this; the benchmark renders its own from there on."""
WORDS_MOST = 8
"""Most words of a caption whose masks are kept."""

SHARES = (0.38, 0.3, 0.17, 0.15)
"""Of fastener trays, gear units, brushed plates, and other surfaces."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Example:
    """A picture uint8 (256, 256, 3), what is said of it, and where each word is seen: bool (256, 256)."""

    image: NDArray[np.uint8]
    caption: str
    masks: dict[str, NDArray[np.bool_]]


def example(rng: Rng, sparse: bool = False) -> Example:
    """One scene or surface with a caption in one of several wordings; in ``sparse`` scenes most parts are left out."""
    which = int(rng.choice(len(SHARES), p=SHARES))
    if which == len(scenes.PRODUCTS):
        drawn = surface(rng, SIDE)
        return Example(drawn.image, reworded(drawn.caption, rng), drawn.flaws)
    seed, product = int(rng.integers(SEEDS)), scenes.PRODUCTS[which]
    if sparse:
        spec = scenes.varied(product, seed, float(rng.choice([0.05, 0.25, 0.5])))
    else:
        spec = scenes.normal(product, seed) if rng.random() < 0.25 else scenes.varied(product, seed)
    scene = scenes.make(spec, SIDE)
    masks = dict(scene.components)
    if spec.flaws:
        good = scenes.make(scenes.replace(spec, flaws=()), SIDE)
        masks[spec.flaws[0].name] = scenes.difference(scene.levels, good.levels)
    whole = not spec.flaws and len(spec.items) == len(scenes.normal(product, seed).items)
    return Example(scene.image, reworded(scene.caption, rng, whole), masks)


def close_view(rng: Rng) -> Example:
    """A quarter of a scene at twice the size, most often with a flaw; the caption names what is mostly in view."""
    product = scenes.PRODUCTS[int(rng.choice(3, p=[0.25, 0.3, 0.45]))]
    spec = scenes.varied(product, int(rng.integers(SEEDS)))
    if rng.random() < 0.75:
        spec = scenes.replace(spec, flaws=(flaw(str(rng.choice(FLAWS)), rng),))
    whole = scenes.make(spec, 2 * SIDE)
    masks = dict(whole.instances)
    words = {item.slot: item.word for item in spec.items}
    if spec.flaws:
        masks["flaw"] = scenes.difference(whole.levels, scenes.make(scenes.replace(spec, flaws=()), 2 * SIDE).levels)
        words["flaw"] = spec.flaws[0].name
    y, x = (int(n) for n in rng.integers(0, SIDE + 1, 2))
    if spec.flaws and masks["flaw"].any() and rng.random() < 0.85:
        ys, xs = np.nonzero(masks["flaw"])
        at = int(rng.integers(len(ys)))
        y, x = (int(np.clip(p - rng.integers(48, SIDE - 48), 0, SIDE)) for p in (ys[at], xs[at]))
    view = np.s_[y : y + SIDE, x : x + SIDE]
    seen = {slot: masks[slot][view] for slot in words if masks[slot][view].sum() > 0.4 * max(masks[slot].sum(), 1)}
    grouped: dict[str, NDArray[np.bool_]] = {}
    for slot, mask in seen.items():
        grouped[words[slot]] = grouped.get(words[slot], np.zeros_like(mask)) | mask
    several = {word: sum(words[slot] == word for slot in seen) > 1 for word in grouped}
    return Example(whole.image[view].copy(), reworded(closely(scenes.TITLES[product], several), rng), grouped)


def examples(seed: int, shard: int, count: int = SHARD) -> Iterator[Example]:
    """The pictures of one shard; the same ones every time."""
    for i in range(count):
        rng = np.random.default_rng([seed, shard, i])
        yield close_view(rng) if shard >= SPARSE else example(rng, shard >= USUAL)


def write_shard(path: Path, autoencoder: Any, tokenizer: Any, seed: int, shard: int, count: int = SHARD) -> None:
    """Encode one shard to ``path``: latents half (N, 4, 32, 32), ids int (N, 48), words' masks and token positions."""
    from safetensors.torch import save_file

    device = next(autoencoder.parameters()).device
    latents, ids, grids, places = [], [], [], []
    batch: list[Example] = []
    for one in examples(seed, shard, count):
        batch.append(one)
        row = tokenizer(one.caption, padding="max_length", max_length=TOKENS, truncation=True).input_ids
        ids.append(row)
        grid, place = _words(one, row, tokenizer)
        grids.append(grid)
        places.append(place)
        if len(batch) == 8 or len(ids) == count:
            x = torch.from_numpy(np.stack([b.image for b in batch])).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
            with torch.no_grad():
                latents.append(autoencoder.encode(x).latent_dist.mean.half().cpu())
            batch = []
    part = path.with_suffix(".part")
    save_file(
        {
            "latents": torch.cat(latents).contiguous(),
            "ids": torch.tensor(ids),
            "masks": torch.stack(grids),
            "places": torch.stack(places),
        },
        part,
    )
    part.replace(path)


def _words(one: Example, row: list[int], tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Masks uint8 (WORDS_MOST, 16, 16) as shares of 255, and the position of their word in the prompt, 0 if none."""
    grid = torch.zeros(WORDS_MOST, GRID, GRID, dtype=torch.uint8)
    place = torch.zeros(WORDS_MOST, dtype=torch.int64)
    k = 0
    for word, mask in one.masks.items():
        at = next((row.index(i) for i in spoken(word, tokenizer) if i in row), 0)
        if at and mask.any() and k < WORDS_MOST:
            small = cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
            grid[k], place[k], k = torch.from_numpy((small * 255).astype(np.uint8)), at, k + 1
    return grid, place
