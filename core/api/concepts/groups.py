"""A label's defects in groups of one look, as a person sees and changes them before they are learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api.concepts.examples import defect_thumbnail_bytes
from core.engines.grouping import DefectGroups, ExampleGrouping
from core.engines.registry import learning_engines
from core.errors import InputError, NewerFormat, NotFound
from core.images import cached_file
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.training.instances import split_by_instance

_MAX_UNDO = 30
"""Steps back."""


@dataclass(frozen=True)
class ExampleGroup:
    """Defects that look alike, the most typical first; ``similarity``, -1..1, says how far they lie from all
    others."""

    name: str
    members: tuple[str, ...]
    similarity: float


class ExampleGroupsApi:
    """The desk behind the groups of the Concepts tab."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._product_data = material
        self._jobs = jobs
        self._grouping = _grouping()
        self._undo_stacks: dict[str, list[DefectGroups]] = {}

    def groups_of(self, label: str) -> list[ExampleGroup] | None:
        """The label's groups; None where none were made, the examples are others since, or a newer Flawsmith made
        them: who groups anew is told."""
        try:
            found = self._stored_clustering(label)
        except NewerFormat:
            return None
        if found is None:
            return None
        return [
            ExampleGroup(c.name, tuple(self._grouping.typical_first(found, c.name)), c.silhouette)
            for c in found.clusters
        ]

    def start(self, label: str, anew: bool = False) -> str:
        """Group a label's defects in the background; ``anew`` forgets what a person changed. InputError at once."""
        if len(self._product_data.project.examples(label, "learn")) < 2:
            raise InputError(f"{label}: grouping needs two examples or more")

        def run(control: JobControl) -> dict[str, Any]:
            said: list[str] = []
            made = self._grouping.group(
                self._product_data.concepts,
                label,
                self._product_data.examples(label),
                anew=anew,
                progress=control.progress,
                cancelled=control.cancelled,
                say=said.append,
            )
            self._undo_stacks.pop(label, None)
            return {"message": "; ".join([f"{label}: {len(made.clusters)} groups", *said])}

        return self._jobs.submit("group", f"Group {label}", run)

    def thumbnail(self, label: str, member: str) -> Path:
        """A small picture of one defect, outlined; kept in the project's cache."""
        path = self._product_data.project.cache_dir / "thumbs" / f"group-{member.replace('#', '-')}.jpg"
        if path.is_file():
            return path
        region = next((r for r in split_by_instance(self._product_data.examples(label)) if r.id == member), None)
        if region is None:
            raise NotFound(f"{label}: this defect is not among the examples any more; group them again")
        return cached_file(path, lambda: defect_thumbnail_bytes(region.pixels, region.mask))

    def merge(self, label: str, names: Sequence[str]) -> None:
        """Several groups as one, under the name of the first."""
        self._change(label, lambda found: self._grouping.merge(found, names))

    def split(self, label: str, name: str) -> None:
        """One group as several, by their looks."""
        self._change(label, lambda found: self._grouping.split(found, name))

    def rename(self, label: str, old: str, new: str) -> None:
        """Another name for a group."""
        self._change(label, lambda found: self._grouping.rename(found, old, new))

    def move(self, label: str, members: Sequence[str], to: str) -> None:
        """Defects into another group."""

        def change(found: DefectGroups) -> DefectGroups:
            for member in members:
                found = found if found.cluster_of(member).name == to else self._grouping.move(found, member, to)
            return found

        self._change(label, change)

    def separate(self, label: str, members: Sequence[str]) -> None:
        """Defects, of whichever groups, as a group of their own."""

        def change(found: DefectGroups) -> DefectGroups:
            own = {c.name: [m for m in c.members if m in set(members)] for c in found.clusters}
            base = next((c for c in found.clusters if 0 < len(own[c.name]) < len(c.members)), None)
            if base is None:
                whole = [name for name, taken in own.items() if taken]
                if len(whole) < 2:
                    raise InputError(f"{whole[0]}: these defects are a group of their own already")
                merged: DefectGroups = self._grouping.merge(found, whole)
                return merged
            found = self._grouping.split(found, base.name, own[base.name])
            name = found.cluster_of(own[base.name][0]).name
            for member in members:
                found = found if found.cluster_of(member).name == name else self._grouping.move(found, member, name)
            return found

        if not members:
            raise InputError("choose some defects first: click them")
        self._change(label, change)

    def can_undo(self, label: str) -> bool:
        """Whether there is a step to take back."""
        return bool(self._undo_stacks.get(label))

    def undo(self, label: str) -> None:
        """Take the last change back."""
        before = self._undo_stacks.get(label)
        if not before:
            raise InputError("there is nothing to take back")
        self._save(label, before.pop())

    def _stored_clustering(self, label: str) -> DefectGroups | None:
        examples = self._product_data.examples(label)
        found: DefectGroups | None = None
        if examples:
            found = self._grouping.kept(self._product_data.concepts, label, examples)
        return found

    def _save(self, label: str, groups: DefectGroups) -> None:
        self._grouping.save(self._product_data.concepts, label, self._product_data.examples(label), groups)

    def _change(self, label: str, change: Callable[[DefectGroups], DefectGroups]) -> None:
        found = self._stored_clustering(label)
        if found is None:
            raise InputError(f"{label}: its examples are others by now; group them again")
        made = change(found)
        self._save(label, made)
        steps = self._undo_stacks.setdefault(label, [])
        steps.append(found)
        del steps[:-_MAX_UNDO]


def _grouping() -> ExampleGrouping[Any]:
    """That of the engine which tells looks apart."""
    return next(found for e in learning_engines().values() if (found := e.grouping()) is not None)
