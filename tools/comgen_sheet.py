"""A sheet of ComGEN's samples of a project: prompt, photo, nearest good part, sample, attention and masks.

    python -m tools.comgen_sheet PROJECT docs/pictures/comgen-samples.jpg [SAMPLES]

One row a sample, taken evenly from all edited photos and, below them, a third as many from those drawn from noise. The
two components that differ most are shown.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from core.api import Workbench
from core.api.studio.attention_evidence import AttentionEvidence, AttentionEvidenceApi, NearestGoodPartIndex
from core.evaluation.panels import outlined, stacked_vertically
from core.images import read_image, read_mask
from core.images.geometry import resized
from core.store import SampleFilter, SampleRow
from core.types import Image, Mask, Recipe

SIDE, GAP, TEXT = 160, 6, 34
SIZE = (SIDE, SIDE)
COLUMNS = 8


def sheet(project: Path, count: int) -> Pillow.Image:
    """``count`` rows as one picture."""
    with Workbench.open(project) as bench:
        samples = bench.review.page(SampleFilter(engine="comgen"), 0, 10_000)
        evidences, neighbours = AttentionEvidenceApi(bench.material), NearestGoodPartIndex(bench.material)
        noise = [row for row in samples if Recipe.from_json(row.recipe_json).params["mode"] == "noise"]
        photos = [row for row in samples if row not in noise]
        rows = []
        for row in _evenly(photos, count - count // 4) + _evenly(noise, count // 4):
            neighbours.find(row)
            evidence = evidences.of_sample(row)
            if evidence is not None:
                rows.append(_row(bench, row, evidence))
    return Pillow.fromarray(stacked_vertically(rows))


def _evenly(samples: list[SampleRow], count: int) -> list[SampleRow]:
    return [samples[int(i)] for i in np.linspace(0, len(samples) - 1, min(count, len(samples)))]


def _row(bench: Workbench, row: SampleRow, evidence: AttentionEvidence) -> Image:
    photo, sample = read_image(bench.project.normal_row(row.normal_id).path), read_image(row.image_path)
    assert row.unrefined_path is not None, "evidence has one"
    cells: list[tuple[str, Image]] = [("photo", photo)]
    if evidence.nearest_good_part is not None and evidence.nearest_good_part_row is not None:
        cells.append(
            (
                f"nearest good part, d {evidence.nearest_good_part.d:.2f}",
                read_image(evidence.nearest_good_part_row.path),
            )
        )
    cells += [
        ("sample", outlined(sample, read_mask(row.mask_path), SIZE)),
        ("residual attention", read_image(evidence.heatmap_path)),
    ]
    cells += [(f"{part.name} {100 * part.share:.0f} %", read_image(part.path)) for part in evidence.components[:2]]
    cells += [("unrefined", _white(read_mask(row.unrefined_path))), ("mask", _white(read_mask(row.mask_path)))]
    picture = Pillow.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, TEXT + SIDE + 20 + GAP), "white")
    draw = ImageDraw.Draw(picture)
    edit = f"   ({evidence.edit})" if evidence.edit else ""
    draw.text((GAP, 10), f"{evidence.after or evidence.before}{edit}", fill="black", font=_font(14))
    for place, (title, image) in enumerate(cells):
        left = GAP + place * (SIDE + GAP)
        picture.paste(Pillow.fromarray(resized(image, SIZE[::-1])), (left, TEXT))
        draw.text((left, TEXT + SIDE + 2), title, fill="#555", font=_font(12))
    return np.asarray(picture, np.uint8)


def _white(mask: Mask) -> Image:
    return np.repeat((mask * np.uint8(255))[..., None], 3, axis=2)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


if __name__ == "__main__":
    sheet(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else 6).save(sys.argv[2], quality=82)
