"""The rules by which masks are made and placed, as a person sets them and a recipe keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, model_validator

ShapeName = Literal["auto", "crack", "scratch", "spot", "blob", "pits", "chip", "stain"]
_OUTLINE = ("perturb", "jitter", "delta", "close_px", "bend")
_FREE = ("anomaly_type", "shape", "size_pct", "size_like_examples", "align", "overflow", "rotate", "alpha", *_OUTLINE)
"""Settings without effect on a defect that lies, is sized and outlined as its example is."""
_SAYS_WHERE = ("regions", *_FREE)
"""Settings of which another value than the default asks for something else than lying as an example does."""
_WHOLE_REGIONS = tuple(name for name in _FREE if name != "anomaly_type") + ("position", "gap_px", "within")
"""Settings without effect where a defect is a whole region."""


class Placement(BaseModel):
    """How masks are made and where on the part they lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anomaly_type: Literal["structural", "edge", "logical", "combined"] = Field(
        "structural", title="Anomaly type",
        description="structural: inside a region or the part; edge: along its edge; logical: a whole region; "
        "combined: several of these, which do not overlap.",
    )  # fmt: skip
    source: Literal["auto", "examples", "learned", "shapes", "regions"] = Field(
        "auto", title="Mask source",
        description="examples: masks of the label's real examples, moved and varied; learned: drawn by "
        "a learned concept's mask embedding; shapes: drawn by rule; "
        "regions: whole regions; auto: examples where the label has some, else shapes.",
    )  # fmt: skip
    shape: ShapeName = Field(
        "auto", title="Shape", description="Shape of drawn masks; auto chooses one that suits the label's name."
    )
    regions: tuple[str, ...] = Field(
        (), title="Regions", description="Names of regions. Each defect goes into one of them; empty means the part."
    )
    within: Literal["component", "part"] = Field(
        "component", title="Stay on",
        description="Where no region is named. component: each defect lies on one named region of the photo, or on "
        "what lies between them; part: it may run across several.",
    )  # fmt: skip
    position: Literal["auto", "anywhere", "examples", "surroundings"] = Field(
        "auto", title="Position",
        description="examples: about where the example lies on its own photo, with its direction, size and outline; "
        "surroundings: the same, but where the photo looks as it does around the example; anywhere: wherever it fits; "
        "auto: surroundings if the label has examples and no other place, size or shape is set, else anywhere.",
    )  # fmt: skip
    count: int = Field(1, ge=1, le=50, title="Defects", description="How many defects on one photo.")
    size_pct: tuple[float, float] = Field(
        (0.1, 2.0), title="Size range",
        description="Smallest and largest area of one defect in percent of the part's area, above 0 and up to 100; "
        "a region with little room gets a smaller one.",
    )  # fmt: skip
    size_like_examples: bool = Field(
        True, title="Sizes from examples",
        description="If the label has examples, take sizes from them instead of the size range.",
    )  # fmt: skip
    rotate: bool = Field(
        True, title="Rotate and mirror",
        description="Any direction. If off, examples keep theirs and drawn shapes follow the region's long axis.",
    )  # fmt: skip
    align: Literal["auto", "none", "axis", "edge", "middle"] = Field(
        "auto", title="Align with",
        description="axis: along the region's long axis; edge: along its nearest edge; middle: on its middle line and "
        "along it, as on a bent wire; none: no alignment; auto: edge for the anomaly type edge, except for "
        "cracks, which take any angle; else none.",
    )  # fmt: skip
    overflow: float = Field(
        0.0, ge=0, le=0.6, title="Overflow",
        description="Share of a defect that may lie beyond its region, though never beyond the part.",
    )  # fmt: skip
    perturb: bool = Field(
        True, title="Perturb example masks", description="Change the outline of example masks at random (GAA, eq. 5)."
    )
    jitter: float = Field(
        0.25, ge=0, le=1, title="Perturbation (ΔP)",
        description="How far corners of example masks are moved, as a share of the mask's width there.",
    )  # fmt: skip
    delta: float = Field(
        0.15, ge=0, le=1, title="Simplify outline (δ)",
        description="How far the polygon of an example's outline may leave it, as a share of the mask's width there.",
    )  # fmt: skip
    close_px: float = Field(
        1.0, ge=0, le=50, title="Close gaps",
        description="Gaps and holes of example masks that are narrower than about twice this many pixels are filled.",
    )  # fmt: skip
    bend: float = Field(
        0.06, ge=0, le=0.3, title="Bend",
        description="How far an example's mask is bent as a whole, as a share of its length; not in the paper.",
    )  # fmt: skip
    alpha: float = Field(
        0.5, ge=0, le=1, title="Pull toward the mean size (α)",
        description="With sizes like the examples: 1 gives the label's mean area, 0 keeps more of each one's own.",
    )  # fmt: skip
    gap_px: int = Field(4, ge=0, le=200, title="Gap", description="Pixels left free between two defects on one photo.")

    def resolved(self, has_examples: bool) -> Placement:
        """The same with a position other than ``auto``."""
        if self.position != "auto":
            return self
        usual = Placement()
        asked = any(getattr(self, name) != getattr(usual, name) for name in _SAYS_WHERE)
        free = self.source in ("auto", "examples") and not asked
        return self.model_copy(update={"position": "surroundings" if has_examples and free else "anywhere"})

    def without_effect(self, given: Mapping[str, object], has_examples: bool) -> str | None:
        """Why a setting that was ``given`` changes nothing beside the others, in one line; None if all count.

        Call it on rules whose position is resolved. Defaults that were given are no request.
        """
        usual, wanted = Placement(), Placement(**given)
        asked = [name for name in given if getattr(wanted, name) != getattr(usual, name)]
        for names, because in self._idle(has_examples):
            if idle := [name for name in asked if name in names]:
                return f"placement: {idle[0]} has no effect {because}"
        return None

    def _idle(self, has_examples: bool) -> Iterator[tuple[tuple[str, ...], str]]:
        """Settings without effect, and why and what to do."""
        if self.anomaly_type == "logical" or self.source == "regions":
            yield _WHOLE_REGIONS, "where whole regions are taken; leave it out, or choose another type and source"
        elif self.follows_example and has_examples:
            shaped = tuple(name for name in _FREE if name != "shape" or self.source != "shapes")
            yield shaped, f"with position={self.position}: a defect lies as its example does; set position=anywhere"
        elif self.source == "shapes":
            yield _OUTLINE, "with source=shapes, which are drawn anew; leave it out or set source=examples"
        elif self.source in ("examples", "learned"):
            yield ("shape",), f"with source={self.source}; leave it out or set source=shapes"
        if self.regions:
            yield ("within",), "where regions are named, on one of which each defect lies; leave one of them out"
        if not self.perturb:
            yield tuple(n for n in _OUTLINE if n != "perturb"), "with perturb=false; leave it out or set perturb=true"
        if self.size_like_examples and self.source == "examples":
            yield ("size_pct",), "with size_like_examples=true; leave one of them out"

    @property
    def follows_example(self) -> bool:
        """Whether defects lie as their examples do on their own photos."""
        return self.position in ("examples", "surroundings")

    @model_validator(mode="before")
    @classmethod
    def _range_wins_when_given(cls, given: Any) -> Any:
        """Who names a size range and says nothing of examples wants the range."""
        if isinstance(given, dict) and "size_pct" in given and "size_like_examples" not in given:
            return {**given, "size_like_examples": False}
        return given

    @model_validator(mode="after")
    def _ordered(self) -> Placement:
        low, high = self.size_pct
        if not 0 < low <= high <= 100:
            raise ValueError(f"size_pct: expected 0 < smallest <= largest <= 100 percent, got {low:g}, {high:g}")
        return self


class _TolerantPlacement(Placement):
    """Rules as they were stored, with those that only a newer version knows."""

    model_config = ConfigDict(frozen=True, extra="allow")


StoredPlacement = Annotated[Placement, GetPydanticSchema(lambda _, schema_of: schema_of(_TolerantPlacement))]
"""Placement where it is read from a file: what a person may not misspell is kept there."""
