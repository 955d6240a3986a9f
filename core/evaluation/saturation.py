"""How much of a defect must be found for it to count in full: MVTec LOCO's ``defects_config.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError

DEFECTS_CONFIG_FILE = "defects_config.json"


@dataclass(frozen=True)
class Saturation:
    """``threshold`` is a share of the defect's area if ``relative``, else a number of pixels; it is above 0."""

    threshold: float = 1.0
    relative: bool = True

    def __post_init__(self) -> None:
        top = 1.0 if self.relative else math.inf
        if not (math.isfinite(self.threshold) and 0 < self.threshold <= top):
            expected = "a share above 0, at most 1" if self.relative else "a number of pixels above 0"
            raise InputError(f"saturation threshold: expected {expected}, got {self.threshold!r}")

    def pixels(self, area: int) -> int:
        """The saturation area s of a defect of ``area`` pixels, in whole pixels as MVTec LOCO counts them, 1..area."""
        wanted = self.threshold * area if self.relative else self.threshold
        return max(1, min(int(wanted), area))


FULL_SATURATION = Saturation()
"""All of the defect: sPRO is then PRO per defect."""


@dataclass(frozen=True)
class DefectsConfig:
    """Saturation and name of a defect by the value its mask is drawn with (1..255)."""

    saturations: Mapping[int, Saturation]
    names: Mapping[int, str]


def read_defects_config(path: Path) -> DefectsConfig:
    """Read MVTec LOCO's list of {defect_name, pixel_value, saturation_threshold, relative_saturation}; InputError."""
    try:
        entries = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the dataset's {DEFECTS_CONFIG_FILE}"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, a list of defects ({error}); repair it") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: expected a list of defects, got {type(entries).__name__}; repair it")
    saturations: dict[int, Saturation] = {}
    names: dict[int, str] = {}
    for number, entry in enumerate(entries, 1):
        try:
            value, relative = int(entry["pixel_value"]), entry["relative_saturation"]
            if not 1 <= value <= 255 or value in saturations or not isinstance(relative, bool):
                raise ValueError("pixel_value 1..255, each once, and relative_saturation true or false")
            saturations[value] = Saturation(float(entry["saturation_threshold"]), relative)
            names[value] = str(entry["defect_name"])
        except (KeyError, TypeError, ValueError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else error
            raise InputError(
                f"{path}: defect {number} of {len(entries)} is not as expected ({why}); it takes defect_name, "
                "pixel_value, saturation_threshold, relative_saturation"
            ) from error
    return DefectsConfig(saturations, names)
