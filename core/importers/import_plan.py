"""What is what: good photos, real anomalies and their masks, recognised by where the files lie."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.errors import InputError
from core.importers.source_listing import Listing, Problem, SourceEntry, list_source
from core.types import GOOD, Kind, check_label

Layout = Literal["photos", "mvtec-ad", "mvtec-loco", "anomalies"]

MASK_FOLDERS = {"masks", "mask", "ground_truth", "groundtruth", "gt"}
PHOTO_FOLDERS = {"images", "image", "imgs", "photos", "test"}
LOGICAL = "logical_anomalies"

_MASK_STEM = re.compile(r"(?P<photo>.+?)[ _.-]mask(?:[ _.-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class GoodPhoto:
    """A photo of a good part; ``split`` tells which part of a dataset it came from, if not from training."""

    entry: SourceEntry
    split: str | None = None


@dataclass(frozen=True)
class Anomaly:
    """A photo of a real anomaly with one mask file per defect instance."""

    entry: SourceEntry
    label: str
    kind: Kind
    masks: tuple[SourceEntry, ...]


@dataclass(frozen=True)
class ImportPlan:
    """What an import will take. ``problems`` are files left out already, ``notes`` are lines for a person."""

    layout: Layout
    normals: tuple[GoodPhoto, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    listings: tuple[Listing, ...] = field(default=(), compare=False, repr=False)

    @property
    def total(self) -> int:
        """How many photos there are to read."""
        return len(self.normals) + len(self.anomalies)

    def close(self) -> None:
        """Close the zip that the files come from."""
        for listing in self.listings:
            listing.close()

    def __add__(self, other: ImportPlan) -> ImportPlan:
        return ImportPlan(
            self.layout,
            self.normals + other.normals,
            self.anomalies + other.anomalies,
            self.problems + other.problems,
            self.notes + other.notes,
            self.listings + other.listings,
        )


def scan(source: Path | Sequence[Path], *, label: str | None = None) -> ImportPlan:
    """Look at names only: a folder, a zip, a file or several of them, in any of these layouts.

    - MVTec AD or LOCO (``train/good``, ``test/<label>``, ``ground_truth/<label>``), or a folder around one
      such category: training and validation photos are good parts, labelled test photos with masks are
      real anomalies. ``test/good`` is left out, so that a detector can be judged on photos that nothing was
      made from; it is taken when there is no ``train/good``.
    - With ``label`` every photo is a real anomaly of it, with its masks beside.
    - Anything else: photos of good parts, in sub-folders or not.

    InputError if the source is missing, empty, or holds several categories.
    """
    listing = list_source(source)
    if label is not None:
        return scan_anomalies(source, label=label, listing=listing)
    root = _category(listing.entries, source)
    return _photos(listing) if root is None else _mvtec(listing, root)


def scan_anomalies(
    source: Path | Sequence[Path], *, label: str | None = None, listing: Listing | None = None
) -> ImportPlan:
    """Real anomalies only: a sub-folder per label, or an MVTec layout, whose good photos are then left out.

    The masks of ``x.png`` are ``x_mask.png``, ``x_mask_1.png`` ... beside it, or files of its name or in a
    folder of its name under ``masks/`` or ``ground_truth/``. ``label`` names photos that lie in no sub-folder.
    """
    listing = listing or list_source(source)
    root = _category(listing.entries, source)
    if root is not None and label is None:
        plan = _mvtec(listing, root)
        return ImportPlan(plan.layout, (), plan.anomalies, plan.problems, plan.notes, plan.listings)
    fallback = label or (source.stem if isinstance(source, Path) else None)
    anomalies, problems, notes = pair(listing.entries, None if label is None else check_label(label), fallback)
    return ImportPlan("anomalies", (), anomalies, listing.problems + problems, notes, (listing,))


def _photos(listing: Listing) -> ImportPlan:
    names = {(entry.folders, entry.stem) for entry in listing.entries}
    normals: list[GoodPhoto] = []
    problems: list[Problem] = []
    for entry in listing.entries:
        match = _MASK_STEM.fullmatch(entry.stem)
        if match and (entry.folders, match["photo"]) in names:
            problems.append(
                Problem(entry.name, f"it looks like the mask of {match['photo']!r}; import real anomalies as such")
            )
        else:
            normals.append(GoodPhoto(entry))
    return ImportPlan("photos", tuple(normals), (), listing.problems + tuple(problems), (), (listing,))


def _category(entries: Iterable[SourceEntry], source: object) -> str | None:
    """The folder that holds an MVTec layout ("" for the source itself); None without one."""
    roots: set[str] = set()
    tests: set[tuple[str, str]] = set()
    truths: set[tuple[str, str]] = set()
    for entry in entries:
        folders = entry.folders
        for i, name in enumerate(folders[:-1]):
            root, inside = "/".join(folders[:i]), folders[i + 1]
            if name == "train" and inside == GOOD:
                roots.add(root)
            elif name == "test":
                tests.add((root, inside))
            elif name == "ground_truth":
                truths.add((root, inside))
    roots |= {root for root, _ in tests & truths}
    if len(roots) > 1:
        some = ", ".join(sorted(root or "." for root in roots)[:5])
        raise InputError(f"{source}: expected one product, found {len(roots)} ({some}); import one of these folders")
    return roots.pop() if roots else None


def _mvtec(listing: Listing, root: str) -> ImportPlan:
    parts: dict[str, list[SourceEntry]] = {"train": [], "validation": [], "test_good": [], "anomalies": []}
    for entry in (e.below(root) for e in listing.entries if not root or e.name.startswith(f"{root}/")):
        folders = entry.folders
        if len(folders) > 1 and folders[0] in ("train", "validation", "test") and folders[1] == GOOD:
            parts["test_good" if folders[0] == "test" else folders[0]].append(entry)
        elif len(folders) > 1 and folders[0] in ("test", "ground_truth"):
            parts["anomalies"].append(entry)
    layout: Layout = "mvtec-loco" if parts["validation"] or _has_instances(parts["anomalies"]) else "mvtec-ad"
    normals = [GoodPhoto(e.below(f"train/{GOOD}")) for e in parts["train"]]
    normals += [GoodPhoto(e, "validation") for e in parts["validation"]]
    notes: list[str] = []
    if not normals:
        normals = [GoodPhoto(e, "test") for e in parts["test_good"]]
    elif parts["test_good"]:
        notes.append(
            f"{len(parts['test_good'])} photos of test/good left out, to judge detectors on; "
            "import that folder by itself to use them"
        )
    anomalies, problems, more = pair(parts["anomalies"])
    notes += more
    return ImportPlan(layout, tuple(normals), anomalies, listing.problems + problems, tuple(notes), (listing,))


def _has_instances(entries: Iterable[SourceEntry]) -> bool:
    return any(len(entry.folders) == 3 and entry.folders[0] == "ground_truth" for entry in entries)


def pair(
    entries: Iterable[SourceEntry], label: str | None = None, fallback: str | None = None
) -> tuple[tuple[Anomaly, ...], tuple[Problem, ...], tuple[str, ...]]:
    """Photos of anomalies with their masks; problems for those without; notes on labels that were changed."""
    photos: list[tuple[tuple[str, ...], SourceEntry]] = []
    masks: dict[tuple[tuple[str, ...], str], list[SourceEntry]] = {}
    for entry in entries:
        folders = tuple(f for f in entry.folders if f.casefold() not in MASK_FOLDERS | PHOTO_FOLDERS)
        named = _MASK_STEM.fullmatch(entry.stem)
        if named or any(f.casefold() in MASK_FOLDERS for f in entry.folders):
            masks.setdefault((folders, named["photo"] if named else entry.stem), []).append(entry)
        else:
            photos.append((folders, entry))
    by_folder: dict[tuple[str, ...], list[SourceEntry]] = {}
    for (where, _), group in masks.items():
        by_folder.setdefault(where, []).extend(group)
    found: list[Anomaly] = []
    problems: list[Problem] = []
    labels: dict[str, str] = {}
    used: set[str] = set()
    for folders, entry in photos:
        mine = masks.get((folders, entry.stem)) or by_folder.get((*folders, entry.stem), [])
        raw = folders[0] if folders else fallback or ""
        if raw == GOOD and label is None:
            problems.append(Problem(entry.name, "it is in a folder 'good'; import it as a photo of a good part"))
        elif not mine:
            problems.append(Problem(entry.name, f"no mask; expected {entry.stem}_mask.png beside it or in 'masks'"))
        else:
            labels[raw] = label or safe_label(raw)
            found.append(Anomaly(entry, labels[raw], "logical" if raw == LOGICAL else "structural", tuple(mine)))
        used |= {mask.name for mask in mine}
    problems += [
        Problem(m.name, "a mask without a photo") for group in masks.values() for m in group if m.name not in used
    ]
    notes = [
        f"label {raw!r} became {safe!r}, which every dataset format can hold"
        for raw, safe in labels.items()
        if raw != safe and label is None
    ]
    return tuple(found), tuple(problems), tuple(notes)


def safe_label(raw: str) -> str:
    """``raw`` as a label that every dataset format can hold: "Copper Hole" becomes "copper_hole"."""
    plain = unicodedata.normalize("NFKD", raw.casefold()).encode("ascii", "ignore").decode()
    clean = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64].strip("_")
    if not clean:
        clean = f"defect_{hashlib.sha256(raw.encode()).hexdigest()[:6]}"
    if clean in (GOOD, "ground_truth"):
        clean = f"{clean}_defect"
    return check_label(clean)
