"""Import: look at the planned photos, read them and write their files in threads, add their rows in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from core.errors import Cancelled
from core.images.depth import DepthScale, DepthScales
from core.importers.corrections import Corrections, corrected
from core.importers.plan import Anomaly, GoodPhoto, ImportPlan
from core.importers.scan import scan, scan_anomalies
from core.importers.source_entry import Problem
from core.importers.survey import Seen, depth_scales, see, settled
from core.jobs.depth_setting import chosen_scales, keep_scales
from core.jobs.early_reading import EarlyReading
from core.jobs.import_draft import ImportDraft
from core.jobs.import_reading import DecodedPhoto, Item, in_order
from core.jobs.import_report import IntakeReport, Odd
from core.jobs.kept_looks import KeptLooks
from core.jobs.project_photos import KnownPhotos, no_photos, project_photos, with_project_photos
from core.progress import Steps, unwatched
from core.store import ExampleRow, NormalRow, Project, StoredFile


def _never() -> bool:
    return False


def plan_import(
    source: Path | Sequence[Path],
    *,
    anomalies: Path | None = None,
    label: str | None = None,
    said: Corrections | None = None,
) -> ImportPlan:
    """What an import of ``source`` (see ``scan``) and of ``anomalies`` (see ``scan_anomalies``) will take, by names.

    No source, an empty sequence, plans the anomalies alone. Close the plan when it is done with.
    """
    only_anomalies = anomalies is not None and not isinstance(source, Path) and not source
    plan = scan_anomalies(anomalies) if anomalies and only_anomalies else scan(source, label=label)
    try:
        if anomalies is not None and not only_anomalies:
            plan = plan + scan_anomalies(anomalies)
        return corrected(plan, said or Corrections())
    except BaseException:
        plan.close()
        raise


def survey(
    plan: ImportPlan,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = _never,
    look: Callable[[Item], Seen] = see,
) -> tuple[ImportPlan, dict[str, Seen]]:
    """Look at every photo of ``plan``: what is odd is set aside, and what was seen is given by name."""
    seen: dict[str, Seen] = {}
    items: list[Item] = [*plan.normals, *plan.anomalies]
    progress(0, len(items))
    for group in in_order(items, look):
        if cancelled():
            raise Cancelled(f"stopped after looking at {len(seen)} of {len(items)} photos; nothing was imported")
        seen |= {item.entry.name: one for item, one in group}
        progress(len(seen), len(items))
    return settled(plan, seen), seen


def preview_import(
    source: Path | Sequence[Path],
    *,
    anomalies: Path | None = None,
    said: Corrections | None = None,
    known: KnownPhotos = no_photos,
    kept: Mapping[str, DepthScale] | None = None,
    progress: Steps = unwatched,
) -> IntakeReport:
    """What an import would take, with nothing written: the report of an import, less duplicates.

    ``known`` are the photos of the project that it would come into, and ``kept`` the scales of those above 8 bits.
    """
    draft = ImportDraft(plan_import(source, anomalies=anomalies), known, kept or {})
    try:
        draft.apply(said or Corrections(), progress)
    finally:
        draft.close()
    return draft.report


def import_images(
    project: Project,
    source: Path | Sequence[Path],
    *,
    anomalies: Path | None = None,
    label: str | None = None,
    said: Corrections | None = None,
    looking: Steps = unwatched,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = _never,
) -> IntakeReport:
    """Import what ``plan_import`` plans and ``survey`` leaves in it.

    A file that cannot be used is listed with its reason and the others are imported; a file whose content
    is in the project already is listed as a duplicate. Each photo is kept whole or not at all. Raises
    InputError if there is nothing to look at, and Cancelled, keeping what was imported, when ``cancelled``
    says so; ``looking`` and then ``progress`` get how many of how many photos are done.
    """
    plan = plan_import(source, anomalies=anomalies, label=label, said=said)
    try:
        with closing(KeptLooks.of(project)) as looks:
            wanted = (said or Corrections()).scales
            early = EarlyReading(project, {**plan.scales, **wanted, **project.depth_scales()}, looks)
            plan, seen = survey(plan, looking, cancelled, early.see)
            plan = with_project_photos(plan, partial(project_photos, project), seen)
            scales = chosen_scales(depth_scales(plan, seen), wanted, project.depth_scales())
            del seen
            report = run_plan(project, plan, scales, early, progress, cancelled)
            looks.forget()
            return report
    finally:
        plan.close()


def run_plan(
    project: Project,
    plan: ImportPlan,
    scales: DepthScales,
    reading: EarlyReading,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = _never,
) -> IntakeReport:
    """Import a plan that was looked at, with the scales of its photos; see ``import_images``.

    ``reading`` has what was stored while it was looked at.
    """
    keep_scales(project, scales)
    tally = _ImportTally(project)
    failed: list[Odd | Problem] = []
    done = 0
    progress(0, plan.total)
    items: list[Item] = [*plan.normals, *plan.anomalies]
    for group in in_order(items, lambda item: reading.read(item, scales)):
        if cancelled():
            raise Cancelled(f"stopped after {done} of {plan.total} photos; they are kept")
        with project.transaction():
            for item, photo in group:
                if isinstance(photo, Problem | Odd):
                    failed.append(photo)
                else:
                    tally.add(item, photo)
        done += len(group)
        progress(done, plan.total)
    return tally.report(plan, failed, scales)


class _ImportTally:
    """Adds photos to a project and keeps count."""

    def __init__(self, project: Project) -> None:
        self._project = project
        normals, examples = project.normals(), project.examples()
        self._known = {row.id for row in normals} | {row.id for row in examples}
        # A photo whose scale was changed has kept its id, and its content is that of its new working copy.
        self._by_file = {row.path: row.id for row in normals if not row.path.stem.startswith(row.id)}
        self._renamed = project.renamed_labels()
        self._normals: list[str] = []
        self._examples: list[tuple[str, str]] = []
        self._example_ids: list[str] = []
        self._duplicates: list[str] = []
        self._notes: list[str] = []

    def add(self, item: Item, photo: DecodedPhoto[StoredFile]) -> None:
        name = item.entry.path
        if isinstance(item, GoodPhoto):
            notes = photo.notes + ((f"from the {item.split} part",) if item.split else ())
            size = photo.width, photo.height, photo.grey
            if self._project.path / photo.photo.file in self._by_file:
                self._duplicates.append(name)
                return
            row: NormalRow | ExampleRow = self._project.add_normal(photo.photo, photo.ext, name, *size, notes)
        else:
            label = self._renamed.get(item.label, item.label)
            form = label, item.kind, photo.masks
            row = self._project.add_example(photo.photo, photo.ext, *form, name, photo.width, photo.height, photo.soft)
            self._notes += [f"{item.entry.name}: {note}" for note in photo.notes if "mask" in note]
        if isinstance(item, Anomaly) and item.replaces:
            self._replace(item.replaces, row.id)
        if photo.deep is not None:
            self._project.add_source_depth(row.path, photo.deep, *photo.scale)
        if row.id in self._known:
            self._duplicates.append(name)
        elif isinstance(item, GoodPhoto):
            self._normals.append(name)
        else:
            self._examples.append((self._renamed.get(item.label, item.label), name))
            self._example_ids.append(row.id)
        self._known.add(row.id)

    def _replace(self, old: str, new: str) -> None:
        """A photo that has got masks is no good part any more, and its earlier masks are none."""
        self._project.remove_normals([old])
        if old != new:
            self._project.remove_examples([old])

    def report(self, plan: ImportPlan, failed: Sequence[Odd | Problem], scales: DepthScales) -> IntakeReport:
        planned = IntakeReport.of(plan, failed, scales)
        if tested := self._project.extend_split(self._example_ids):
            self._notes.append(
                f"{tested} of the new real anomalies are kept for the test, as the project's split says"
            )
        return replace(
            planned,
            normals=tuple(self._normals),
            examples=tuple(self._examples),
            duplicates=tuple(self._duplicates),
            notes=(*planned.notes, *self._notes),
        )
