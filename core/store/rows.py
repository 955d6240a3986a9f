"""What the store hands out: frozen values, safe to pass between threads, never live database objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from core.store.example_split import ExamplePart
from core.types import Kind, ReviewStatus, VerdictSource

RegionSource = Literal["hand", "auto", "propagated"]
JobStatus = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class NormalRow:
    """A photo of a good part.

    ``id`` is the first 16 hex digits of its content's sha256 at import; ``path`` is absolute.
    """

    id: str
    name: str
    width: int
    height: int
    grey: bool
    notes: tuple[str, ...]
    path: Path


@dataclass(frozen=True)
class ExampleRow:
    """A real anomaly: its photo, one mask file per defect instance, and the part of the project's split it is in.

    ``soft_path`` is a grey PNG of how sure each pixel of the masks is, 255 for sure, where that is known.
    """

    id: str
    label: str
    kind: Kind
    name: str
    width: int
    height: int
    path: Path
    mask_paths: tuple[Path, ...]
    part: ExamplePart = ""
    soft_path: Path | None = None


@dataclass(frozen=True)
class RegionRow:
    """A named part of one photo; ``mask_path`` is a PNG of 0 and 255."""

    normal_id: str
    name: str
    source: RegionSource
    confidence: float
    mask_path: Path


@dataclass(frozen=True)
class SampleRow:
    """A generated anomaly. ``number`` grows in the order samples were added; ``descriptor`` is as it was given.

    ``component_paths`` are grey PNGs, one for each component whose word's attention was compared.
    ``picture_paths`` are colour PNGs of what else was drawn for the sample. ``verdict_by`` is None while it is new.
    ``favourite`` and ``note`` are a person's remarks.
    """

    id: str
    number: int
    normal_id: str
    label: str
    kind: Kind
    engine: str
    seed: int
    recipe_json: str
    verdict: ReviewStatus
    reason: str
    scores: Mapping[str, float]
    image_path: Path
    mask_path: Path
    attention_path: Path | None
    instance_paths: tuple[Path, ...]
    descriptor: bytes | None
    job_id: str | None
    created: float
    component_paths: Mapping[str, Path] = field(default_factory=dict)
    unrefined_path: Path | None = None
    picture_paths: Mapping[str, Path] = field(default_factory=dict)
    verdict_by: VerdictSource | None = None
    favourite: bool = False
    note: str = ""


@dataclass(frozen=True)
class SampleFilter:
    """Which samples, in which order; None leaves a field open.

    ``min_score`` keeps samples that have each named score at or above its value. ``opinions`` keeps samples of which
    people said both (``split``), or of which ``person`` has said nothing yet (``needed``). ``order_by`` is "created"
    or the name of a score; samples without that score come last.
    """

    label: str | None = None
    engine: str | None = None
    verdict: ReviewStatus | str | None = None
    normal_id: str | None = None
    job_id: str | None = None
    favourite: bool | None = None
    min_score: Mapping[str, float] = field(default_factory=dict)
    order_by: str = "created"
    descending: bool = False
    opinions: Literal["", "needed", "split"] = ""
    person: str = ""


@dataclass(frozen=True)
class JobRow:
    """A piece of long work; ``pid`` is the process that does it, times are seconds since 1970."""

    id: str
    kind: str
    title: str
    args_json: str
    status: JobStatus
    done: int
    total: int
    message: str
    pid: int
    created: float
    updated: float
