"""What an edit of the prompt means on this photo: where to draw, what is drawn afresh, and which word looks where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.methods.comgen.component_masks import centre, shifted
from core.methods.comgen.prompt_edits import EditedPrompt
from core.methods.comgen.residual import grown
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]
Instances = Sequence[Sequence[Mask]]

NEARNESS, CALM = 0.2, 10.0
"""One more lies near its like (in longer sides) and on calm ground (in levels per pixel): where each falls to 1/e."""


@dataclass(frozen=True)
class AttentionTarget:
    """A word looks where chip ``old`` looks on the photo, within ``keep`` (None: everywhere), moved by ``shift``
    (down, right) in shares of the picture."""

    old: int
    keep: Mask | None = None
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class MovedComponent:
    """A component of the photo, at ``old_mask``, comes to lie at ``new_mask``, bool (H, W) both, moved by ``shift``
    (down, right) pixels.

    ``with_ground`` is the latter and the ground beside it, which comes along so that the edges do.
    """

    old_mask: Mask
    new_mask: Mask
    with_ground: Mask
    shift: tuple[int, int]


@dataclass(frozen=True)
class PlaceEdit:
    """One place that changes: ``core`` is what is or was there, ``bounds`` what may be drawn on; bool (H, W).

    ``new_noise`` is drawn from new noise, the rest from the photo's own, which keeps what is there. ``comes_or_goes``:
    the component does, and does not only look otherwise. ``gone`` was there, bool (H, W), and ``comes`` is laid there,
    None where nothing was or nothing of the photo comes. ``redrawn``: what comes is not on the photo, but drawn.
    """

    component: str
    core: Mask
    bounds: Mask
    new_noise: Mask
    comes_or_goes: bool = True
    gone: Mask | None = None
    comes: MovedComponent | None = None
    redrawn: bool = False


@dataclass(frozen=True)
class EditPlan:
    """``looks[j]`` are what chip j of the edited prompt follows; with none it looks where it likes."""

    acts: tuple[PlaceEdit, ...]
    looks: tuple[tuple[AttentionTarget, ...], ...]

    @property
    def carried(self) -> tuple[MovedComponent, ...]:
        """The photo's own components that come to lie elsewhere."""
        return tuple(act.comes for act in self.acts if act.comes is not None)

    @property
    def region(self) -> Mask:
        """Where anything may be drawn."""
        return np.asarray(np.logical_or.reduce([act.bounds for act in self.acts]), np.bool_)

    @property
    def fresh(self) -> Mask:
        """Where the noise is new."""
        return np.asarray(np.logical_or.reduce([act.new_noise for act in self.acts]), np.bool_)


def make_edit_plan(
    edited: EditedPrompt, found: Instances, picture: Image, margin: float, unit: int, rng: np.random.Generator
) -> EditPlan:
    """The plan of an edit on a photo whose components are at ``found`` (masks of ``picture``'s size).

    ``margin`` in pixels is how far around a component is drawn anew. What moves, moves by multiples of ``unit``
    pixels, the model's latent cell. InputError where there is no room for one more.
    """
    maker = _EditPlanner(edited, found, picture, margin, unit, rng)
    looks = tuple(maker.plan_component(j) for j in range(len(edited.after.components)))
    maker.plan_removed(set(range(len(edited.before.components))) - set(edited.slots))
    return EditPlan(tuple(maker.place_edits), looks)


class _EditPlanner:
    def __init__(
        self,
        edited: EditedPrompt,
        found: Instances,
        picture: Image,
        margin: float,
        unit: int,
        rng: np.random.Generator,
    ) -> None:
        self.before, self.after, self.places = edited.before.components, edited.after.components, edited.slots
        self.instances, self.picture, self.margin, self.unit, self.rng = found, picture, margin, unit, rng
        self.place_edits: list[PlaceEdit] = []
        # Where components change places, one of each kind does.
        self.moving_instance = [int(rng.integers(len(one))) for one in found]

    def plan_component(self, j: int) -> tuple[AttentionTarget, ...]:
        """Acts of one chip of the edited prompt, and where its word looks."""
        chip, place, own = self.after[j], self.places[j], self._photo_component(j)
        if own is None:
            for core in self.instances[place]:
                self._add_place(self.before[place].name, core, place, gone=core, redrawn=True)
            return (AttentionTarget(place),)
        if own != place:
            return self._swap_one(own, place)
        old = self.before[place]
        if (chip.adjective, chip.weight) != (old.adjective, old.weight):
            for core in self.instances[place]:
                self._add_place(old.name, core, place, whole=False)
        if chip.count < old.count:
            return self._remove_some(place, old.count - chip.count)
        looks = [AttentionTarget(place)]
        for _ in range(chip.count - old.count):
            looks.append(self._add_one(place))
        return tuple(looks)

    def plan_removed(self, chips: set[int]) -> None:
        """Chips of which nothing is left."""
        for i in sorted(chips):
            for core in self.instances[i]:
                self._add_place(self.before[i].name, core, i, gone=core)

    def _photo_component(self, j: int) -> int | None:
        """The chip of the photo's prompt that chip j is; None where it is new to the photo."""
        chip, place = self.after[j], self.places[j]
        names = [c.name for c in self.before]
        if names[place] == chip.name:
            return place
        if chip.name in names:
            return names.index(chip.name)
        return place if self.before[place].noun == chip.noun else None

    def _remove_some(self, place: int, count: int) -> tuple[AttentionTarget, ...]:
        among = self.instances[place]
        picked = self.rng.choice(len(among), min(count, len(among)), replace=False)
        out = np.zeros_like(among[0])
        for k in sorted(map(int, picked)):
            self._add_place(self.before[place].name, among[k], place, k, gone=among[k])
            out |= grown(among[k], self.margin)
        return (AttentionTarget(place, ~out),) if len(picked) < len(among) else ()

    def _swap_one(self, own: int, place: int) -> tuple[AttentionTarget, ...]:
        """One of ``own`` lies where one of ``place`` lay."""
        moving, there = (
            self.instances[own][self.moving_instance[own]],
            self.instances[place][self.moving_instance[place]],
        )
        (y, x), (to_y, to_x) = centre(moving), centre(there)
        shift = self._round_to_cell(to_y - y), self._round_to_cell(to_x - x)
        arrived = shifted(moving, shift)
        comes = self._moved(moving, arrived, shift)
        k = self.moving_instance[place]
        self._add_place(self.before[own].name, there | arrived, place, k, gone=there, comes=comes)
        stays = ~grown(moving, self.margin)
        looks = [AttentionTarget(own, grown(moving, self.margin), self._relative_shift(shift))]
        return tuple(looks if len(self.instances[own]) == 1 else [AttentionTarget(own, stays), *looks])

    def _add_one(self, place: int) -> AttentionTarget:
        like = self.instances[place][int(self.rng.integers(len(self.instances[place])))]
        shift = self._free_shift(like, self.before[place].name)
        arrived = shifted(like, shift)
        comes = self._moved(like, arrived, shift)
        self._add_place(self.before[place].name, arrived, None, comes=comes)
        return AttentionTarget(place, grown(like, self.margin), self._relative_shift(shift))

    def _free_shift(self, like: Mask, name: str) -> tuple[int, int]:
        """A shift (down, right) in pixels to a free place, near and calm ones first."""
        taken = np.logical_or.reduce([*(m for one in self.instances for m in one), *self._arrived()])
        rows, columns = np.nonzero(like)
        height, width = like.shape
        down = self._cell_multiples(1 - int(rows.min()), height - 2 - int(rows.max()))
        right = self._cell_multiples(1 - int(columns.min()), width - 2 - int(columns.max()))
        shifts = [(y, x) for y in down for x in right]
        blocked, area = _overlaps(grown(np.asarray(taken, np.bool_), 2.0), like, shifts), float(like.sum())
        free = [shift for shift, hit in zip(shifts, blocked, strict=True) if hit <= 0.02 * area]
        if not free:
            raise InputError(
                f"comgen: there is no free place for one more {name!r} on this photo; remove something as well"
            )
        rough = _overlaps(_roughness(self.picture), like, free) / area
        away = np.array([np.hypot(*shift) for shift in free]) / max(height, width)
        chance = np.exp(-away / NEARNESS - rough / CALM)
        return free[int(self.rng.choice(len(free), p=chance / chance.sum()))]

    def _add_place(
        self,
        component: str,
        core: Mask,
        place: int | None,
        k: int | None = None,
        gone: Mask | None = None,
        whole: bool = True,
        comes: MovedComponent | None = None,
        redrawn: bool = False,
    ) -> None:
        """One more act at ``core``, which is, or comes, in the place of the ``k``-th of chip ``place``; the rest as in
        PlaceEdit."""
        bounds = grown(core, self.margin)
        others = [
            mask
            for i, one in enumerate(self.instances)
            for n, mask in enumerate(one)
            if i != place or (k is not None and n != k)
        ]
        if others:
            # What lies beside is not to be redrawn, but for what the component itself covers.
            bounds &= core | ~grown(np.asarray(np.logical_or.reduce(others), np.bool_), 1.0)
        fresh = np.zeros_like(bounds) if gone is None else grown(gone, self.margin) & bounds
        self.place_edits.append(PlaceEdit(component, core, bounds, fresh, whole, gone, comes, redrawn))

    def _arrived(self) -> list[Mask]:
        """Where components have come to lie by now."""
        return [act.comes.new_mask for act in self.place_edits if act.comes is not None]

    def _moved(self, moving: Mask, arrived: Mask, shift: tuple[int, int]) -> MovedComponent:
        """``moving`` comes to lie at ``arrived``; what lies beside it stays."""
        others = [m for one in self.instances for m in one if m is not moving]
        ground = grown(moving, self.unit / 2)
        if others:
            ground &= moving | ~grown(np.asarray(np.logical_or.reduce(others), np.bool_), 1.0)
        return MovedComponent(moving, arrived, shifted(ground, shift), shift)

    def _round_to_cell(self, pixels: float) -> int:
        return self.unit * round(pixels / self.unit)

    def _cell_multiples(self, low: int, high: int) -> range:
        return range(-(-low // self.unit) * self.unit, high + 1, self.unit)

    def _relative_shift(self, shift: tuple[float, float]) -> tuple[float, float]:
        return shift[0] / self.picture.shape[0], shift[1] / self.picture.shape[1]


def _roughness(picture: Image) -> Floats:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(np.hypot(*np.gradient(grey)).astype(np.float32), (0, 0), 1.5), np.float32)


def _overlaps(field: npt.NDArray, like: Mask, shifts: Sequence[tuple[int, int]]) -> Floats:
    """Sum of ``field`` under ``like`` at each shift."""
    rows, columns = np.nonzero(like)
    some = slice(None, None, max(1, len(rows) // 400))
    rows, columns, scale = rows[some], columns[some], len(rows) / len(rows[some])
    values = np.asarray(field, np.float32)
    return np.array([values[rows + y, columns + x].sum() * scale for y, x in shifts], np.float32)
