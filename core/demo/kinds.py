"""What there is to put into a scene: part, material and the angles it was rendered at. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

FRAME = 1.2
"""Half the side of a sprite in units of the part's half length; the rest is margin."""


@dataclass(frozen=True)
class Kind:
    """A part in a material. ``period`` in degrees: turned by so much, the part looks the same."""

    part: str
    material: str
    word: str
    views: int
    period: float = 360.0
    rolls: bool = False
    height: float = 0.3
    """Height above the ground in half lengths; the shadow's width."""
    side: int = 256
    """Side of its sprites in pixels: about what a picture of 1024 needs."""
    pivot: float = 0.0
    """Where along the part, in half lengths from its middle, it is held and turned."""

    @property
    def angles(self) -> tuple[float, ...]:
        """The angle of each view in degrees, counter-clockwise."""
        return tuple(self.period * i / self.views for i in range(self.views))


KINDS: dict[str, Kind] = {
    "bolt": Kind("bolt", "zinc", "bolt", 16, rolls=True, height=0.6),
    "bolt_black": Kind("bolt", "black", "bolt", 8, rolls=True, height=0.6),
    "nut": Kind("nut", "brass", "nut", 4, 60, height=0.6, side=192),
    "nut_steel": Kind("nut", "zinc", "nut", 4, 60, height=0.6, side=192),
    "washer": Kind("washer", "steel", "washer", 2, 30, height=0.15, side=160),
    "washer_copper": Kind("washer", "copper", "washer", 2, 30, height=0.15, side=160),
    "spring": Kind("spring", "steel", "spring", 8, 180, rolls=True, height=0.7),
    "clip": Kind("clip", "black", "clip", 12, height=0.12, side=192),
    "cap": Kind("cap", "red", "cap", 3, 60, height=0.5, side=192),
    "cap_blue": Kind("cap", "blue", "cap", 3, 60, height=0.5, side=192),
    "pin": Kind("pin", "steel", "pin", 10, height=0.35, side=192),
    "screw": Kind("screw", "black", "screw", 4, 60, height=0.5, side=128),
    "screw_steel": Kind("screw", "zinc", "screw", 4, 60, height=0.5, side=128),
    "pinion": Kind("pinion", "brass", "pinion", 4, 30, height=0.4),
    "bearing": Kind("bearing", "steel", "bearing", 2, 40, height=0.35),
    "gear": Kind("gear", "steel", "gear", 4, 60, height=0.35, side=448),
    "gear_brass": Kind("gear", "brass", "gear", 3, 60, height=0.35, side=448),
    "lever": Kind("lever", "orange", "lever", 12, height=0.4, side=320, pivot=-0.644),
}
