"""Renders the sprites and the empty bases with Mitsuba 3; each picture is a file, so that a stopped run goes on.

One camera station for all of them: the camera looks straight down, a softbox stands at the upper left and a weaker one
at the lower right. Parts are therefore rendered at every angle they are shown in, and never turned by much afterwards.
Needs ``mitsuba`` and what ``parts`` needs; one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mitsuba as mi
import numpy as np
import trimesh

from core.demo.kinds import FRAME, KINDS
from tools.demo_product import parts

SAMPLES = 36
BASE_SIDE = 768
BASE_SAMPLES = 64
DISTANCE = 9.0
"""Camera height in units of a part's half length; near enough for flat tops to catch a gradient of the light."""

_METALS = {
    "steel": ([0.80, 0.81, 0.83], 0.20),
    "zinc": ([0.72, 0.74, 0.77], 0.28),
    "brass": ([0.90, 0.70, 0.36], 0.20),
    "copper": ([0.88, 0.55, 0.40], 0.22),
    "aluminium": ([0.56, 0.57, 0.585], 0.34),
}
_PLASTICS = {
    "black": ([0.028, 0.029, 0.032], 0.25),
    "red": ([0.56, 0.035, 0.025], 0.18),
    "blue": ([0.03, 0.13, 0.45], 0.18),
    "orange": ([0.75, 0.22, 0.02], 0.2),
    "tray": ([0.27, 0.29, 0.31], 0.3),
}


def use_variant(name: str = "scalar_rgb") -> None:
    """Choose Mitsuba's variant; ``llvm_ad_rgb`` is several times faster where it gets on with the installed LLVM."""
    mi.set_variant(name)
    if name.startswith("llvm"):
        import drjit

        drjit.set_thread_count(1)


def _surface(material: str) -> dict[str, Any]:
    if material in _METALS:
        colour, rough = _METALS[material]
        inner: dict[str, Any] = {
            "type": "roughconductor",
            "material": "none",
            "specular_reflectance": {"type": "rgb", "value": colour},
            "alpha": rough,
        }
    else:
        colour, rough = _PLASTICS[material]
        inner = {
            "type": "roughplastic",
            "diffuse_reflectance": {"type": "rgb", "value": colour},
            "alpha": rough,
        }
    return {"type": "twosided", "inner": inner}


def _sky() -> Any:
    """Surroundings for the metal to mirror: a hall, dark at one side, that brightens across the zenith.

    Flat tops mirror the zenith; the slope of light there is what shades them.
    """
    height, width = 128, 256
    polar = (np.arange(height) + 0.5)[:, None] / height * np.pi
    round_ = (np.arange(width) + 0.5)[None] / width * 2 * np.pi
    across = np.sin(polar) * (np.cos(round_) - np.sin(round_)) / np.sqrt(2)  # towards the key light
    light = 0.06 + 0.62 / (1 + np.exp(-across / 0.13)) * np.exp(-np.maximum(polar - 0.5, 0) / 0.8)
    light = light + 0.10 * np.clip(np.cos(2 * round_ + 0.5), 0, 1) * (polar > 1.0)
    return mi.Bitmap((light[..., None] * [1.0, 1.0, 1.03]).astype(np.float32))


def _station(side: int, samples: int, frame: float, distance: float) -> dict[str, Any]:
    at = mi.ScalarTransform4f().look_at
    field = 2 * np.degrees(np.arctan(frame / distance))
    scale = mi.ScalarTransform4f().scale
    return {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 5, "hide_emitters": True},
        "sensor": {
            "type": "perspective",
            "fov": field,
            "to_world": at(origin=[0, 0, distance], target=[0, 0, 0], up=[0, 1, 0]),
            "film": {
                "type": "hdrfilm",
                "width": side,
                "height": side,
                "pixel_format": "rgba",
                "rfilter": {"type": "gaussian", "stddev": 0.45},
            },
            "sampler": {"type": "multijitter", "sample_count": samples},
        },
        "sky": {"type": "envmap", "bitmap": _sky(), "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90)},
        "key": {
            "type": "rectangle",
            "to_world": at(origin=[-3.6, 3.6, 5.2], target=[0, 0, 0], up=[0, 0, 1]) @ scale(1.5),
            "light": {"type": "area", "radiance": {"type": "rgb", "value": [6.5, 6.4, 6.2]}},
        },
        "fill": {
            "type": "rectangle",
            "to_world": at(origin=[4.5, -3.5, 5.0], target=[0, 0, 0], up=[0, 0, 1]) @ scale(2.2),
            "light": {"type": "area", "radiance": {"type": "rgb", "value": [0.55, 0.57, 0.62]}},
        },
    }


def _render(
    mesh: trimesh.Trimesh, material: str, scratch: Path, station: dict[str, Any], seed: int, smooth: bool = False
) -> np.ndarray:
    """RGBA uint8, straight alpha, display-encoded."""
    if smooth:
        mesh = trimesh.graph.smooth_shade(mesh, angle=np.radians(40))
    mesh.export(scratch)
    shape = {"type": "ply", "filename": str(scratch), "face_normals": not smooth, "bsdf": _surface(material)}
    linear = np.array(mi.render(mi.load_dict({**station, "part": shape}), seed=seed))
    scratch.unlink()
    alpha = np.clip(linear[..., 3:], 0, 1)
    colour = linear[..., :3] / np.maximum(alpha, 1e-3)
    # A shoulder instead of a hard clip keeps highlights from turning into white paper.
    colour = np.where(colour > 0.7, 0.7 + 0.3 * (1 - np.exp(-(colour - 0.7) / 0.3)), colour)
    return (np.concatenate([np.clip(colour, 0, 1) ** (1 / 2.2), alpha], 2) * 255 + 0.5).astype(np.uint8)


def sprites(folder: Path, seed: int, progress: Callable[[str], None] = print) -> None:
    """Render every kind at every view into ``folder``/KIND_VIEW.png; files that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, kind in KINDS.items():
        base = parts.PARTS[kind.part]()
        station = _station(kind.side, SAMPLES, FRAME, DISTANCE)
        for view, angle in enumerate(kind.angles):
            target = folder / f"{name}_{view:02d}.png"
            if target.is_file():
                continue
            rng = np.random.default_rng([seed, sum(map(ord, name)), view])
            mesh = base.copy()
            if kind.rolls:
                parts.turn(parts.move(mesh, z=-float(mesh.bounds[1][2]) / 2), rng.uniform(0, 2 * np.pi), [1, 0, 0])
            parts.turn(mesh, np.radians(angle), [0, 0, 1])
            parts.move(mesh, z=-float(mesh.bounds[0][2]))
            picture = _render(mesh, kind.material, folder / "part.ply", station, seed + view, kind.part == "spring")
            part = target.with_suffix(".part.png")
            cv2.imwrite(str(part), cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))
            part.rename(target)
        progress(f"{name}: {len(kind.angles)} views")


def bases(folder: Path, seed: int, progress: Callable[[str], None] = print) -> None:
    """Render the empty tray and the empty housing into ``folder``/NAME.png."""
    folder.mkdir(parents=True, exist_ok=True)
    station = _station(BASE_SIDE, BASE_SAMPLES, 1.0, 7.0)
    for name, (build, material) in {"tray": (parts.tray, "tray"), "housing": (parts.housing, "aluminium")}.items():
        target = folder / f"{name}.png"
        if not target.is_file():
            picture = _render(build(), material, folder / "base.ply", station, seed)
            clean = cv2.bilateralFilter(cv2.cvtColor(picture[..., :3], cv2.COLOR_RGB2BGR), 9, 14, 3)
            cv2.imwrite(str(target), clean)
            progress(name)
