"""The values that pass between rooms of the house.

One array form at every boundary: an image is ``uint8 (H, W, 3)`` RGB, a mask is ``bool (H, W)``.
All values are frozen, and their arrays are read-only: a stage returns a new value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.errors import ImageError, InputError, MaskError
from core.placement_rules import Placement, StoredPlacement
from core.stored import JsonObject, StoredFormat, plain_record, read_record

Image = npt.NDArray[np.uint8]
"""``uint8 (H, W, 3)``, RGB, 0..255."""
Mask = npt.NDArray[np.bool_]
"""``bool (H, W)``, True inside."""
Kind = Literal["structural", "logical", "combined"]
"""What an anomaly breaks: the surface, the arrangement of components, or both."""
KINDS: tuple[Kind, ...] = ("structural", "logical", "combined")

GOOD = "good"
"""The label of a normal image; no anomaly may bear it."""


class ReviewStatus(StrEnum):
    """What was said of a sample."""

    NEW = "new"
    KEPT = "kept"
    REJECTED = "rejected"


@dataclass(frozen=True)
class VerdictSource:
    """Who gave a verdict: a ``person``, by the login's ``name`` where there is one, or a ``rule``."""

    kind: Literal["person", "rule"]
    name: str = ""

    def __str__(self) -> str:
        return "by rule" if self.kind == "rule" else f"by {self.name or 'hand'}"


PERSON, RULE = VerdictSource("person"), VerdictSource("rule")


def check_image(array: Any, what: str = "image") -> Image:
    """Return ``array`` as a read-only image, or raise ImageError saying what came instead."""
    a = np.asarray(array)
    if a.dtype != np.uint8 or a.ndim != 3 or a.shape[2] != 3 or 0 in a.shape:
        raise ImageError(
            f"{what}: expected uint8 (H, W, 3) RGB, got {a.dtype} {a.shape}; read files with core.images.read_image"
        )
    return _frozen(a)


def check_mask(array: Any, shape: tuple[int, int] | None = None, what: str = "mask") -> Mask:
    """Return ``array`` as a read-only mask of ``shape`` (H, W), or raise MaskError."""
    a = np.asarray(array)
    if a.dtype != np.bool_ or a.ndim != 2 or 0 in a.shape:
        raise MaskError(f"{what}: expected bool (H, W), got {a.dtype} {a.shape}; threshold it first")
    if shape is not None and a.shape != tuple(shape):
        raise MaskError(
            f"{what}: expected the photo's {shape[1]}x{shape[0]} pixels, got {a.shape[1]}x{a.shape[0]}; "
            "use a mask drawn on this photo"
        )
    return _frozen(a)


RESERVED_LABELS = frozenset({"train_good", "val_good", "test_good", "con", "prn", "aux", "nul"}) | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)
}
"""Labels that no export can write: its counts have these names, or Windows a device."""


def check_label(label: str) -> str:
    """Return a label that every dataset format can hold: ``[a-z0-9_]``, not "good"."""
    clean = label.strip()
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_")
    if not clean or len(clean) > 64 or set(clean) - allowed or clean in (GOOD, "ground_truth"):
        raise InputError(
            f"label {label!r}: use 1 to 64 of a-z, 0-9 and _ (not 'good'), for example 'scratch_deep'; "
            "other characters break dataset loaders"
        )
    return clean


def check_new_label(label: str) -> str:
    """``check_label`` for one that a person gives: also no word that names a file or a device somewhere."""
    clean = check_label(label)
    if clean in RESERVED_LABELS:
        raise InputError(f"label {label!r}: reserved by datasets or by Windows; use another, for example '{clean}_1'")
    return clean


def _frozen(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = a.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class NormalImage:
    """A photo of a good part. ``id`` is its content hash in the store, ``name`` its file name at import."""

    id: str
    name: str
    pixels: Image

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", check_image(self.pixels, self.name))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return (self.pixels.shape[0], self.pixels.shape[1])


def base_name(name: str) -> str:
    """``washer`` for "washer", "washer_2", "washer 3" and "washer-12": the name of the component."""
    return re.sub(r"[ _#-]+\d+$", "", name.strip())


@dataclass(frozen=True)
class Region:
    """A named part of a photo; ComGEN calls it a component.

    ``source`` says who drew it; ``confidence`` is 1 for a person's and 0..1 for a propagated one.
    """

    name: str
    mask: Mask
    source: Literal["hand", "auto", "propagated"] = "hand"
    confidence: float = 1.0

    def __post_init__(self) -> None:
        mask = check_mask(self.mask, what=f"region {self.name!r}")
        if not mask.any():
            raise MaskError(f"region {self.name!r}: the mask is empty; click or draw the region first")
        object.__setattr__(self, "mask", mask)


@dataclass(frozen=True)
class AnomalyExample:
    """A real anomaly: photo, label, and one mask per defect instance.

    An entry of a defect bank is one too: ``alpha`` uint8 (H, W), 0..255, is how far each pixel is the defect's and
    not its surroundings', None where only the mask is known; ``sources`` are the ids of the real anomalies that it
    comes from, where it is none itself.
    """

    id: str
    label: str
    pixels: Image
    masks: tuple[Mask, ...]
    kind: Kind = "structural"
    alpha: npt.NDArray[np.uint8] | None = None
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", check_image(self.pixels, f"example {self.id}"))
        shape = self.pixels.shape[:2]
        masks = tuple(check_mask(m, shape, f"example {self.id}") for m in self.masks)
        if not any(m.any() for m in masks):
            raise MaskError(f"example {self.id}: no anomalous pixel in its masks; give a mask of the defect")
        object.__setattr__(self, "masks", masks)

    @property
    def mask(self) -> Mask:
        """The union of all instances."""
        return np.asarray(np.logical_or.reduce(self.masks), np.bool_)


@dataclass(frozen=True)
class Request:
    """One anomaly to be made: what an engine gets.

    ``mask`` is where the anomaly shall be; None for engines whose ``needs`` lack "mask".
    ``donor`` is another normal photo that an engine may borrow from; ``seed`` feeds every random draw.
    ``placement`` are the rules that put the mask where it is; None where a person drew it. ``normal_ids`` are the
    other good photos that the engine may look at; None for all that there are.
    """

    normal: NormalImage
    label: str
    params: Mapping[str, Any]
    seed: int
    mask: Mask | None = None
    regions: tuple[Region, ...] = ()
    examples: tuple[AnomalyExample, ...] = ()
    donor: NormalImage | None = None
    object_mask: Mask | None = None
    placement: Placement | None = None
    normal_ids: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", check_label(self.label))
        for name in ("mask", "object_mask"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_mask(given, self.normal.shape, name))
        for region in self.regions:
            check_mask(region.mask, self.normal.shape, f"region {region.name!r}")
        if self.mask is not None and not self.mask.any():
            raise MaskError("mask: it is empty; draw or place a mask, or choose automatic placement")

    def region(self, name: str) -> Region:
        """The region called ``name``; InputError names those there are."""
        for region in self.regions:
            if region.name == name:
                return region
        have = ", ".join(sorted({r.name for r in self.regions})) or "none"
        raise InputError(f"region {name!r} is not on photo {self.normal.name!r} (it has: {have}); segment it first")


EVERYWHERE = -1
"""A recipe's feather where the background is drawn too."""


_PLACEMENT_1 = frozenset(
    {
        "anomaly_type", "source", "shape", "regions", "position", "count", "size_pct", "size_like_examples", "rotate",
        "align", "overflow", "perturb", "jitter", "alpha", "gap_px",
    }
)  # fmt: skip
"""The rules of placement that version 0.1.0 had."""


def _notes_apart(raw: JsonObject) -> JsonObject:
    """1 → 2: ``placement`` also held what engines note, now ``notes``; without rules it was {}, now null."""
    mixed = dict(raw.get("placement", {}))
    rules = {name: value for name, value in mixed.items() if name in _PLACEMENT_1}
    notes = {name: value for name, value in mixed.items() if name not in _PLACEMENT_1}
    return {**raw, "placement": rules or None, "notes": notes}


RECIPE_FORMAT = StoredFormat("recipe", 2, {1: _notes_apart})


@dataclass(frozen=True)
class Recipe:
    """All it takes to make a sample again: same recipe, same bytes on one machine.

    ``mask`` and ``regions`` (name, mask) are what the engine was given, packed by core.masks.rle, so that
    a recipe stands alone beside its photo; ``placement`` are the rules that put the mask there, None where a person
    drew it. ``feather`` is the width, in pixels, of the band outside the mask that the engine may have touched; 0
    means that every pixel outside the mask is the photo's own, EVERYWHERE that the whole picture was drawn anew.
    ``notes`` are what the engine found while it drew, plain JSON values that nothing is drawn from; each engine types
    its own. ``extra`` are keys of a newer version.
    """

    engine: str
    label: str
    kind: Kind
    normal_id: str
    seed: int
    params: dict[str, Any] = field(default_factory=dict)
    placement: StoredPlacement | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    mask: str | None = None
    regions: tuple[tuple[str, str], ...] = ()
    donor_id: str | None = None
    example_ids: tuple[str, ...] = ()
    feather: int = 0
    version: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line, keys sorted: equal recipes are equal text."""
        rules = self.placement.model_dump(mode="json") if self.placement is not None else None
        plain = RECIPE_FORMAT.stamped({**plain_record(self), "placement": rules})
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Inverse of to_json, also of what older versions wrote; InputError, or NewerFormat, on anything else."""
        return read_record(cls, RECIPE_FORMAT.parse(text, "recipe"), "recipe")


@dataclass(frozen=True)
class Sample:
    """A generated anomaly: the image, where it differs from its photo, and how it was made.

    ``attention`` is a soft map float32 (H, W) in 0..1 where an engine has one (residual attention). ``components`` are
    each component's part in it, float32 (h, w) of any size, in 0..1 of the greatest value of their sum; ``unrefined``
    is the mask bool (H, W) that was cut from it before it followed visible edges.
    ``pictures`` are what else was drawn for it, uint8 (h, w, 3) of any size, by name.
    ``instances`` are the single defects whose union is ``mask``; empty means the mask is one defect.
    """

    image: Image
    mask: Mask
    label: str
    kind: Kind
    recipe: Recipe
    attention: npt.NDArray[np.float32] | None = None
    instances: tuple[Mask, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    components: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    unrefined_mask: Mask | None = None
    pictures: Mapping[str, Image] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", check_image(self.image, "sample image"))
        object.__setattr__(self, "mask", check_mask(self.mask, self.image.shape[:2], "sample mask"))
        if self.unrefined_mask is not None:
            unrefined = check_mask(self.unrefined_mask, self.image.shape[:2], "sample's unrefined mask")
            object.__setattr__(self, "unrefined_mask", unrefined)
        check_label(self.label)

    def scored(self, scores: Mapping[str, float]) -> Sample:
        """This sample with its scores."""
        return replace(self, scores=dict(scores))


@dataclass(frozen=True)
class JobEvent:
    """One line of news from a job: ``done`` of ``total`` steps, a message, and while it runs perhaps a preview."""

    job_id: str
    status: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    done: int = 0
    total: int = 0
    message: str = ""
    preview: Image | None = None
