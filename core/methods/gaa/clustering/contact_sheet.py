"""Clusters to look at: one row of crops per cluster, its representative first, the least typical members last."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from core.errors import InputError
from core.images import png_bytes
from core.images.crop import crop_of_mask
from core.images.geometry import outer_rim, resized
from core.methods.gaa.clustering.clusters import Cluster, Clustering, distances
from core.types import AnomalyExample, Image, Mask

OUTLINE = (255, 0, 200)
_FRAME = (27, 79, 140)
_PAPER = 255
_GAP = 6
_TITLE = 26


def contact_sheet(
    clustering: Clustering, examples: Sequence[AnomalyExample], side: int = 112, most: int = 10, outline: bool = True
) -> bytes:
    """A PNG with a row per cluster: name, size and silhouette, then at most ``most`` crops, ``side`` pixels each.

    ``examples`` are the regions that were clustered, in any order; InputError names one that is missing. The blue
    frame marks the representative. Where a cluster has more members, those shown are spread over its order.
    """
    if not clustering.clusters:
        raise InputError("contact sheet: there are no clusters; cluster some examples first")
    by_id = {e.id: e for e in examples}
    if missing := [m for m in clustering.ids if m not in by_id]:
        raise InputError(f"contact sheet: region {missing[0]!r} is not among the examples; give them all")
    shown = min(most, max(len(c.members) for c in clustering.clusters))
    width = max(shown * (side + _GAP) - _GAP, 420)
    rows = []
    for cluster in clustering.clusters:
        rows.append(_title(cluster, width))
        tiles = [crop_tile(by_id[m].pixels, by_id[m].mask, side, outline) for m in typical_first(clustering, cluster)]
        rows.append(_row([_framed(tiles[0]), *tiles[1:]], most, side, width))
    return png_bytes(np.concatenate(rows))


def typical_first(clustering: Clustering, cluster: Cluster) -> list[str]:
    """The cluster's members: its representative, then by growing distance from it."""
    at = [clustering.ids.index(m) for m in cluster.members]
    apart = distances(clustering.vectors[at])[cluster.members.index(cluster.representative)]
    apart[cluster.members.index(cluster.representative)] = -1.0
    return [cluster.members[i] for i in np.argsort(apart, kind="stable")]


def crop_tile(image: Image, mask: Mask, side: int = 112, outline: bool = True) -> Image:
    """The region and as much around it again, uint8 (side, side, 3); white beyond the photo's edge.

    A region nearly as long as the photo is shown with the photo's own side, or its box and a tenth more.
    """
    box = crop_of_mask(mask, grow=0)
    if box is None:
        raise InputError("crop: the mask is empty; give a mask of the defect")
    long = max(box.shape)
    reach = max(min(2 * long, max(*mask.shape, round(1.1 * long))), 32)
    top = (box.y0 + box.y1 - reach) // 2
    left = (box.x0 + box.x1 - reach) // 2
    size = (mask.shape[0], mask.shape[1])
    ys, xs = slice(max(top, 0), min(top + reach, size[0])), slice(max(left, 0), min(left + reach, size[1]))
    window = np.full((reach, reach, 3), _PAPER, np.uint8)
    inside = np.zeros((reach, reach), np.float32)
    place = np.s_[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left]
    window[place], inside[place] = image[ys, xs], mask[ys, xs]
    tile = resized(window, (side, side))
    if outline:
        near = cv2.INTER_AREA if reach > side else cv2.INTER_NEAREST
        tile[outer_rim(cv2.resize(inside, (side, side), interpolation=near) > 0)] = OUTLINE
    return tile


def _row(tiles: Sequence[Image], most: int, side: int, width: int) -> Image:
    places = np.unique(np.linspace(0, len(tiles) - 1, min(most, len(tiles))).round().astype(int))
    row = np.full((side + _GAP, width, 3), _PAPER, np.uint8)
    for n, place in enumerate(places):
        row[:side, n * (side + _GAP) : n * (side + _GAP) + side] = tiles[place]
    return row


def _framed(tile: Image) -> Image:
    framed = tile.copy()
    framed[:3], framed[-3:], framed[:, :3], framed[:, -3:] = (_FRAME,) * 4
    return framed


def _title(cluster: Cluster, width: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    strip = Pillow.new("RGB", (width, _TITLE), (_PAPER,) * 3)
    count = len(cluster.members)
    text = f"{cluster.name}   {count} region{'s'[: count != 1]}   silhouette {cluster.silhouette:.2f}"
    ImageDraw.Draw(strip).text((2, 4), text, font=ImageFont.load_default(15), fill=(30, 30, 30))
    return np.asarray(strip, np.uint8)
