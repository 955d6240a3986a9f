"""Real look-alikes of what is missed, sought among photos that nobody has labelled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import ImageError, InputError
from core.evaluation.photo_sets import Shot, photo_digest
from core.evaluation.seen_photos import photo_patterns
from core.features.extract import patch_features
from core.images import isolated
from core.images.geometry import coverage
from core.loop.loop_state import MinedPhoto
from core.quality.photo_copies import RESAVED
from core.types import Image

Floats = npt.NDArray[np.float32]
MOST_MINED = 12
"""Photos that one round lists."""
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
_STRIDE, _LONGEST = 8, 384
_GOOD_COMPARED = 16
_LEAST_COVERED = 0.3


@dataclass(frozen=True)
class MiningQuery:
    """What is sought: ``misses`` with their masks; ``good`` photos say how near any part comes; ``kept`` are photos
    that guide or judge, ``known`` digests that were listed before or lie in the project."""

    misses: Sequence[Shot]
    good: Sequence[Shot]
    kept: Sequence[Shot]
    known: Collection[str] = ()


def mine_photos(folder: Path, query: MiningQuery, check: Callable[[], None] = lambda: None) -> tuple[MinedPhoto, ...]:
    """The photos under ``folder`` that show most of what is missed, the nearest first, at most MOST_MINED.

    A miss is the mean feature of its defect; a photo is as near as its nearest place, above what the nearest of the
    good photos has. Those no nearer than a good photo are left out, and so are copies. InputError without a folder;
    files that cannot be read are passed over.
    """
    if not folder.is_dir():
        raise InputError(f"--unlabelled {folder}: there is no such folder; give one of photos")
    if not query.misses:
        return ()
    sought = np.stack([_defect_feature(shot, check) for shot in query.misses])
    usual = np.max([_nearest(shot.read(), sought) for shot in query.good[:_GOOD_COMPARED]], axis=0)
    found: list[MinedPhoto] = []
    taken = set(query.known)
    for shot in _candidates(folder):
        check()
        digest = photo_digest(shot).hex()
        if digest in taken:
            continue
        try:
            above = _nearest(shot.read(), sought) - usual
        except ImageError:
            continue
        best = int(above.argmax())
        if above[best] > 0:
            taken.add(digest)
            found.append(MinedPhoto(str(shot.image), query.misses[best].name, float(above[best]), digest))
    found.sort(key=lambda one: (-one.likeness, one.path))
    return _without_copies(found, query.kept, check)


def _candidates(folder: Path) -> list[Shot]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    return [Shot(p.relative_to(folder).as_posix(), p, "unlabelled") for p in paths]


def _defect_feature(shot: Shot, check: Callable[[], None]) -> Floats:
    """The mean feature of the defect's cells, of length 1, float32 (D,)."""
    check()
    image = shot.read()
    features = patch_features(image, _STRIDE, _LONGEST)
    share = coverage(shot.mask((image.shape[0], image.shape[1])), (features.shape[0], features.shape[1]))
    inside = share >= min(_LEAST_COVERED, float(share.max()))
    mean = features[inside].mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _nearest(image: Image, sought: Floats) -> Floats:
    """For each of ``sought`` (M, D) the cosine to the photo's nearest place, float32 (M,)."""
    features = patch_features(image, _STRIDE, _LONGEST)
    return np.asarray((features.reshape(-1, features.shape[2]) @ sought.T).max(axis=0), np.float32)


def _without_copies(
    found: Sequence[MinedPhoto], kept: Sequence[Shot], check: Callable[[], None]
) -> tuple[MinedPhoto, ...]:
    """Those that are no copy of a photo that guides or judges, or of one listed before them."""
    shown = [pattern.pattern.ravel() for _, pattern in photo_patterns(kept, check)]
    chosen: list[MinedPhoto] = []
    for one in found:
        if len(chosen) == MOST_MINED:
            break
        shot = Shot(one.path, isolated.read_image(Path(one.path)), "unlabelled")
        for _, pattern in photo_patterns([shot], check):
            own = pattern.pattern.ravel()
            if not shown or float(np.max(np.stack(shown) @ own)) < RESAVED:
                chosen.append(one)
                shown.append(own)
    return tuple(chosen)
