"""A component prompt edited by hand: what the app shows, and what an engine offers for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Mark = Literal["same", "gone", "new"]
"""Whether a run of words stays, is struck out or is new."""


class Product(Protocol):
    """What a prompt editor must know of the project."""

    @property
    def concepts(self) -> Path:
        """The folder of what was learned in this project."""
        ...

    def region_names(self, normal_id: str) -> Sequence[str]:
        """The names of a photo's regions."""
        ...

    def other_projects(self) -> Sequence[Path]:
        """Folders of other projects, whose learned components may be borrowed; the last opened first."""
        ...


@dataclass(frozen=True)
class ComponentCard:
    """One kind of component after the edits: how many, how its word counts, and the edit behind each of its buttons.

    ``state`` is "gone" where it was struck out, "new" where it stands for another one, "changed" or "same"; ``note``
    says in words what differs. An offer of "" cannot be made.
    """

    name: str
    count: int
    weight: float
    state: str
    note: str = ""
    fewer: str = ""
    more: str = ""
    remove: str = ""
    lighter: str = ""
    heavier: str = ""
    replace: str = ""
    adjective: str = ""
    swaps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lender:
    """Components learned elsewhere: ``key`` names them to ``PromptEditing.borrow``, ``title`` a person."""

    key: str
    title: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class PromptView:
    """A photo's prompt under its edits. ``words`` is the edited sentence in runs that stay, are struck or are new;
    ``edits`` are the edits one by one, also those by chance; ``problem`` says why they cannot be carried out here."""

    before: str
    after: str
    words: tuple[tuple[str, Mark], ...]
    chips: tuple[ComponentCard, ...]
    edits: tuple[str, ...]
    note: str = ""
    problem: str = ""
    lenders: tuple[Lender, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether any component differs for certain, not only by chance."""
        return self.before != self.after or any(chip.state != "same" for chip in self.chips)


class PromptEditing(ABC):
    """``params`` are the engine's, as its form has them: ``edit``, ``prompt``, ``concept``, ``borrowed``."""

    @abstractmethod
    def show(self, normal_id: str, params: Mapping[str, object]) -> PromptView:
        """The photo's prompt after ``params["edit"]``. InputError or NotFound where there is no prompt at all."""

    @abstractmethod
    def add(self, normal_id: str, params: Mapping[str, object], edit: str) -> str:
        """The text of ``params["edit"]`` and one more; InputError, in one line, where that cannot be."""

    @abstractmethod
    def drop(self, normal_id: str, params: Mapping[str, object], place: int) -> str:
        """The text without its ``place``-th edit; InputError where a later one needs it."""

    @abstractmethod
    def titled(self, title: str) -> str:
        """The prompt setting that says what the components are parts of: "a tray with {components}"."""

    @abstractmethod
    def borrow(self, key: str) -> str:
        """The id, in this project, of a lender's concept; from another project it is copied. NotFound."""
