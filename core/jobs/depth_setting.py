"""The scale of photos with more than 8 bits, found on a project's first import of them and kept for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from core.errors import InputError
from core.images.depth import DepthScale, DepthScales
from core.store import Project

SETTING = "depth_scales"


def project_scales(project: Project) -> dict[str, DepthScale]:
    """The scales that a project has, by number type."""
    stored: dict[str, Any] = dict(project.get_setting(SETTING, {}))
    return {dtype: DepthScale(float(s["low"]), float(s["high"]), str(s["why"])) for dtype, s in stored.items()}


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
                "a set share one; make a new project for another"
            )
    return {dtype: kept.get(dtype) or said.get(dtype) or scale for dtype, scale in found.items()}


def keep_scales(project: Project, scales: DepthScales) -> None:
    """Keep the scales of an import for the next ones."""
    kept = project_scales(project)
    if set(scales) - set(kept):
        everything = {**scales, **kept}
        project.set_setting(SETTING, {dtype: asdict(scale) for dtype, scale in everything.items()})
