"""How good a sample is: what visibly changed, its scores, and which samples are nearly the same."""

from core.quality.near_duplicates import descriptor, group_near_duplicates, nearest_distance
from core.quality.scores import scores
from core.quality.visible_change import VISIBLE_LEVELS, change_with_rim, visible_change

__all__ = [
    "VISIBLE_LEVELS",
    "change_with_rim",
    "descriptor",
    "group_near_duplicates",
    "nearest_distance",
    "scores",
    "visible_change",
]
