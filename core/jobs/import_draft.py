"""An import that a person looks at before it is done: what was found, and at once what becomes of what they say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from core.errors import Cancelled, InputError, NotFound
from core.images import isolated, thumbnail_bytes
from core.images.depth import DepthScale, DepthScales
from core.importers.corrections import Corrections, Reading, corrected
from core.importers.importer import importers
from core.importers.mask_fit import fitted_masks
from core.importers.plan import CLASSES, Anomaly, FileClass, ImportPlan
from core.importers.source_entry import Problem, SourceEntry
from core.importers.survey import Seen, depth_scales, see, settled
from core.jobs.depth_setting import chosen_scales
from core.jobs.import_reading import Item, decode_photo, in_order
from core.jobs.import_report import IntakeReport, Odd
from core.jobs.kept_looks import KeptLooks
from core.jobs.project_photos import KnownPhotos, no_photos, with_project_photos
from core.progress import Steps, unwatched

NO_SCALES: Mapping[str, DepthScale] = {}
MAX_ROWS = 40
"""Folders told apart; where there are more, those that lie deepest count for the folder above them."""
PICTURES_PER_ROW = 3
THUMB_SIDE = 192


@dataclass(frozen=True)
class FolderRow:
    """A folder of the source: how many of its files are in each class, and the names of some of its pictures.

    ``reading`` is what a person said of it, None where it is read as it was recognised. The top of a source that has
    folders cannot be changed as one, since what is said of it would count for them too.
    """

    path: str
    counts: Mapping[FileClass, int]
    labels: tuple[str, ...]
    pictures: tuple[str, ...]
    reading: Reading | None
    can_change: bool


@dataclass(frozen=True)
class LabelRow:
    """A label as the source has it, what it is to be called, and its photos with and without masks."""

    label: str
    name: str
    masked: int
    unmasked: int


class ImportDraft:
    """What an import would take. Every photo is looked at once, whatever is said afterwards. Close it when done."""

    def __init__(
        self, found: ImportPlan, known: KnownPhotos = no_photos, kept: Mapping[str, DepthScale] = NO_SCALES
    ) -> None:
        """``known`` are the project's photos, which masks without a photo may belong to, ``kept`` its scales."""
        self._found = found
        self._kept = kept
        self._known = known
        self._seen: dict[str, Seen] = {}
        self._asked: dict[tuple[str, ...], Problem | None] = {}
        self._labels: Mapping[str, tuple[int, int]] = {}
        self.said = Corrections()
        self.plan = found
        self.scales: DepthScales = {}
        self.report = IntakeReport(found.layout)
        self._classes: Mapping[str, FileClass] = {}

    def close(self) -> None:
        """Close the archive that the files come from."""
        self._found.close()

    @property
    def layout(self) -> str:
        """What the layout that was recognised is called."""
        name = self._found.layout
        return next((one.title for one in importers() if one.name == name), name)

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What was seen of each photo, by its name."""
        return self._seen

    def apply(
        self,
        said: Corrections,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
        looks: KeptLooks | None = None,
    ) -> None:
        """Read the source as a person says, looking only at photos not seen yet. InputError leaves all as it was.

        ``looks`` know what was seen in an import that was stopped, and keep what is seen now.
        """
        plan = corrected(self._found, Corrections(said.readings))
        photos: list[Item] = [*plan.normals, *plan.anomalies]
        self._look([item for item in photos if item.entry.name not in self._seen], progress, cancelled, looks)
        plan = with_project_photos(settled(plan, self._seen), self._known, self._seen)
        labels, scales = plan.labels, chosen_scales(depth_scales(plan, self._seen), said.scales, self._kept)
        known = {old: new for old, new in said.renamed.items() if old in labels}
        plan = corrected(plan, Corrections((), known))
        unread = [g for g in plan.normals if (s := self._seen.get(g.entry.name)) is not None and s.look is None]
        problems = self._questions([*plan.anomalies, *unread], scales, cancelled)
        self.said, self.plan, self.scales, self._labels = replace(said, renamed=known), plan, scales, labels
        failed = {problem.path for problem in problems}
        left = replace(
            plan,
            normals=tuple(g for g in plan.normals if g.entry.name not in failed),
            anomalies=tuple(a for a in plan.anomalies if a.entry.name not in failed),
        )
        self.report = IntakeReport.of(left, problems, scales)
        self._classes = plan.classes | {p.path: "look at" if isinstance(p, Odd) else "left out" for p in problems}

    def folders(self) -> tuple[FolderRow, ...]:
        """The folders of the source, its top first, then in the order of their files."""
        readings = {said.path.strip("/").casefold(): said.reading for said in self.said.readings}
        labels = {item.entry.name: item.label for item in self.plan.anomalies}
        labels |= {item.entry.name: item.label for item in self.plan.unmasked}
        groups = _by_folder(self._found.entries)
        rows = []
        for path, entries in sorted(groups.items(), key=lambda group: group[0] != "."):
            counted = Counter(self._classes[e.name] for e in entries if e.name in self._classes)
            rows.append(
                FolderRow(
                    path,
                    {kind: counted[kind] for kind in CLASSES if counted[kind]},
                    tuple(sorted({labels[e.name] for e in entries if e.name in labels})),
                    tuple(e.name for e in entries if e.is_image)[:PICTURES_PER_ROW],
                    readings.get(path.casefold()),
                    path != "." or len(groups) == 1,
                )
            )
        return tuple(rows)

    def labels(self) -> tuple[LabelRow, ...]:
        """The labels of the source; several may have been given one name."""
        return tuple(
            LabelRow(label, self.said.renamed.get(label, label), masked, unmasked)
            for label, (masked, unmasked) in self._labels.items()
        )

    def reading_of(self, name: str) -> str:
        """How a file is read now, in words that change when its small picture does."""
        masks = [_key(item) for item in self.plan.anomalies if item.entry.name == name]
        return f"{self._classes.get(name, '')} {masks}"

    def thumbnail(self, name: str) -> bytes:
        """A small JPEG of a file of the source, with its masks outlined, or of a mask; NotFound, ImageError."""
        entry = next((e for e in self._found.entries if e.name == name), None)
        if entry is None:
            raise NotFound(f"{name}: there is no such file in this import")
        if self._classes.get(name) == "mask":
            drawn = np.where(isolated.read_mask(entry.load(), name=name), np.uint8(255), np.uint8(0))
            return thumbnail_bytes(np.repeat(drawn[..., None], 3, axis=2), THUMB_SIDE)
        photo = isolated.read_photo(entry.load(), name, scales=self.scales)
        item = next((a for a in self.plan.anomalies if a.entry.name == name), None)
        try:
            masks = fitted_masks(item, photo).masks if item else ()
        except InputError:
            masks = ()  # the report says what is wrong with them
        return thumbnail_bytes(photo.pixels, THUMB_SIDE, np.logical_or.reduce(masks) if masks else None)

    def _look(
        self, items: list[Item], progress: Steps, cancelled: Callable[[], bool], looks: KeptLooks | None
    ) -> None:
        done = 0
        progress(0, len(items))
        for group in in_order(items, see if looks is None else looks.see):
            if cancelled():
                raise Cancelled(f"stopped after looking at {done} of {len(items)} photos; nothing was imported")
            self._seen |= {item.entry.name: one for item, one in group}
            done += len(group)
            progress(done, len(items))

    def _questions(self, items: Iterable[Item], scales: DepthScales, cancelled: Callable[[], bool]) -> list[Problem]:
        """What is wrong or to be asked of each photo and its masks; those asked before are not read again."""
        keyed = {_key(item): item for item in items}
        fresh = [item for key, item in keyed.items() if key not in self._asked]
        for group in in_order(fresh, lambda item: decode_photo(item, scales)):
            if cancelled():
                raise Cancelled("stopped while reading masks; nothing was imported")
            for item, found in group:
                self._asked[_key(item)] = found if isinstance(found, Problem) else None
        return [problem for key in keyed if (problem := self._asked[key]) is not None]


def _key(item: Item) -> tuple[str, ...]:
    """What the answer hangs on: the photo, its masks and how they are read."""
    if not isinstance(item, Anomaly):
        return (item.entry.name,)
    return item.entry.name, *(m.name for m in item.masks), f"{item.inverted} {item.confirmed}"


def _by_folder(entries: Iterable[SourceEntry]) -> dict[str, list[SourceEntry]]:
    """Files by folder, "." for the top; by as much of the path as leaves at most ``MAX_ROWS`` folders."""
    named = [(entry, entry.name.split("/")[:-1]) for entry in entries]
    depth = max((len(folders) for _, folders in named), default=0)
    while depth > 1 and len({tuple(folders[:depth]) for _, folders in named}) > MAX_ROWS:
        depth -= 1
    groups: dict[str, list[SourceEntry]] = defaultdict(list)
    for entry, folders in named:
        groups["/".join(folders[:depth]) or "."].append(entry)
    return dict(groups)
