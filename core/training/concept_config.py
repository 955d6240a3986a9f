"""What is noted of a concept's learning: typed where it is read, and passed on where nobody here knows it.

In ``concept.json`` all of it is one flat object. A method that reads more than every concept has declares that as a
subclass, and reads ``concept.config.read_as(ItsConfig)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from core.stored import plain_record, read_record

C = TypeVar("C", bound="ConceptConfig")
Point = tuple[int, float]
"""(step, value) of a curve."""
Tone = tuple[float, float, float]
"""Brightness of a defect against its surroundings in each channel, 1 where they are alike."""


@dataclass(frozen=True, kw_only=True)
class ConceptConfig:
    """What may be noted of any concept; empty where it was not.

    ``labels`` are the learned anomalies, ``groups`` what has words of its own → its label where that is finer, and
    ``examples`` and ``tones`` are by group. ``names`` are learned components, each ``counts`` times on a good part,
    ``title`` is what their product is called, ``map_iou`` how well each name's attention fits its regions, ``photos``
    are ids of the photos they were learned from. ``settings`` are the learning's, ``preset`` is one of them; ``extra``
    are keys that one method alone, or a newer version, knows.
    """

    labels: tuple[str, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tones: Mapping[str, tuple[Tone, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    title: str = ""
    map_iou: Mapping[str, float] = field(default_factory=dict)
    photos: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str = ""
    steps: int = 0
    stopped_early: bool = False
    seconds: float = 0.0
    losses: tuple[Point, ...] = ()
    validation: tuple[Point, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: Mapping[str, object], where: str = "concept") -> Self:
        """From the flat JSON object; InputError, which ``where`` begins, names what is missing or wrong."""
        return read_record(cls, raw, where)

    def plain(self) -> dict[str, Any]:
        """Inverse of ``read``."""
        return plain_record(self)

    def read_as(self, cls: type[C], where: str = "concept") -> C:
        """The same with what a method notes beside it; InputError, which ``where`` begins, if that is not there."""
        return self if isinstance(self, cls) else cls.read(self.plain(), where)

    @property
    def backbone(self) -> str:
        """The model that was asked for to learn on, as load_backbone takes it."""
        return str(self.settings.get("backbone") or "auto")


@dataclass(frozen=True, kw_only=True)
class InversionConfig(ConceptConfig):
    """What textual inversion notes: ``prompt`` with {} for the words, what a good part is called, the mask ``encoder``
    and the ``margin`` of what it saw around a defect, in sides of the defect's box.

    ``view`` says what was seen; version 0.1.0 did not note it, and drew windows that were cut off at the photo's edge.
    With ``spatial`` the prompt also says where the anomaly lies. Learned shapes are of ``shape_view``.
    """

    prompt: str
    normal_prompt: str
    encoder: Literal["small", "fpn"]
    margin: float
    view: Literal["", "whole", "surroundings"] = ""
    spatial: bool = True
    shape_view: Literal["window", "whole"] = "window"

    @property
    def sees_whole_photos(self) -> bool:
        """Whether whole photos were learned from, as the papers do."""
        return self.view == "whole" or (not self.view and self.preset in ("paper", "code"))
