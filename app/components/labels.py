"""Names of defects as a person types them and as datasets have them."""

from __future__ import annotations

from app.components.fields import required_text

SUGGESTED_LABELS = {
    "structural": ("scratch", "crack", "stain", "dent", "chip", "hole", "burn", "contamination"),
    "logical": (
        "missing",
        "extra",
        "misplaced",
        "turned",
        "flipped",
        "swapped",
        "wrong_part",
        "wrong_colour",
        "wrong_look",
    ),
    "combined": ("broken", "damaged"),
}
"""Names to choose from beside those in use; the first is the one before a person chose."""


def required_label(label: str | None) -> str:
    """The label of the field, normalized; InputError where it is empty."""
    return normalized_label(required_text("Label", label, "scratch"))


def normalized_label(label: str | None) -> str:
    """A label as typed, in the letters of datasets where that is plain: "Oil film" is oil_film."""
    return "_".join((label or "").lower().replace("-", " ").split())
