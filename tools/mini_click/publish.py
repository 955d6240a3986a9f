"""From a checkpoint to assets/models/mini-click: weights, rules of ranking, figures, model card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from core.bench.click import CLICKS, measure
from core.segmentation.click_network import WIDTHS, layers
from core.segmentation.network_scores import SIGNALS, ClickNetwork
from core.weights import SHIPPED
from tools.mini_click.network import folded
from tools.mini_click.ranking import cases, fit
from tools.mini_click.sources import describe
from tools.mini_model.training import restore

PICTURES = 200
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
    write(state, work / "unranked", _START, _START)
    first, further = cases(ClickNetwork(work / "unranked"), PICTURES, seed=1)
    config = write(state, out, fit(first), fit(further))
    figures = measure()
    lines = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    (out / "README.md").write_text(card(state, lines, config, figures))
    print(json.dumps(figures, indent=1), flush=True)


def write(state: dict[str, Any], out: Path, first: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Weights in half precision, normalisation folded in, and config.json, which is returned."""
    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.cpu().half().contiguous() for k, v in folded(state["average"]["weights"]).items()}
    file = out / "model.safetensors"
    raw = save(weights)
    file.write_bytes(raw)
    told = {"size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    config = {"widths": list(WIDTHS), "file": told, "first": first, "further": further}
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return config


def card(state: dict[str, Any], lines: list[dict[str, Any]], config: dict[str, Any], figures: dict[str, Any]) -> str:
    """The model card."""
    million = sum(9 * la.inputs * la.outputs + la.outputs for la in layers().values()) / 1e6
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
    """Mean IoU by set, segmenter and number of clicks, as Markdown."""
    rows = [f"| set | cases | segmenter | {' | '.join(map(str, CLICKS))} |", "|---|---|---|" + "---|" * len(CLICKS)]
    for name, count in figures["cases"].items():
        for key in (k for k in figures if k not in ("cases",)):
            values = " | ".join(f"{figures[key][name][str(n)]:.3f}" for n in CLICKS)
            rows.append(f"| {name} | {count} | {key} | {values} |")
    return "\n".join(rows)


_CARD = """---
license: apache-2.0
library_name: flawsmith
tags: [interactive-segmentation, industrial-inspection]
---

# mini-click

A small click-conditioned segmenter: positive and negative clicks, a box and the region so far go in as maps beside the
picture, one logit per pixel comes out. A U-Net of 3x3 convolutions at strides 2 to 16, {million:.2f} M parameters,
{size:.1f} MB in half precision, normalisation folded in. Wiring: `core/segmentation/click_network.py`; use:
`core/segmentation/mini_click.py`, which asks it in windows of several sizes and ranks its answers together with the
guesses of the classic segmenter (`config.json` holds the rules of ranking).

## Data

Everything is drawn or composed from a seed, so every mask is exact. Share of the pictures:
{mix}.

- scene: parts, bores, pockets and damage on the rendered demo products (`tools/demo_product`), seeds from 10,000,000;
- flawed surface: drawn stone, steel, fabric, wood, leather and plastic with scratches, dents, cracks, stains, holes,
  chips at the frame and dull patches;
- flawed photo: the photos that scikit-image and scikit-learn carry, damaged in the same ways;
- collage: shapes of any stuff pasted with shadows onto photos and surfaces;
- tracks: two-tone boards with bridges, gaps, bites and spurs.

No real inspection photo was used for the weights or for the rules of ranking. One signal that the ranking hears, the
classic segmenter's own rule, was fitted on outlined photos, magnetic tiles among them.

## Training

`python -m tools.mini_click train`: {steps} steps, {lessons} windows of 128, then 160 pixels, {minutes:.0f} minutes of
wall time on {device}, torch {torch}.
A simulated person gives a click (77 %), a box, both, or a region to correct, then clicks the deepest error, up to four
times; every answer is learnt from. Muon for the kernels, AdamW for the rest; cross-entropy plus soft IoU; averaged
weights. Last tenth: loss {loss:.3f}, IoU after the first click {iou:.2f} on training windows.
The rate follows the clock, so a second run sees the same pictures in the same order but ends a little differently.

The rules of ranking were fitted by `publish` on {pictures} fresh pictures of the same kinds.

## Measured

`launch.py bench click --json`: mean IoU after 1, 3 and 5 simulated clicks.

{table}

## Limits

Trained briefly and on drawn flaws: soft, low-contrast or very large defects (the `uneven` tiles) are mostly missed,
and where a part has inner edges one click may find a part of it. For difficult photos use Segment Anything's weights.
"""
