"""The scale of photos with more than 8 bits, found on a project's first import of them and kept for the next."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from core.images.depth import DepthScale, DepthScales
from core.store import Project

SETTING = "depth_scales"


def kept_scales(project: Project, found: DepthScales) -> DepthScales:
    """The project's scales, with those ``found`` that it does not have yet; these are stored."""
    stored: dict[str, Any] = dict(project.get_setting(SETTING, {}))
    known = {dtype: DepthScale(float(s["low"]), float(s["high"]), str(s["why"])) for dtype, s in stored.items()}
    fresh = {dtype: scale for dtype, scale in found.items() if dtype not in known}
    if fresh:
        project.set_setting(SETTING, {dtype: asdict(scale) for dtype, scale in {**known, **fresh}.items()})
    return {dtype: {**known, **fresh}[dtype] for dtype in found}
