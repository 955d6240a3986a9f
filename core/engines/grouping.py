"""A label's real anomalies told apart by their looks, by an engine that learns each look by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from core.progress import Steps, unwatched
from core.types import AnomalyExample


class DefectGroup(Protocol):
    """Defects that look alike. ``silhouette``, -1..1, says how far they lie from all other groups."""

    @property
    def name(self) -> str: ...

    @property
    def members(self) -> tuple[str, ...]: ...

    @property
    def silhouette(self) -> float: ...


class DefectGroups(Protocol):
    """All groups of a label. Members are ids of single defects: that of the example, ``<id>#2`` of its second mask."""

    @property
    def clusters(self) -> Sequence[DefectGroup]: ...

    def cluster_of(self, member: str) -> DefectGroup:
        """The group that holds a defect; NotFound."""
        ...


Groups = TypeVar("Groups", bound=DefectGroups)


class ExampleGrouping(ABC, Generic[Groups]):
    """What an engine can do with the groups of a label. ``concepts`` is the project's folder of concepts; ``examples``
    are all real anomalies of the label. A person's edits return new groups; ``save`` keeps them."""

    @abstractmethod
    def kept(self, concepts: Path, label: str, examples: Sequence[AnomalyExample]) -> Groups | None:
        """The groups that the project keeps; None where there are none, or they are of other examples."""

    @abstractmethod
    def group(
        self,
        concepts: Path,
        label: str,
        examples: Sequence[AnomalyExample],
        *,
        anew: bool = False,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda line: None,
    ) -> Groups:
        """The groups kept, else made now and kept. A person's edits stay when examples come or go; ``anew`` forgets
        them. A file that cannot be read is set aside, which ``say`` is told. Unavailable, NewerFormat, Cancelled."""

    @abstractmethod
    def save(self, concepts: Path, label: str, examples: Sequence[AnomalyExample], groups: Groups) -> None:
        """Keep ``groups`` for what is learned from now on; InputError where they are of other examples."""

    @abstractmethod
    def typical_first(self, groups: Groups, name: str) -> list[str]:
        """The members of a group, the most typical first."""

    @abstractmethod
    def merge(self, groups: Groups, names: Sequence[str]) -> Groups:
        """Several groups as one, under the name of the first."""

    @abstractmethod
    def split(self, groups: Groups, name: str, members: Sequence[str] | None = None) -> Groups:
        """One group as several: by looks, or ``members`` as a group of their own."""

    @abstractmethod
    def move(self, groups: Groups, member: str, to: str) -> Groups:
        """One defect in another group."""

    @abstractmethod
    def rename(self, groups: Groups, old: str, new: str) -> Groups:
        """A group under another name."""
