"""What an import will take: every file of the source in exactly one class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from core.images.depth import DepthScales
from core.importers.inner_archives import is_archive
from core.importers.source_entry import Listing, Problem, SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.words import safe_label
from core.masks.change_mask import ChangeMask
from core.types import Kind, Mask

FileClass = Literal["good", "anomaly", "unmasked", "mask", "annotation", "left out", "look at"]
CLASSES: tuple[FileClass, ...] = ("good", "anomaly", "unmasked", "mask", "annotation", "left out", "look at")


@dataclass(frozen=True, slots=True)
class GoodPhoto:
    """A photo of a good part; ``split`` tells which part of a dataset it came from, if not from training.

    ``confirmed``: a person said that it is one, whatever it looks like.
    """

    entry: SourceEntry
    split: str | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class DrawnMask:
    """Masks that an annotation draws: ``draw`` gives those of a photo of (H, W) pixels, one per defect, or what
    changed from another photo.

    ``files`` are pictures that it reads for it; ``name`` is the annotation's own.
    """

    name: str
    draw: Callable[[tuple[int, int]], Sequence[Mask] | ChangeMask] = field(compare=False, repr=False)
    files: tuple[SourceEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A photo of a real anomaly with its masks.

    ``good_if_empty``: nothing but its mask tells that it is one, so that it is a good part where the mask is black.
    ``confirmed``: a person said that it is one, and a mask over most of the photo is taken as it is; ``inverted``:
    and that black is the defect. ``replaces`` is the id of the project's photo that it takes the place of.
    """

    entry: SourceEntry
    label: str
    kind: Kind
    masks: tuple[SourceEntry | DrawnMask, ...]
    good_if_empty: bool = False
    confirmed: bool = False
    inverted: bool = False
    replaces: str = ""

    @property
    def mask_files(self) -> tuple[SourceEntry, ...]:
        """The pictures that its masks are read from."""
        found = [m.files if isinstance(m, DrawnMask) else (m,) for m in self.masks]
        return tuple(entry for files in found for entry in files)


@dataclass(frozen=True, slots=True)
class Unmasked:
    """A photo of a defect that nobody has drawn a mask for."""

    entry: SourceEntry
    label: str

    @property
    def problem(self) -> Problem:
        """Why it is not imported."""
        return Problem(
            self.entry.name,
            f"a defect ({self.label}) with no mask; expected {self.entry.stem}_mask.png beside it or in 'masks'",
        )


@dataclass(frozen=True)
class ImportPlan:
    """What an import will take. ``layout`` names the format that was recognised.

    ``annotations`` are files that tell about photos, ``problems`` are files left out, ``odd`` are photos that a
    person should look at and that are not used before, ``notes`` are lines for a person.
    """

    layout: str
    normals: tuple[GoodPhoto, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    unmasked: tuple[Unmasked, ...] = ()
    annotations: tuple[SourceEntry, ...] = ()
    good_masks: tuple[SourceEntry, ...] = ()
    """Masks of good photos, which are black or not wanted."""
    problems: tuple[Problem, ...] = ()
    odd: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    scales: DepthScales = field(default_factory=dict)
    """What the source itself says of its photos of more than 8 bits."""
    entries: tuple[SourceEntry, ...] = field(default=(), compare=False, repr=False)
    listings: tuple[Listing, ...] = field(default=(), compare=False, repr=False)

    @property
    def total(self) -> int:
        """How many photos there are to read."""
        return len(self.normals) + len(self.anomalies)

    @cached_property
    def classes(self) -> dict[str, FileClass]:
        """The class of every file, by its name in the source."""
        found: dict[str, FileClass] = {}
        groups: list[tuple[FileClass, Iterable[str]]] = [
            ("mask", (m.name for a in self.anomalies for m in a.mask_files)),
            ("mask", (m.name for m in self.good_masks)),
            ("annotation", (a.name for a in self.annotations)),
            ("left out", (p.path for p in self.problems)),
            ("look at", (p.path for p in self.odd)),
            ("unmasked", (u.entry.name for u in self.unmasked)),
            ("anomaly", (a.entry.name for a in self.anomalies)),
            ("good", (g.entry.name for g in self.normals)),
        ]
        for kind, names in groups:
            found |= dict.fromkeys(names, kind)
        return found

    @property
    def counts(self) -> dict[FileClass, int]:
        """How many files are in each class."""
        counted = Counter(self.classes.values())
        return {kind: counted[kind] for kind in CLASSES}

    @property
    def labels(self) -> dict[str, tuple[int, int]]:
        """Photos with and without masks of each label."""
        masked = Counter(a.label for a in self.anomalies)
        bare = Counter(u.label for u in self.unmasked)
        return {label: (masked[label], bare[label]) for label in sorted(masked | bare)}

    def close(self) -> None:
        """Close the archive that the files come from."""
        for listing in self.listings:
            listing.close()

    def __add__(self, other: ImportPlan) -> ImportPlan:
        return ImportPlan(
            self.layout,
            self.normals + other.normals,
            self.anomalies + other.anomalies,
            self.unmasked + other.unmasked,
            self.annotations + other.annotations,
            self.good_masks + other.good_masks,
            self.problems + other.problems,
            self.odd + other.odd,
            self.notes + other.notes,
            {**self.scales, **other.scales},
            self.entries + other.entries,
            self.listings + other.listings,
        )


@dataclass
class PlanBuilder:
    """Collects what an importer finds; ``plan`` names what it has not spoken of, so that no file is lost."""

    layout: str
    normals: list[GoodPhoto] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)
    unmasked: list[Unmasked] = field(default_factory=list)
    annotations: list[SourceEntry] = field(default_factory=list)
    good_masks: list[SourceEntry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    odd: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    several_labels: list[str] = field(default_factory=list)
    boxes: int = 0
    """Photos on which something is marked that has no area."""

    def good(self, entry: SourceEntry, split: str | None = None) -> None:
        """A photo of a good part."""
        self.normals.append(GoodPhoto(entry, split))

    def anomaly(
        self,
        entry: SourceEntry,
        label: str,
        masks: Sequence[SourceEntry | DrawnMask],
        kind: Kind = "structural",
        good_if_empty: bool = False,
    ) -> None:
        """A photo of a defect, with or without masks; its label is made one that every format can hold."""
        clean = self.label(label)
        if masks:
            self.anomalies.append(Anomaly(entry, clean, kind, tuple(masks), good_if_empty))
        else:
            self.unmasked.append(Unmasked(entry, clean))

    def look(self, entry: SourceEntry, question: str) -> None:
        """A photo that a person has to decide on."""
        self.odd.append(Problem(entry.name, question))

    def label(self, raw: str) -> str:
        """``raw`` as a label; what it was is noted."""
        if raw not in self.renamed:
            self.renamed[raw] = safe_label(raw)
        return self.renamed[raw]

    def leave_out(self, entries: Iterable[SourceEntry], reason: str) -> None:
        """Files that this layout does not take."""
        self.problems += [Problem(entry.name, reason) for entry in entries]

    def plan(self, tree: SourceTree) -> ImportPlan:
        """What was found; files of ``tree`` that were not spoken of are left out with a reason."""
        notes = [
            f"label {raw!r} became {safe!r}, which every dataset format can hold"
            for raw, safe in self.renamed.items()
            if raw != safe
        ]
        if self.several_labels:
            notes.append(f"{len(self.several_labels)} photos hold several labels; each takes its largest defect's")
        if self.boxes:
            notes.append(f"{self.boxes} photos have boxes or points, which are no masks; draw or segment them")
        made = ImportPlan(
            self.layout,
            tuple(self.normals),
            tuple(self.anomalies),
            tuple(self.unmasked),
            tuple(self.annotations),
            tuple(self.good_masks),
            tuple(self.problems),
            tuple(self.odd),
            (*self.notes, *notes),
            entries=tree.entries,
        )
        return with_the_rest(made, tree.entries)


def with_the_rest(plan: ImportPlan, entries: Iterable[SourceEntry]) -> ImportPlan:
    """``plan`` with those of ``entries`` that are in no class yet left out."""
    rest = [Problem(e.name, _why_not(e, plan.layout)) for e in entries if e.name not in plan.classes]
    return replace(plan, problems=plan.problems + tuple(rest)) if rest else plan


def _why_not(entry: SourceEntry, layout: str) -> str:
    from core.images.decode import why_no_photo

    if is_archive(entry):
        return "a zip or another archive beside photos is not opened; unpack it, or import it by itself"
    if entry.is_image:
        return f"this picture has no place in the layout that was recognised ({layout})"
    try:
        return why_no_photo(entry.head(), entry.name)
    except ValueError as error:
        return Problem.of(entry.name, error).reason
