"""Another scale for a project's photos of more than 8 bits: their working copies are made again from source values."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import Cancelled, InputError
from core.images import is_grey, png_bytes
from core.images.depth import DepthScale
from core.images.source_depth import SourceDepth, read_deep_png, working_copy
from core.progress import Steps, unwatched
from core.store import Project
from core.store.depths import NewCopy

_TOP = 65535.0
_WHOLE = "uint16"
_KEPT_CACHE = frozenset({"import", "learning", "zips"})
"""Folders of the cache that do not hang on how photos look."""


@dataclass(frozen=True)
class RescaleReport:
    """How many photos have another working copy, and how many samples were drawn on the old ones."""

    photos: int
    samples: int

    @property
    def message(self) -> str:
        """One line for a person."""
        if not self.photos:
            return "the photos have this scale already"
        line = f"made the working copies of {self.photos} photos again; masks and regions stay"
        if not self.samples:
            return line
        return f"{line}; {self.samples} samples were drawn on the old scale and stay as they are"


def rescale(
    project: Project,
    dtype: str,
    scale: DepthScale,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> RescaleReport:
    """Give the photos of number type ``dtype`` another scale, all of them or, where it is stopped, none.

    What was learned or drawn stays as it is. InputError for a type that is not there, or a scale beyond what was kept;
    Cancelled.
    """
    scales = project.depth_scales()
    if dtype not in scales:
        there = ", ".join(scales) or "none has more than 8 bits"
        raise InputError(f"scale {dtype}: this project has no such photos (there are: {there})")
    old = scales[dtype]
    if (old.low, old.high) == (scale.low, scale.high):
        return RescaleReport(0, 0)
    chosen = _of_type(dtype, scales, project.source_depths())
    ends = {stem: _new_ends(depth, old, scale) for stem, depth in chosen.items()}
    copies: list[NewCopy] = []
    progress(0, len(chosen))
    for done, (stem, depth) in enumerate(chosen.items(), 1):
        if cancelled():
            raise Cancelled(f"stopped after {done - 1} of {len(chosen)} photos; the scale is what it was")
        low, high = ends[stem]
        pixels = working_copy(read_deep_png(depth.file.read_bytes(), depth.file.name), low, high)
        copy = project.store_file(png_bytes(pixels, grey=is_grey(pixels)), "png")
        copies.append(NewCopy(stem, copy.file, low, high))
        progress(done, len(chosen))
    with project.transaction():
        drawn = project.replace_copies(
            copies, f"{dtype} scaled to 8-bit from {scale.low:.6g}..{scale.high:.6g} ({scale.why})"
        )
        project.set_depth_scales({**scales, dtype: scale})
    _forget_looks(project.cache_dir)
    return RescaleReport(len(copies), drawn)


def _of_type(
    dtype: str, scales: Mapping[str, DepthScale], depths: Mapping[str, SourceDepth]
) -> dict[str, SourceDepth]:
    """The source values of photos of one number type; InputError where a project does not tell whose they are."""
    known = {stem: depth for stem, depth in depths.items() if depth.dtype == dtype}
    return known | _untold(dtype, scales, {stem: depth for stem, depth in depths.items() if not depth.dtype})


def _untold(dtype: str, scales: Mapping[str, DepthScale], depths: Mapping[str, SourceDepth]) -> dict[str, SourceDepth]:
    """The same of photos whose type was not kept, which are told apart by their ends as far as that goes."""
    if len(scales) == 1 or not depths:
        return dict(depths)
    whole = scales.get(_WHOLE)
    if len(scales) > 2 or whole is None or (whole.low, whole.high) == (0.0, _TOP):
        raise InputError(
            f"scale {dtype}: the project has photos of {', '.join(scales)}, which are not told apart any more; "
            "import them into a new project with --scale"
        )
    return {
        stem: depth
        for stem, depth in depths.items()
        if ((depth.low, depth.high) == (whole.low, whole.high)) == (dtype == _WHOLE)
    }


def _new_ends(depth: SourceDepth, old: DepthScale, new: DepthScale) -> tuple[float, float]:
    """What of the kept values is 0 and 255 in the new scale; InputError where values beyond the old were not kept."""
    if (depth.low, depth.high) == (old.low, old.high):
        return new.low, new.high
    step = (depth.high - depth.low) / (old.high - old.low)
    low, high = (float(depth.low + (end - old.low) * step) for end in (new.low, new.high))
    if low < -0.5 or high > _TOP + 0.5:
        first, last = (old.low + (end - depth.low) / step for end in (0.0, _TOP))
        raise InputError(
            f"scale {new.low:.6g}..{new.high:.6g}: of these photos only values in {first:.6g}..{last:.6g} were kept; "
            "choose a scale inside it, or import the photos again into a new project"
        )
    return float(np.clip(low, 0, _TOP)), float(np.clip(high, 0, _TOP))


def _forget_looks(cache: Path) -> None:
    """Delete what was made of the photos and can be made again: thumbnails, features, outlines of parts."""
    for path in cache.iterdir():
        if path.name not in _KEPT_CACHE:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
