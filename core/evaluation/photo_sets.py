"""Photos to learn from and to be judged on: a project, a dataset in any export format, or a folder laid out as one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from core import exporters as exporting
from core.errors import ExportError, InputError, MaskError, NotFound
from core.evaluation.saturation import (
    DEFECTS_CONFIG_FILE,
    FULL_SATURATION,
    DefectsConfig,
    Saturation,
    read_defects_config,
)
from core.evaluation.set_depth import scales_of_photos
from core.exporters.api import DatasetItem, folders_in
from core.exporters.mvtec_ad import category_folder
from core.images import isolated
from core.images.depth import DepthScales
from core.images.geometry import resized
from core.importers.words import safe_label
from core.types import GOOD, Image, Mask, Region, ReviewStatus, check_image, check_mask

if TYPE_CHECKING:
    from core.store import Project

Split = Literal["train", "test", "all"]
Anomalies = Literal["all", "split"]


@dataclass(frozen=True)
class Shot:
    """A photo of a set. ``name`` is ``<label folder>/<stem>``; ``masks`` has one mask for each defect instance.

    A good photo has no mask. With ``config`` a mask file's pixel values say which defect it shows. ``soft`` is a grey
    picture of how anomalous each pixel is, where a pair was made with one.
    ``scales`` are those of the set, for a photo of more than 8 bits. ``regions`` are the named components of a good
    photo, (name, mask file), where a project knows them.
    """

    name: str
    image: Path | Image
    label: str
    masks: tuple[Path | Mask, ...] = ()
    config: DefectsConfig | None = None
    soft: Path | None = None
    scales: DepthScales = field(default_factory=dict, compare=False)
    regions: tuple[tuple[str, Path], ...] = field(default=(), compare=False)

    @property
    def good(self) -> bool:
        """Whether this is a normal photo."""
        return self.label == GOOD

    def read(self) -> Image:
        """The photo, uint8 (H, W, 3) RGB; ImageError."""
        if isinstance(self.image, Path):
            return isolated.read_photo(self.image, scales=self.scales).pixels
        return check_image(self.image, self.name)

    def read_regions(self) -> list[Region]:
        """The photo's named components; [] where none are known."""
        return [Region(name, isolated.read_mask(path)) for name, path in self.regions]

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Union of the instances, bool ``shape`` (H, W); all False for a good photo; MaskError as in channels."""
        union = np.zeros(shape, np.bool_)
        for instance in self.instances(shape):
            union |= instance
        return union

    def soft_mask(self, shape: tuple[int, int]) -> npt.NDArray[np.float32] | None:
        """How anomalous each pixel is, float32 ``shape`` (H, W), its maximum 1; None where that is not known."""
        if self.soft is None:
            return None
        levels = resized(isolated.read_image(self.soft), shape, "linear")[..., 0].astype(np.float32)
        return levels / levels.max() if levels.any() else None

    def instances(self, shape: tuple[int, int]) -> list[Mask]:
        """One mask for each defect, bool ``shape`` (H, W); MaskError as in channels."""
        return [mask for mask, _ in self.channels(shape)]

    def channels(self, shape: tuple[int, int]) -> list[tuple[Mask, Saturation]]:
        """Each defect's mask with its saturation (all of it, if there is no defects_config).

        MaskError if a mask is of another size, or an anomaly has no anomalous pixel.
        """
        found = self.channels_or_none(shape)
        if not found and not self.good:
            what = "its masks are empty" if self.masks else "it has no mask"
            raise MaskError(f"{self.name}: labelled {self.label!r} but {what}; draw the defect or leave the photo out")
        return found

    def channels_or_none(self, shape: tuple[int, int]) -> list[tuple[Mask, Saturation]]:
        """As channels, but [] for an anomaly without an anomalous pixel."""
        return [pair for given in self.masks for pair in self._split(given, shape)]

    def _split(self, given: Path | Mask, shape: tuple[int, int]) -> list[tuple[Mask, Saturation]]:
        if self.config is None or not isinstance(given, Path):
            mask = isolated.read_mask(given, shape, name=self._called(given)) if isinstance(given, Path) else given
            mask = check_mask(mask, shape, self.name)
            return [(mask, FULL_SATURATION)] if mask.any() else []
        values = isolated.read_image(given).max(axis=2)
        check_mask(values > 0, shape, self._called(given))
        there = [int(v) for v in np.flatnonzero(np.bincount(values.ravel(), minlength=256)) if v]
        if unknown := [v for v in there if v not in self.config.saturations]:
            known = ", ".join(map(str, sorted(self.config.saturations)))
            raise MaskError(
                f"{self._called(given)}: mask value {unknown[0]} is not in the defects config (it has {known}); "
                "give the config of this product"
            )
        return [(values == v, self.config.saturations[v]) for v in there]

    def _called(self, given: Path | Mask) -> str:
        return f"{self.name}, mask {given.name}" if isinstance(given, Path) else self.name


def read_photo_set(
    path: Path,
    split: Split,
    *,
    anomalies: Anomalies | None = None,
    masks: bool = True,
    normals: bool = True,
    defects_config: Path | None = None,
    scales: DepthScales | None = None,
) -> list[Shot]:
    """The photos at ``path``, good ones first, then by label.

    A Flawsmith project gives, for "train", its normals with the kept samples (all new ones if nothing was
    reviewed), for "test" its normals with the imported real anomalies that its split keeps for the test (all without
    a split), for "all" all three. A dataset gives
    its own split; "train" takes every anomaly (``anomalies="all"``) or those of the train split ("split"). None
    is "split" where the format has anomalies to train on, else "all", since MVTec's layouts keep them in test.
    ``masks`` and ``normals`` say what must be there. A defects_config.json of the dataset, or the one given,
    goes into the shots. Photos of more than 8 bits have one scale: ``scales``, those of what they are compared with,
    else what the whole dataset has.
    InputError in one line: nothing there, no anomalies, no normals, no masks, labels that don't match.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise NotFound(f"{path}: there is no such folder; give a project or a dataset")
    if (path / "project.db").is_file():
        shots = _project(path, split)
    else:
        shots = _dataset(path, split, anomalies, defects_config, scales)
    _check(path, split, shots, masks, normals)
    return sorted(shots, key=lambda s: (not s.good, s.label, s.name))


def check_disjoint(train: Iterable[Shot], test: Iterable[Shot]) -> None:
    """InputError naming a photo that is in both sets, file by file or pixel by pixel the same."""
    seen = {photo_digest(shot): shot.name for shot in train}
    same = [(seen[d], shot.name) for shot in test if (d := photo_digest(shot)) in seen]
    if same:
        ours, theirs = same[0]
        raise InputError(
            f"{len(same)} test photos were learned from (first: {theirs}, as {ours} in the training set); "
            "test on photos of their own"
        )


def labelled_as_imported(shots: Sequence[Shot], renamed: Mapping[str, str]) -> list[Shot]:
    """Photos of a dataset under a project's labels: made safe as on import, and ``renamed`` there, old to new."""
    names = {label: safe_label(label) for label in {shot.label for shot in shots} - {GOOD}}
    return [replace(s, label=renamed.get(names[s.label], names[s.label])) if s.label in names else s for s in shots]


def photo_digest(shot: Shot) -> bytes:
    """sha256 of a photo: of its file, or of its pixels where it is none."""
    data = shot.image.read_bytes() if isinstance(shot.image, Path) else check_image(shot.image).tobytes()
    return hashlib.sha256(data).digest()


def with_regions(project: Project, shots: Sequence[Shot]) -> tuple[Shot, ...]:
    """Good photos of a project with the named regions that they have there; other shots as they are."""
    files = {row.path: row.id for row in project.normals()}
    named: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for region in project.region_rows():
        named[region.normal_id].append((region.name, region.mask_path))

    def known(shot: Shot) -> tuple[tuple[str, Path], ...]:
        id = files.get(shot.image) if shot.good and isinstance(shot.image, Path) else None
        return tuple(named[id]) if id in named else ()

    return tuple(replace(shot, regions=known(shot)) for shot in shots)


def _project(path: Path, split: Split) -> list[Shot]:
    from core.store import ExamplePart, Project, SampleFilter

    with Project.open(path) as project:
        scales = project.depth_scales()
        shots = [Shot(f"{GOOD}/{row.id}", row.path, GOOD, scales=scales) for row in project.normals()]
        if split in ("train", "all"):
            rows = project.samples(SampleFilter(verdict=ReviewStatus.KEPT))
            if not rows and not project.count_samples(SampleFilter(verdict=ReviewStatus.REJECTED)):
                rows = project.samples()
            shots += [
                Shot(
                    f"{r.label}/{r.id}",
                    r.image_path,
                    r.label,
                    r.instance_paths or (r.mask_path,),
                    soft=r.attention_path,
                )
                for r in rows
            ]
            shots = list(with_regions(project, shots))
        if split in ("test", "all"):
            part: ExamplePart = "test" if split == "test" else ""
            shots += [
                Shot(f"{r.label}/{r.id}", r.path, r.label, r.mask_paths, soft=r.soft_path)
                for r in project.examples(part=part)
            ]
    return shots


def _dataset(
    path: Path, split: Split, anomalies: Anomalies | None, config: Path | None, scales: DepthScales | None
) -> list[Shot]:
    try:
        format = exporting.detect_format(path) or "mvtec-ad"
        items = exporting.read_dataset(path, format)
        if format == "mvtec-loco" and not any(item.masks for item in items):
            # A defects_config.json alone makes it look like LOCO; its masks may still be one file for each photo.
            items = exporting.read_dataset(path, format := "mvtec-ad")
    except ExportError as error:
        raise InputError(
            f"{path}: expected a Flawsmith project, a dataset ({', '.join(exporting.FORMATS)}), or a folder with "
            f"train/good, test/<label> and ground_truth/<label>; {error}"
        ) from error
    everywhere = (anomalies or ("split" if exporting.FORMATS[format].trains_on_anomalies else "all")) == "all"
    chosen = [i for i in items if _belongs(i, split, everywhere)]
    labelled = format in ("mvtec-ad", "mvtec-loco", "visa")
    if labelled:
        _check_mask_folders(path, format)
        config = config or _config_of(path, format)
    defects = read_defects_config(config) if config else None
    depth = {**scales_of_photos((item.image for item in items), path), **(scales or {})}
    return [replace(_shot(item, labelled, defects), scales=depth) for item in chosen]


def _belongs(item: DatasetItem, split: Split, everywhere: bool) -> bool:
    return split == "all" or item.split in (None, split) or (split == "train" and everywhere and not item.good)


def _shot(item: DatasetItem, labelled: bool, config: DefectsConfig | None) -> Shot:
    if isinstance(item.image, Path):
        folder = item.image.parent.name if labelled else item.label
        return Shot(f"{folder}/{item.image.stem}", item.image, item.label, item.masks, config)
    return Shot(f"{item.label}/{item.name}", item.image, item.label, item.masks, config)


def _config_of(path: Path, format: str) -> Path | None:
    try:
        found = category_folder(path, format) / DEFECTS_CONFIG_FILE
    except ExportError:
        return None
    return found if found.is_file() else None


def _check_mask_folders(path: Path, format: str) -> None:
    try:
        base = category_folder(path, format)
    except ExportError:
        return
    photos = {p.name for split in ("train", "test") for p in folders_in(base / split)} - {GOOD}
    drawn = {p.name for p in folders_in(base / "ground_truth")} - {GOOD}
    if photos and drawn - photos:
        have = ", ".join(sorted(photos))
        raise InputError(
            f"{path}: the labels don't match: ground_truth/{sorted(drawn - photos)[0]} has no photos in test (there "
            f"are: {have}); name both folders alike"
        )


def _check(path: Path, split: Split, shots: Sequence[Shot], masks: bool, normals: bool) -> None:
    where = "" if split == "all" else f" to {'learn from' if split == 'train' else 'test on'}"
    bad = [s for s in shots if not s.good]
    if not bad:
        hint = "keep some samples" if (path / "project.db").is_file() else "put them into test/<label>"
        raise InputError(f"{path}: found {len(shots)} good photos but no anomalies{where}; {hint}")
    if normals and len(bad) == len(shots):
        raise InputError(
            f"{path}: found {len(bad)} anomalies but no good photos{where}; put some into "
            f"{'train' if split == 'train' else 'test'}/{GOOD}"
        )
    if masks and (without := [s for s in bad if not s.masks]):
        first = without[0]
        folder, _, stem = first.name.rpartition("/")
        raise MaskError(
            f"{path}: {len(without)} of {len(bad)} anomalies have no mask (first: {first.name}); put it into "
            f"ground_truth/{folder}/{stem}_mask.png"
        )
