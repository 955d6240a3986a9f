"""What values and colours of Pascal VOC's masks mean, for whoever reads them: import, and the reader of exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.images.class_map import VOID_COLOUR, ClassAreas
from core.types import Mask

_VOID = 255
_BACKGROUND = "background"


@dataclass(frozen=True)
class CodedMask:
    """A mask file as numbers: ``values`` int64 (H, W), which are colours (R * 65536 + G * 256 + B) or indices."""

    values: npt.NDArray[np.int64]
    coloured: bool
    name: str

    @property
    def void(self) -> int:
        """The number of pixels that belong to nothing."""
        return _void(self.coloured)

    @property
    def areas(self) -> ClassAreas:
        """How many pixels each number covers."""
        return ClassAreas.of(self.values, self.coloured)


@dataclass(frozen=True)
class VocCodes:
    """Labels by line of ``labelmap.txt``, and by colour as one number."""

    by_index: Mapping[int, str]
    by_colour: Mapping[int, str]

    @classmethod
    def read(cls, text: str) -> VocCodes:
        """From the text of ``labelmap.txt``; "" where there is none."""
        by_index: dict[int, str] = {}
        by_colour: dict[int, str] = {}
        for line in (x for x in text.splitlines() if x.strip() and not x.startswith("#")):
            name, _, rest = line.partition(":")
            by_index[len(by_index)] = name
            parts = rest.partition(":")[0].split(",")
            if len(parts) == 3 and all(p.strip().isdigit() for p in parts):
                red, green, blue = (int(p) for p in parts)
                by_colour[red << 16 | green << 8 | blue] = name
        return cls(by_index, by_colour)

    def label(self, classes: ClassAreas) -> str | None:
        """The label that covers most of a photo; None where nothing is drawn."""
        names = self._names(classes.coloured)
        area = Counter[str]()
        for code, count in classes.pixels.items():
            name = names.get(code, _BACKGROUND if code == 0 else f"class_{code}")
            if name != _BACKGROUND and code != _void(classes.coloured):
                area[name] += count
        return area.most_common(1)[0][0] if area else None

    def masks(self, classes: CodedMask, objects: CodedMask | None) -> list[Mask]:
        """One mask bool (H, W) per object, or one for all where the objects are not told apart."""
        background = [code for code, name in self._names(classes.coloured).items() if name == _BACKGROUND]
        drawn = ~np.isin(classes.values, [*background, 0, classes.void])
        if objects is None:
            return [np.asarray(drawn, np.bool_)]
        if objects.values.shape != classes.values.shape:
            raise InputError(f"{objects.name}: it is not of the size of {classes.name}; export both again")
        numbers = [k for k in np.unique(objects.values[drawn]) if k not in (0, objects.void)]
        return [np.asarray((objects.values == k) & drawn, np.bool_) for k in numbers]

    def _names(self, coloured: bool) -> Mapping[int, str]:
        return self.by_colour if coloured else self.by_index


def _void(coloured: bool) -> int:
    return VOID_COLOUR if coloured else _VOID
