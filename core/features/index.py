"""Reference neighbour association (ComGEN, section III-C): which photo of a good part is closest to a sample.

Names here and in the paper:

    Scales          F_ij, M_j     features of a photo at three scales j
    Memory          M             N normal photos, described
    Memory.nearest  M^{i,*}       the normal that minimises sum_j |F_ij - M_j|_2 (eq. 5)
    distance        d_i           how far a sample is from its neighbour (eq. 6)

The features are extract' (EfficientNet-Lite0 on ImageNet; the paper has ResNet-18's blocks 1 to 3), the mean
over GRID x GRID cells of each scale: a part of an eighth of the photo's side still counts as a whole cell.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import Cancelled, InputError
from core.features.extract import FEATURES, Scales, scale_features
from core.images import atomic_write
from core.progress import Steps, unwatched
from core.stored import StoredFormat
from core.types import Image

Floats = npt.NDArray[np.float32]

SIDE, GRID = 256, 8
INDEX_KIND = f"{FEATURES}, {SIDE} px, {GRID}x{GRID} cells"
"""What the vectors of a memory are; those of another kind do not compare."""

DEPTHS = (24, 40, 112)
"""Channels of the three scales."""


def vector_size(depths: tuple[int, int, int]) -> int:
    """Numbers by which a photo is described where the scales have so many channels."""
    return GRID * GRID * sum(depths)


VECTOR_SIZE = vector_size(DEPTHS)
"""Numbers by which a photo is described."""

_CHUNK = 4096
_FORMAT = StoredFormat("feature index")
_ROUNDING = 64 * float(np.finfo(np.float32).eps)
"""Bound of a float32 dot product's relative error, with room to spare."""


@dataclass(frozen=True)
class Neighbour:
    """A normal photo and sum_j |F_j - M_j|_2 (eq. 5), in the features' own units."""

    id: str
    distance: float


@dataclass(frozen=True)
class FeatureIndex:
    """``vectors`` (N, vector_size(depths)), one row for each of ``ids``, kept as float16; ``kind`` says what they are,
    ``depths`` how many channels the scales have that they were made of."""

    ids: tuple[str, ...]
    vectors: npt.NDArray[np.floating]
    kind: str = INDEX_KIND
    depths: tuple[int, int, int] = DEPTHS
    _parts: tuple[Floats, ...] = field(init=False, repr=False, compare=False)
    _squares: tuple[Floats, ...] = field(init=False, repr=False, compare=False)
    _centre: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = np.asarray(self.vectors, np.float16)
        size, cuts = vector_size(self.depths), self._cuts()
        if rows.shape != (len(self.ids), size) or len(set(self.ids)) != len(self.ids):
            raise InputError(f"memory: expected one row of {size} numbers for each of {len(self.ids)} ids, each once")
        # Distances do not change when all is moved, and near 0 the products below round least.
        centre = rows.mean(axis=0, dtype=np.float32) if len(rows) else np.zeros(size, np.float32)
        ends = np.split(centre, cuts)
        parts = tuple(
            np.subtract(part, middle, dtype=np.float32)
            for part, middle in zip(np.split(rows, cuts, axis=1), ends, strict=True)
        )
        for name, value in (
            ("vectors", rows),
            ("_centre", centre),
            ("_parts", parts),
            ("_squares", tuple(np.einsum("nd,nd->n", part, part) for part in parts)),
        ):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.ids)

    def _cuts(self) -> list[int]:
        """Where one scale's numbers end and the next one's begin."""
        return [int(end) for end in np.cumsum([GRID * GRID * depth for depth in self.depths])[:-1]]

    def nearest(self, vectors: Floats, k: int = 1, without: Collection[str] = ()) -> list[list[Neighbour]]:
        """For each row of ``vectors`` (B, vector_size(depths)) the ``k`` nearest normals, nearest first; exact, not
        approximate.

        A batched matrix product bounds every distance from both sides; those that could be among the k are then
        measured outright. ``without`` are ids that do not count. InputError if fewer than ``k`` are left.
        """
        vectors = np.atleast_2d(np.asarray(vectors, np.float32))
        if vectors.shape[1] != (size := vector_size(self.depths)):
            raise InputError(f"memory: expected vectors of {size} numbers, got {vectors.shape[1]}; use embed()")
        allowed = np.array([i not in without for i in self.ids], np.bool_)
        if (left := int(allowed.sum())) < max(k, 1):
            raise InputError(
                f"feature index: it holds {left} photos of good parts to compare with; import at least {k} more"
            )
        asked = np.split(vectors - self._centre, self._cuts(), axis=1)
        low, high = self._bounds(asked)
        low[:, ~allowed], high[:, ~allowed] = np.inf, np.inf
        limits = np.partition(high, k - 1, axis=1)[:, k - 1]
        return [
            self._exact_nearest([part[row] for part in asked], np.flatnonzero(low[row] <= limits[row]), k)
            for row in range(len(vectors))
        ]

    def _bounds(self, asked: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Lower and upper bounds float32 (B, N) of sum_j |F_j - M_j|_2: |a - b|^2 = |a|^2 + |b|^2 - 2 a b."""
        low = np.zeros((len(asked[0]), len(self)), np.float32)
        high = np.zeros_like(low)
        for part, squares, wanted in zip(self._parts, self._squares, asked, strict=True):
            own = np.einsum("bd,bd->b", wanted, wanted)[:, None]
            for start in range(0, len(self), _CHUNK):
                rows = slice(start, start + _CHUNK)
                sums = own + squares[rows]
                gaps = sums - 2 * (wanted @ part[rows].T)
                slack = _ROUNDING * sums
                low[:, rows] += np.sqrt(np.maximum(gaps - slack, 0))
                high[:, rows] += np.sqrt(np.maximum(gaps + slack, 0))
        return low, high

    def _exact_nearest(self, asked: Sequence[Floats], rows: npt.NDArray[np.intp], k: int) -> list[Neighbour]:
        gaps = np.zeros(len(rows))
        for part, wanted in zip(self._parts, asked, strict=True):
            gaps += np.linalg.norm(part[rows].astype(np.float64) - wanted, axis=1)
        order = np.argsort(gaps, kind="stable")[:k]
        return [Neighbour(self.ids[rows[i]], float(gaps[i])) for i in order]


def embed(image: Image | Scales) -> Floats:
    """The vector of a photo, uint8 (H, W, 3) RGB, or of its scales: float32 (vector_size of their channels,), of
    float16's precision.

    Unavailable where the features are not installed.
    """
    scales = image if isinstance(image, tuple) else scale_features(image, SIDE)
    cells = [s.reshape(GRID, s.shape[0] // GRID, GRID, s.shape[1] // GRID, -1).mean(axis=(1, 3)) for s in scales]
    # As precise as the file keeps it, so that a memory read back finds what the one just made finds.
    return np.concatenate([c.ravel() for c in cells]).astype(np.float16).astype(np.float32)


def ssim_distance(sample: Scales, normal: Scales) -> float:
    """d of eq. 6 as a distance: sum over three scales of 1 - SSIM, 0 (alike) to 6, the same either way round.

    The paper writes the sum of SSIM itself, which is a similarity, and then asks for d < d_max; 1 minus it is what
    grows with the difference. SSIM is the mean over channels and places (7x7 windows) of the maps of scale_features;
    its range is that of both maps together.
    """
    from skimage.metrics import structural_similarity

    total = 0.0
    for a, b in zip(sample, normal, strict=True):
        reach = float(max(a.max(), b.max()) - min(a.min(), b.min()))
        if reach > 0:
            total += 1 - float(structural_similarity(a, b, data_range=reach, channel_axis=2))
    return total


def build_index(
    path: Path,
    ids: Sequence[str],
    read: Callable[[str], Image],
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> FeatureIndex:
    """The memory of the photos ``ids``, in their order, kept at ``path`` (in the project's cache folder).

    Only photos that the file does not hold are read and described. Cancelled between photos; what was described is
    kept.
    """
    known = load_index(path)
    rows = dict(zip(known.ids, known.vectors, strict=True)) if known is not None else {}
    missing = [i for i in dict.fromkeys(ids) if i not in rows]
    stopped = False
    for done, one in enumerate(missing):
        if stopped := cancelled():
            break
        rows[one] = embed(read(one))
        progress(done + 1, len(missing))
    memory = _stacked((i, rows[i]) for i in dict.fromkeys(ids) if i in rows)
    if known is None or known.ids != memory.ids:
        save_index(path, memory)
    if stopped:
        raise Cancelled("stopped; what was finished is kept")
    return memory


def _stacked(rows: Iterable[tuple[str, Floats]]) -> FeatureIndex:
    pairs = list(rows)
    vectors = np.stack([row for _, row in pairs]) if pairs else np.zeros((0, VECTOR_SIZE), np.float32)
    return FeatureIndex(tuple(i for i, _ in pairs), vectors)


def save_index(path: Path, memory: FeatureIndex) -> None:
    """Write ``memory`` whole or not at all: an .npz of float16 vectors, 23 kB a photo."""
    buffer = io.BytesIO()
    ids = np.array(memory.ids, dtype=np.str_)
    np.savez(buffer, ids=ids, vectors=memory.vectors, kind=np.array(memory.kind), format=np.array(_FORMAT.newest))
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())


def load_index(path: Path) -> FeatureIndex | None:
    """The memory at ``path``; None where there is none, or one of another kind, or a broken one: it is made again.

    NewerFormat if a newer Flawsmith made it.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            _FORMAT.upgraded({"format": kept["format"].item()} if "format" in kept else {}, str(path))
            if str(kept["kind"]) != INDEX_KIND:
                return None
            return FeatureIndex(tuple(map(str, kept["ids"])), kept["vectors"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
