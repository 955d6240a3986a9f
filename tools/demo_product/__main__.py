"""Makes the demo products: ``python -m tools.demo_product`` renders what is missing, packs the sheet and ships;
``regions`` writes the named regions of the shipped photos alone.

Rendering needs ``pip install mitsuba trimesh manifold3d shapely scipy networkx mapbox_earcut``; scenes need nothing
but Flawsmith's own requirements.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.demo import scenes, sheet
from tools.demo_product import pictures, ship
from tools.demo_product.ship import PRODUCTS

ASSETS = sheet.SHEET.parent
LIMIT = 8_000_000
"""Bytes that assets/demo may have in all."""


def render(build: Path, seed: int, variant: str) -> None:
    """Render every picture that ``build`` lacks and pack them."""
    from tools.demo_product import render as studio

    studio.use_variant(variant)
    studio.bases(build / "bases", seed, _say)
    studio.sprites(build / "sprites", seed, _say)
    _say(f"sprite sheet: {ship.pack_sheet(build / 'sprites', build / 'bases') / 1e6:.2f} MB")


def ship_all() -> None:
    """Write the shipped photos and check their size."""
    for product, size in ship.everything(ASSETS, sheet.load_sheet(), _say).items():
        _say(f"{product}: {size / 1e6:.2f} MB")
    total = sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file())
    _say(f"assets/demo: {total / 1e6:.2f} MB in all")
    if total > LIMIT:
        raise SystemExit(f"assets/demo has {total} bytes, more than {LIMIT}; lower scenes.JPEG_QUALITY")


def make(out: Path, product: str, count: int, seed: int, side: int, good: bool) -> None:
    """Write ``count`` scenes as PNG with one caption file, for looking and for training elsewhere."""
    import cv2

    out.mkdir(parents=True, exist_ok=True)
    lines = []
    build = scenes.normal if good else scenes.varied
    for number in range(seed, seed + count):
        scene = scenes.make(build(product, number), side)
        cv2.imwrite(str(out / f"{number:06d}.png"), cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))
        lines.append(f"{number:06d}.png\t{scene.caption}")
    (out / "captions.tsv").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_product", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=("all", "render", "ship", "regions", "scenes", "pictures"), default="all"
    )
    parser.add_argument("--build", type=Path, default=Path("demo_build"), help="rendered pictures; kept between runs")
    parser.add_argument("--variant", default="scalar_rgb", help="Mitsuba's; llvm_ad_rgb is several times faster")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo_scenes"), help="scenes: folder to write")
    parser.add_argument("--product", choices=PRODUCTS, default=PRODUCTS[0])
    parser.add_argument("--count", type=int, default=16)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--good", action="store_true", help="scenes: good ones only, as the station sees them")
    given = parser.parse_args()
    if given.what in ("all", "render"):
        render(given.build, given.seed, given.variant)
    if given.what in ("all", "ship"):
        ship_all()
    if given.what == "regions":
        for product in PRODUCTS:
            _say(f"{product}: {ship.write_regions(product, ASSETS, sheet.load_sheet())} regions")
    if given.what in ("all", "pictures"):
        pictures.draw(sheet.load_sheet())
    if given.what == "scenes":
        make(given.out, given.product, given.count, given.seed, given.side, given.good)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
