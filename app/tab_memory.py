"""What a browser tab remembers of each of the app's tabs: choices and half-done work, so that a reload finds them.

Form values are as Gradio's controls give them, in the controls' order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.api import NormalRow, RegionRow
from core.api.concepts.examples import MaskDraft
from core.api.masks import PlacedMask
from core.types import Mask


@dataclass(frozen=True)
class RegionDraft:
    """A proposal that a person has not named yet; ``packed`` as in recipes, ``word`` what it was found by, or ""."""

    number: int
    packed: str
    score: float
    word: str = ""


@dataclass
class ClickPreparation:
    """A photo on its way to quick clicks."""

    normal_id: str
    done: int = 0
    total: int = 0
    finished: bool = False

    def progress(self, done: int, total: int) -> None:
        """``done`` of ``total`` steps are behind us."""
        self.done, self.total = done, total


@dataclass
class ProductMemory:
    """``kind`` of photos in the album, what is searched for, its ``order`` and ``page``, the ``picked`` ones, those
    whose removal waits for a second press, the uploads that are being imported, and the import that is looked at."""

    kind: str = ""
    search: str = ""
    order: str = "imported"
    page: int = 0
    picked: list[str] = field(default_factory=list)
    removing: list[str] = field(default_factory=list)
    uploaded: list[Path] = field(default_factory=list)
    draft_id: str = ""


@dataclass
class RegionsMemory:
    """Proposals left on the photo ``drafts_on``, the ``draft`` on the canvas by its number (0: none), the job they are
    of; the (photo, name) being edited, what was deleted last, and carried regions to check."""

    drafts_on: str = ""
    drafts: list[RegionDraft] = field(default_factory=list)
    draft: int = 0
    found_by: str = ""
    editing: tuple[str, str] | None = None
    deleted: list[RegionRow] = field(default_factory=list)
    unsure: list[tuple[NormalRow, float]] = field(default_factory=list)


@dataclass
class ConceptsMemory:
    """The learning ``form``, the concept ``learned`` last, the subject whose concepts are listed, the label whose
    groups are shown; photos on their way over the canvas, how many are done, and what the last one was called."""

    form: list[Any] | None = None
    learned: str = ""
    subject: str = ""
    groups_of: str = ""
    drafts: list[MaskDraft] = field(default_factory=list)
    drafted: int = 0
    draft_label: str = ""
    draft_kind: str = ""

    @property
    def chosen(self) -> list[Any]:
        """The form, which the tab fills in when it is shown; engine and label empty before."""
        return self.form or ["", ""]


@dataclass
class StudioMemory:
    """``form`` is the engine form, ``label`` as a person typed or chose it (None: not yet), ``shown_label`` what its
    field shows, ``labels`` those used last
    by kind of anomaly, ``requested`` the engine, label and
    params that another tab sends. ``part`` is the picked (photo, region). ``prompt`` holds the prompt editor's
    settings by name, ``prompt_undo`` earlier edits, ``prompt_sent`` values on their way to the browser. ``placed`` is
    (photo, label, mask) of the last Place, ``laid`` a photo and the mask that another tab wants on it, ``varied`` a
    photo, its mask as drawn and as varied; ``places`` and
    ``turn`` count presses. ``bulk_shown`` are samples of the batch on show.
    """

    form: list[Any] | None = None
    label: str | None = None
    shown_label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    requested: dict[str, Any] | None = None
    part: tuple[str, str] = ("", "")
    prompt: dict[str, str] = field(default_factory=dict)
    prompt_undo: list[str] = field(default_factory=list)
    prompt_sent: dict[str, list[str]] = field(default_factory=dict)
    placed: tuple[str, str, PlacedMask] | None = None
    places: int = 0
    turn: int = 0
    laid: tuple[str, Mask] | None = None
    varied: tuple[str, Mask, Mask] | None = None
    bulk_shown: list[str] | None = None


@dataclass
class PreviewMemory:
    """Jobs whose previews are shown, the one whose first preview is awaited, what each made ``again``, the picked
    sample, and the (id, verdict) of all that are ``shown``; None: draw them anew."""

    jobs: list[str] = field(default_factory=list)
    awaited: str = ""
    again: dict[str, list[str]] = field(default_factory=dict)
    picked: str = ""
    shown: list[tuple[str, str]] | None = None


@dataclass
class EvaluateMemory:
    """The ``form`` and as the server filled it in last, the results on show, the one made last, and the form of the
    loop."""

    form: list[Any] | None = None
    filled: list[Any] | None = None
    loop: list[Any] | None = None
    shown: list[str] = field(default_factory=list)
    made: str = ""


@dataclass
class TabMemory:
    """All of it. ``export`` is that tab's form, ``warming`` the photo being prepared for clicks, ``told`` the jobs
    whose end was said."""

    product: ProductMemory = field(default_factory=ProductMemory)
    regions: RegionsMemory = field(default_factory=RegionsMemory)
    concepts: ConceptsMemory = field(default_factory=ConceptsMemory)
    studio: StudioMemory = field(default_factory=StudioMemory)
    previews: PreviewMemory = field(default_factory=PreviewMemory)
    evaluate: EvaluateMemory = field(default_factory=EvaluateMemory)
    export: list[Any] | None = None
    warming: ClickPreparation | None = None
    told: set[str] = field(default_factory=set)
