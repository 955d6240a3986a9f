"""The scale of photos with more than 8 bits, found on a project's first import of them and kept for the next."""

from __future__ import annotations

from collections.abc import Mapping

from core.errors import InputError
from core.images.depth import DepthScale, DepthScales
from core.store import Project


def chosen_scales(found: DepthScales, said: DepthScales, kept: Mapping[str, DepthScale]) -> dict[str, DepthScale]:
    """The scale of each number type that was ``found``: the project's own, else as a person said, else as found.

    InputError for a scale of photos that are not there, and for another than that of the project's photos.
    """
    for dtype, scale in said.items():
        if dtype not in found:
            there = ", ".join(found) or "none has more than 8 bits"
            raise InputError(f"--scale {dtype}: there are no such photos in the source (there are: {there})")
        own = kept.get(dtype, scale)
        if (own.low, own.high) != (scale.low, scale.high):
            raise InputError(
                f"--scale {dtype}: this project's photos have the scale {own.low:.6g}..{own.high:.6g}, and photos of "
                f"a set share one; change it first: launch.py scale PROJECT {dtype}={scale.low:.6g}..{scale.high:.6g}"
            )
    return {dtype: kept.get(dtype) or said.get(dtype) or scale for dtype, scale in found.items()}


def keep_scales(project: Project, scales: DepthScales) -> None:
    """Keep the scales of an import for the next ones; those that the project has stay."""
    kept = project.depth_scales()
    if set(scales) - set(kept):
        project.set_depth_scales({**scales, **kept})
