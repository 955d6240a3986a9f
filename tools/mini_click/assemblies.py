"""Pictures of things made of several pieces, and of lettering."""

from __future__ import annotations

import cv2
import numpy as np

from tools.mini_click.shapes import lettering, made_of_pieces
from tools.mini_click.stuff import SIDE, Field, LabelledPicture, Rng, bores, large, stuff


def assembly(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """Things made of several pieces and materials, thin and open ones too, with glare and cast shadows."""
    ground = stuff(rng, side).astype(np.float32)
    owner = np.full((side, side), -1, np.int16)
    count = int(rng.integers(1, 5))
    for number in range(count):
        pieces = made_of_pieces(rng, side, float(np.exp(rng.uniform(np.log(24), np.log(side * 0.7)))))
        whole = np.maximum.reduce(pieces)
        if rng.random() < 0.75:
            ground = _shaded(ground, whole, rng)
        ground = _assembled(ground, pieces, rng)
        owner[whole >= 0.5] = number
    masks = [owner == n for n in range(count)]
    masks += [hole for mask in masks for hole in bores(mask)]
    return LabelledPicture(np.clip(ground, 0, 255).astype(np.uint8), large(masks))


def text(rng: Rng, side: int = SIDE) -> LabelledPicture:
    """Printed, engraved or raised text; what is meant is the field about a line, as people box it."""
    ground = stuff(rng, side).astype(np.float32)
    masks = []
    for _ in range(int(rng.integers(1, 4))):
        ink, (x0, y0, x1, y1) = lettering(rng, side, float(np.exp(rng.uniform(np.log(8), np.log(60)))))
        if rng.random() < 0.5:
            along, across = (cv2.Sobel(ink, cv2.CV_32F, *d, scale=0.125) for d in ((1, 0), (0, 1)))
            ground = ground * (1 - rng.uniform(0.1, 0.6) * ink + rng.uniform(-0.8, 0.8) * (along + across))[..., None]
        else:
            colour = (
                rng.uniform(0, 255, 3) if rng.random() < 0.4 else np.full(3, rng.choice([rng.uniform(0, 60), 250]))
            )
            ground = ground * (1 - ink[..., None]) + colour * ink[..., None]
        pad = round((y1 - y0) * rng.uniform(0.15, 0.45))
        field = np.zeros((side, side), np.bool_)
        field[max(y0 - pad, 0) : y1 + pad, max(x0 - pad, 0) : x1 + pad] = True
        masks.append(field)
    return LabelledPicture(np.clip(ground, 0, 255).astype(np.uint8), large(masks))


def _shaded(ground: Field, alpha: Field, rng: Rng) -> Field:
    """``ground`` in the cast and contact shadow of what covers ``alpha``."""
    reach, soft = rng.normal(0, 5, 2), rng.uniform(1, 6)
    cast = cv2.warpAffine(alpha, np.array([[1, 0, reach[0]], [0, 1, reach[1]]]), alpha.shape[::-1])
    return np.asarray(ground * (1 - rng.uniform(0.2, 0.75) * cv2.GaussianBlur(cast, (0, 0), soft))[..., None])


def _assembled(ground: Field, pieces: list[Field], rng: Rng) -> Field:
    """``pieces`` on the ground, each of its stuff: alike, unlike, or hardly unlike the ground."""
    common, camouflaged = stuff(rng, ground.shape[0]), rng.random() < 0.25
    for piece in pieces:
        fill = (common if rng.random() < 0.4 else stuff(rng, ground.shape[0])).astype(np.float32)
        if camouflaged and piece.max() > 0.5:
            own, under = fill[piece >= 0.5].mean(0), ground[piece >= 0.5].mean(0)
            fill = fill * rng.uniform(0.2, 0.6) + under * rng.uniform(0.7, 1.2) - own * 0.2
        edge = cv2.GaussianBlur(piece, (0, 0), rng.uniform(0.4, 1.0))[..., None]
        ground = ground * (1 - edge) + _lit(fill, piece, rng) * edge
    return np.asarray(ground, np.float32)


def _lit(fill: Field, alpha: Field, rng: Rng) -> Field:
    """``fill`` with light on its rounded form, and perhaps with glare."""
    height = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(1, 7))
    along, across = (cv2.Sobel(height, cv2.CV_32F, *d) for d in ((1, 0), (0, 1)))
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * along + np.sin(angle) * across
    lit = fill * (1 + rng.uniform(0, 0.8) * slope[..., None])
    if rng.random() < 0.4:
        shine = cv2.GaussianBlur(np.clip(slope - rng.uniform(0, 0.4), 0, None), (0, 0), rng.uniform(0.6, 3))
        lit = lit + rng.uniform(80, 400) * (shine / max(float(shine.max()), 1e-3))[..., None] ** 2
    return np.asarray(lit, np.float32)
