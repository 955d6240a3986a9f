"""What a scene is before it is a picture: frozen values in units of the picture's side, for pictures of any size."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from core.demo.kinds import KINDS


@dataclass(frozen=True)
class Item:
    """A part in a scene. ``x``, ``y`` from the top left and ``size`` (its longest side) in sides of the picture.

    ``slot`` names its place and is unique in a scene; ``angle`` in degrees, counter-clockwise.
    """

    slot: str
    kind: str
    x: float
    y: float
    size: float
    angle: float = 0.0

    @property
    def word(self) -> str:
        """The noun of the captions, and the name of its region."""
        return KINDS[self.kind].word


@dataclass(frozen=True)
class SceneFlaw:
    """Damage to a surface: ``name`` is scratch, dent, crack or stain; places and ``size`` in sides."""

    name: str
    x: float
    y: float
    size: float
    angle: float
    seed: int
    strength: float = 1.0


@dataclass(frozen=True)
class Camera:
    """One exposure. Shifts in sides, ``roll`` in degrees, ``blur`` in 1/1024 sides, ``noise`` in levels."""

    seed: int = 0
    dx: float = 0.0
    dy: float = 0.0
    roll: float = 0.0
    gain: float = 1.0
    warmth: float = 0.0
    tint: float = 0.0
    vignette: float = 0.12
    blur: float = 0.9
    noise: float = 1.2


@dataclass(frozen=True)
class Ground:
    """What the parts lie on: ``seed`` draws its texture, ``colour`` multiplies it, ``grain`` is its depth."""

    seed: int = 0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    grain: float = 1.0


@dataclass(frozen=True)
class Spec:
    """A scene of ``product`` that ``scenes.make`` turns into a picture."""

    product: str
    seed: int
    items: tuple[Item, ...] = ()
    flaws: tuple[SceneFlaw, ...] = ()
    ground: Ground = field(default_factory=Ground)
    camera: Camera = field(default_factory=Camera)

    def item(self, slot: str) -> Item:
        """The item in ``slot``; KeyError if it is empty."""
        for item in self.items:
            if item.slot == slot:
                return item
        raise KeyError(f"slot {slot!r} is empty; the scene has {', '.join(i.slot for i in self.items)}")

    def put(self, item: Item) -> Spec:
        """This scene with ``item`` in its slot, in front of the others if the slot was empty."""
        if any(i.slot == item.slot for i in self.items):
            return replace(self, items=tuple(item if i.slot == item.slot else i for i in self.items))
        return replace(self, items=(*self.items, item))

    def without(self, slot: str) -> Spec:
        """This scene without the part in ``slot``."""
        gone = self.item(slot)
        return replace(self, items=tuple(i for i in self.items if i is not gone))

    def moved(self, slot: str, dx: float, dy: float) -> Spec:
        """This scene with one part moved by sides of the picture."""
        item = self.item(slot)
        return self.put(replace(item, x=item.x + dx, y=item.y + dy))

    def turned(self, slot: str, degrees: float) -> Spec:
        """This scene with one part turned counter-clockwise."""
        item = self.item(slot)
        return self.put(replace(item, angle=item.angle + degrees))

    def swapped(self, slot: str, other: str) -> Spec:
        """This scene with two parts in each other's place."""
        a, b = self.item(slot), self.item(other)
        return self.put(replace(a, x=b.x, y=b.y)).put(replace(b, x=a.x, y=a.y))

    def remade(self, slot: str, kind: str) -> Spec:
        """This scene with a part of another kind in ``slot``."""
        return self.put(replace(self.item(slot), kind=kind))

    def flawed(self, flaw: SceneFlaw) -> Spec:
        """This scene with damage."""
        return replace(self, flaws=(*self.flaws, flaw))
