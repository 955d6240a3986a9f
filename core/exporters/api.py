"""What an exporter is: items in, one folder out, items back.

A format is one file of this folder with a ``DatasetFormat`` in it, found by itself. ``core.exporters.export`` checks
the items, gives each a split and a stem, and calls ``write`` for every image (from several threads) and ``finish``
once.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from core.errors import ExportError
from core.images import mask_png_bytes
from core.images.source_depth import SourceDepth
from core.types import GOOD, Image, Kind, Mask
from core.validation import read_settings

Split = Literal["train", "val", "test"]
Depth = Literal["8-bit", "source"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})

_RESERVED = frozenset("train test val validation good bad ground_truth visa_pytorch split_csv flawsmith".split())


@dataclass(frozen=True)
class DatasetItem:
    """One image of a dataset.

    ``name`` is for people and never becomes a file name. ``image`` is a file or uint8 (H, W, 3) RGB.
    ``label`` is "good" for normals. ``masks`` holds one mask per defect instance, each a file or bool
    (H, W); () for normals. ``split`` None lets the export decide. ``source`` is the name of the normal
    photo that an anomaly was made from. ``depth`` are the source values of a photo of more than 8 bits, and ``base``
    is the 8-bit working copy that they belong to, where ``image`` was drawn on it; "scale" where that copy is not kept
    any more, but what ``depth`` gives at its scale.
    """

    name: str
    image: Path | Image
    label: str = GOOD
    kind: Kind | None = None
    masks: tuple[Path | Mask, ...] = ()
    split: Split | None = None
    recipe_json: str | None = None
    source: str | None = None
    depth: SourceDepth | None = None
    base: Path | Literal["scale"] | None = None

    @property
    def good(self) -> bool:
        """Whether this is a normal image."""
        return self.label == GOOD


class ExportOptions(BaseModel):
    """What a person may choose; titles and bounds make the form and the CLI's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category: str = Field(
        "product",
        title="Category",
        description="Name of the product in the dataset: 1 to 64 letters, digits, _ or -.",
    )
    normal_train: float = Field(
        0.7, ge=0, le=1, title="Normals for training", description="Share of normals that a detector learns from."
    )
    normal_val: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Normals for validation",
        description="Share for tuning thresholds; formats without a validation set add it to the training set.",
    )
    normal_test: float = Field(
        0.2, ge=0, le=1, title="Normals for testing", description="Share of normals that the detector is tested on."
    )
    anomaly_train: float = Field(
        0.7,
        ge=0,
        le=1,
        title="Anomalies for training",
        description="Share of each label for training in coco, yolo-seg, voc, imagefolder and asbench; the rest goes "
        "to validation and test, as the normal images do. The other formats use every anomaly for testing.",
    )
    seed: int = Field(0, ge=0, le=2**63 - 1, title="Seed", description="Seed of the split: same seed, same split.")
    depth: Depth = Field(
        "8-bit",
        title="Depth",
        description="source: photos of more than 8 bits become PNGs of 16 bits, with the source's own values where "
        "nothing was drawn.",
    )
    include_recipes: bool = Field(
        True,
        title="Include recipes",
        description="Write each sample's recipe beside the data. If off, all text is also removed from the images.",
    )
    pixel_codes: bool = Field(
        False,
        title="LOCO pixel codes",
        description="mvtec-loco: one mask value per label (255, 254, ...) as in the original; off writes 255 for all, "
        "which every loader reads as a defect.",
    )
    saturation: dict[str, float] = Field(
        default_factory=dict,
        title="Saturation per label",
        description="mvtec-loco: how much of a defect must be found to count in full. Up to 1: share of its area; "
        "above 1: pixels. Labels not named here: 1.",
    )

    @field_validator("category")
    @classmethod
    def _category(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", value) or value.lower() in _RESERVED:
            raise ValueError(
                f"category {value!r}: use 1 to 64 letters, digits, _ or - that start with a letter or digit, "
                f"and none of {', '.join(sorted(_RESERVED))}"
            )
        return value

    @field_validator("saturation")
    @classmethod
    def _saturation(cls, value: dict[str, float]) -> dict[str, float]:
        for label, threshold in value.items():
            if not (np.isfinite(threshold) and threshold > 0):
                raise ValueError(
                    f"saturation of {label!r}: expected a share in 0..1 or a number of pixels, got {threshold}"
                )
        return value

    @model_validator(mode="after")
    def _shares(self) -> ExportOptions:
        total = self.normal_train + self.normal_val + self.normal_test
        if not 0 < total <= 1 + 1e-9:
            raise ValueError(
                f"shares of normals: train {self.normal_train:g} + validation {self.normal_val:g} + "
                f"test {self.normal_test:g} make {total:g}; lower them to at most 1 in all"
            )
        return self


def read_options(given: Mapping[str, object]) -> ExportOptions:
    """``given`` as ExportOptions; InputError in one line that names each wrong value."""
    return read_settings(ExportOptions, given, "export options")


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote: number of images per ``<split>_good`` and per label, and what to know about it.

    ``splits`` says of each label how many of its anomalies each split has.
    """

    format: str
    path: Path
    images: dict[str, int]
    warnings: tuple[str, ...] = ()
    splits: Mapping[str, Mapping[Split, int]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As the CLI prints it."""
        return {
            "format": self.format,
            "path": str(self.path),
            "images": dict(self.images),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class PlacedItem:
    """An item with its place: ``stem`` is its number in the dataset, six digits wide and unique in the export."""

    item: DatasetItem
    split: Split
    stem: str


@dataclass(frozen=True)
class ItemContent:
    """The bytes of an item: a PNG of mode L or RGB, its size, and its instance masks (bool (H, W), none empty).

    ``mask_files`` holds, beside each mask, the 0/255 PNG it came from, or None: such a file is copied.
    """

    png: bytes
    shape: tuple[int, int]
    masks: tuple[Mask, ...]
    mask_files: tuple[bytes | None, ...]

    @property
    def union(self) -> Mask:
        """Where any defect is; all False for a normal."""
        return np.logical_or.reduce(self.masks) if self.masks else np.zeros(self.shape, np.bool_)

    def mask_png(self, k: int) -> bytes:
        """Instance ``k`` as a PNG of mode L, 0 and 255."""
        return self.mask_files[k] or mask_png_bytes(self.masks[k])

    def union_png(self) -> bytes:
        """All instances in one PNG of mode L, 0 and 255."""
        return self.mask_png(0) if len(self.masks) == 1 else mask_png_bytes(self.union)


@dataclass(frozen=True)
class WrittenItem:
    """What ``DatasetFormat.write`` left: paths relative to the export, and facts that ``finish`` needs.

    ``mask`` is the one mask file that holds all defects of the image, "" where the format has none.
    ``losses`` names what the format could not hold of this image.
    """

    placed: PlacedItem
    image: str
    mask: str = ""
    losses: frozenset[str] = frozenset()
    facts: Any = None


@dataclass(frozen=True)
class ExportPlan:
    """One export: where, with which options, and its anomaly labels in alphabetical order."""

    folder: Path
    options: ExportOptions
    labels: tuple[str, ...]
    kinds: Mapping[str, Kind | None] = field(default_factory=dict)


class DatasetFormat(ABC):
    """One dataset format. ``write`` runs in several threads and must not share state."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    library: ClassVar[str]
    """What ``load_me.py`` imports, as pip calls it."""
    listed: ClassVar[int] = 100
    """Place in lists, the lowest first."""
    asked: ClassVar[int] = 100
    """When ``detect`` asks it whether a folder is its own: layouts that others would take for theirs come first."""
    trains_on_anomalies: ClassVar[bool] = False
    has_val: ClassVar[bool] = False

    def check(self, items: Sequence[DatasetItem], out: Path, options: ExportOptions) -> None:
        """Raise ExportError for what this format cannot hold; called before anything is written."""
        return None

    @abstractmethod
    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        """Write one image and its mask or label file."""

    @abstractmethod
    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        """Write the files about the whole dataset; returns warnings for the report."""

    @abstractmethod
    def layout(self, plan: ExportPlan) -> str:
        """The README's part on the files, Markdown."""

    @abstractmethod
    def loader_script(self, plan: ExportPlan) -> str:
        """``load_me.py``: loads this export with ``library`` and prints what it found."""

    @abstractmethod
    def matches(self, path: Path) -> bool:
        """Whether ``path`` looks like this format."""

    @abstractmethod
    def read(self, path: Path) -> list[DatasetItem]:
        """The items of a dataset in this format, in the order of their files; ExportError if it is not one."""


def write_file(folder: Path, relative: str, data: bytes | str) -> str:
    """Write ``data`` at ``folder/relative`` (text as UTF-8 with \\n) and return ``relative``."""
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return relative


def images_in(folder: Path) -> list[Path]:
    """The image files right in ``folder``, by name; [] if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))


def folders_in(folder: Path) -> list[Path]:
    """The folders right in ``folder``, by name, hidden ones left out; [] if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def path_inside(root: Path, relative: str) -> Path:
    """``root/relative``; ExportError if a table of someone else's dataset points out of its folder."""
    path = root / relative
    if not path.resolve().is_relative_to(root.resolve()):
        raise ExportError(f"{root}: the file name {relative!r} leads out of the dataset; repair the table")
    return path


def not_a_dataset(path: Path, name: str, expected: str) -> ExportError:
    """The error of a reader that finds nothing of its format."""
    what = "is not there" if not path.exists() else f"has no {expected}"
    return ExportError(f"{name}: {path} {what}; give the folder that an export wrote")
