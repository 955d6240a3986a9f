"""What an importer is: it looks at names, says how sure it is, and plans what to take. The mirror of a format."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

from core.errors import InputError
from core.exporters.atomic_folder import MARKER_FILE
from core.importers.plan import ImportPlan
from core.importers.source_tree import MOST_SUBTREES, SourceTree

SURE = 0.5
"""From this confidence on a folder is taken for a dataset, even inside another folder."""


class Importer(ABC):
    """One layout or annotation format. One file of ``formats/`` with a subclass in it is all a new one needs."""

    name: ClassVar[str]
    title: ClassVar[str]
    reads: ClassVar[str]
    """One line for the docs: what is read, what is not."""

    @abstractmethod
    def detect(self, tree: SourceTree) -> float:
        """How sure it is that ``tree`` has this layout, 0 to 1; by names, opening few files."""

    @abstractmethod
    def plan(self, tree: SourceTree) -> ImportPlan:
        """What to take; every file of ``tree`` is in a class. InputError for what cannot be read."""


@lru_cache(1)
def importers() -> tuple[Importer, ...]:
    """Every importer there is, by name."""
    from core.importers import formats

    for module in pkgutil.iter_modules(formats.__path__):
        importlib.import_module(f"{formats.__name__}.{module.name}")
    return tuple(sorted((kind() for kind in Importer.__subclasses__()), key=lambda importer: importer.name))


def recognise(tree: SourceTree) -> tuple[Importer, SourceTree]:
    """The importer that is surest, and the tree from the dataset's top on.

    The top is looked at first, then the folders in it, two deep. InputError where several products lie beside each
    other, since a project is of one.
    """
    level = [_export_in(tree)]
    for _ in range(3):
        found = [(importer, below) for below in level if (importer := _surest(below)) is not None]
        if len(found) > 1:
            names = ", ".join(below.where.rpartition("/")[2] for _, below in found[:5])
            raise InputError(
                f"{tree.where}: expected one product, found {len(found)} ({names}); import one of these folders"
            )
        if found:
            return found[0]
        level = [sub for below in level for sub in below.subtrees()]
        if len(level) > MOST_SUBTREES:
            break
    return next(i for i in importers() if i.name == "photos"), tree


def _export_in(tree: SourceTree) -> SourceTree:
    """The folder of an export of ours, up to two folders deep where there is but one; else the tree itself."""
    marks = [e for e in tree.named(".json") if f"/{e.path}".endswith(f"/{MARKER_FILE}")]
    folder = "/".join(marks[0].folders[:-1]) if len(marks) == 1 and len(marks[0].folders) <= 3 else ""
    return tree.below(folder) if folder else tree


def _surest(tree: SourceTree) -> Importer | None:
    rated = [(importer.detect(tree), importer) for importer in importers()]
    confidence, importer = max(rated, key=lambda pair: pair[0])
    return importer if confidence >= SURE else None


def plan_tree(tree: SourceTree) -> ImportPlan:
    """The plan of the importer that is surest; files beside its dataset are left out."""
    importer, found = recognise(tree)
    made = importer.plan(found)
    if found is tree:
        return made
    from core.importers.plan import with_the_rest

    return with_the_rest(replace(made, entries=tree.entries), tree.entries)
