"""The JSON between the canvas in the browser and Python, checked: pure functions, nothing of Gradio.

Everything that arrives here was sent by a browser and may be anything: a wrong size, runs that do not
fill the photo, ten thousand points. The parsers return frozen values or raise ``InputError``/``MaskError``
with one line that the canvas shows as a notice. The protocol itself is described in ``app.canvas.canvas``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from core.errors import FlawsmithError, InputError, MaskError

VERSION = 1
"""Protocol version; both sides refuse another one."""
MAX_POINTS = 64
"""Clicks in one prompt; segmenters get worse, not better, long before that."""
MAX_SIDE = 32_768
"""Longest side of a photo that a browser canvas can hold, in pixels."""

Handler = Callable[[dict[str, object]], dict[str, object]]


@dataclass(frozen=True)
class ClickPoint:
    """One click in image pixels: (0, 0) is the upper left corner of the first pixel."""

    x: float
    y: float
    positive: bool


@dataclass(frozen=True)
class SegmentQuery:
    """What the canvas asks of a segmenter; ``box_xyxy`` and ``runs`` (the mask being refined) may be None."""

    sid: str
    image_id: str
    seq: int
    points: tuple[ClickPoint, ...]
    box_xyxy: tuple[float, float, float, float] | None
    runs: tuple[int, ...] | None


@dataclass(frozen=True)
class MaskUpdate:
    """A mask as the canvas sends it: run lengths, row-major, zeros first, summing to width * height."""

    sid: str
    image_id: str
    seq: int
    width: int
    height: int
    runs: tuple[int, ...]

    @property
    def area(self) -> int:
        """Number of pixels inside the mask."""
        return sum(self.runs[1::2])


def check_runs(runs: object, width: int, height: int) -> tuple[int, ...]:
    """Run lengths that fill ``width * height`` pixels exactly, or MaskError."""
    if not isinstance(runs, (list, tuple)) or not runs:
        raise MaskError(f"mask: expected a list of run lengths, got {type(runs).__name__}; reload the page")
    if len(runs) > width * height + 1:
        raise MaskError(f"mask: {len(runs)} run lengths are more than the photo has pixels; reload the page")
    if any(not _is_whole(n) or n < 0 for n in runs):
        raise MaskError("mask: run lengths must be whole numbers from 0 up; reload the page")
    if sum(runs) != width * height:
        raise MaskError(
            f"mask: expected run lengths that sum to {width * height} ({width}x{height}), got {sum(runs)}; "
            "draw the mask on this photo"
        )
    return tuple(runs)


def parse_segment(sent: object, width: int, height: int) -> SegmentQuery:
    """Check a ``segment`` request against the loaded photo's size in pixels."""
    data = _message(sent)
    head = _request_ids(data)
    raw = data.get("points", [])
    if not isinstance(raw, list) or len(raw) > MAX_POINTS:
        count = len(raw) if isinstance(raw, list) else type(raw).__name__
        raise InputError(f"clicks: expected at most {MAX_POINTS}, got {count}; press Enter and start a new selection")
    points = tuple(_point(p, width, height) for p in raw)
    box = _box(data["box"], width, height) if data.get("box") is not None else None
    if box is None and not any(p.positive for p in points):
        raise InputError("clicks: expected a box or at least one click on the part; left-click what you want")
    runs = check_runs(data["rle"], width, height) if data.get("rle") is not None else None
    return SegmentQuery(*head, points, box, runs)


def parse_mask(sent: object, width: int, height: int) -> MaskUpdate:
    """Check a ``put_mask`` request against the loaded photo's size in pixels."""
    data = _message(sent)
    head = _request_ids(data)
    if data.get("size") != [width, height]:
        raise MaskError(
            f"mask: expected the photo's size {[width, height]}, got {data.get('size')!r}; reload the page"
        )
    return MaskUpdate(*head, width, height, check_runs(data.get("rle"), width, height))


@dataclass(frozen=True)
class DropQuery:
    """The ``shape``-th shape for the label, ``scale`` times as large and turned clockwise by ``degrees``; dropped at
    ``at`` (x, y) in image pixels, or only its outline asked for."""

    sid: str
    image_id: str
    seq: int
    shape: int
    scale: float
    degrees: float
    at: tuple[float, float] | None


def parse_drop(sent: object, width: int, height: int) -> DropQuery:
    """Check a ``drop`` request against the loaded photo's size in pixels."""
    data = _message(sent)
    head = _request_ids(data)
    shape, scale, degrees = data.get("shape"), data.get("scale"), data.get("degrees")
    if not _is_whole(shape) or not 0 <= shape < 2**53:
        raise InputError(f"drop: expected the number of a shape, got {shape!r}; reload the page")
    if not (_is_finite(scale) and _is_finite(degrees)):
        raise InputError("drop: expected a size and an angle; reload the page")
    given = data.get("x") is not None and data.get("y") is not None
    at = (_number(data["x"], width), _number(data["y"], height)) if given else None
    return DropQuery(*head, shape, float(scale), float(degrees), at)


def segment_reply(
    candidates: Sequence[tuple[Sequence[int], float]], seq: int, segmenter: str, ms: float
) -> dict[str, object]:
    """The answer to ``segment``: (run lengths, score 0..1) of each candidate, best first."""
    found = [{"rle": list(runs), "score": round(float(score), 4)} for runs, score in candidates]
    return {"ok": True, "seq": seq, "candidates": found, "segmenter": segmenter, "ms": round(ms)}


def mask_reply(update: MaskUpdate) -> dict[str, object]:
    """The acknowledgement of ``put_mask``."""
    return {"ok": True, "seq": update.seq, "area": update.area}


def canvas_value(
    image_id: str,
    url: str,
    width: int,
    height: int,
    sid: str,
    *,
    mask_rle: Sequence[int] | None = None,
    regions: Sequence[Mapping[str, object]] = (),
    readonly: bool = False,
    segmenter: str = "",
    project: str = "",
    lay_rle: Sequence[int] | None = None,
) -> dict[str, object]:
    """The component's value. ``mask_rle=None`` leaves the mask of the same photo alone; a new photo starts empty.

    How the photo is shown (brightness and so on) is remembered by the browser for each ``project``.

    ``lay_rle`` is laid over the mask with the Transform tool, so that it can be moved before it stays.

    ``regions`` are ``{"name", "color": "#rrggbb", "rle": [...]}`` or with ``"url"`` of a mask PNG instead of
    ``"rle"``. Each value bears a fresh ``rev``, so that sending the same mask twice is seen twice.
    """
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise InputError(f"photo: expected sides of 1 to {MAX_SIDE} pixels, got {width}x{height}; scale it down")
    runs = None if mask_rle is None else list(check_runs(list(mask_rle), width, height))
    return {
        "v": VERSION,
        "rev": time.time_ns() // 1_000_000,
        "image_id": image_id,
        "url": url,
        "width": width,
        "height": height,
        "sid": sid,
        "mask_rle": runs,
        "regions": [dict(r) for r in regions],
        "readonly": readonly,
        "segmenter": segmenter,
        "project": project,
        "lay_rle": None if lay_rle is None else list(check_runs(list(lay_rle), width, height)),
    }


def errors_as_replies(name: str, handler: Handler) -> Handler:
    """``handler`` under ``name``, answering ``{"ok": False, "error": line}`` where it raises a FlawsmithError."""

    def call(data: dict[str, object]) -> dict[str, object]:
        try:
            if not isinstance(data, dict):
                raise InputError("canvas: expected names and values; reload the page")
            return {"ok": True, **handler(data)}
        except FlawsmithError as error:
            seq = data.get("seq", 0) if isinstance(data, dict) else 0
            return {"ok": False, "seq": seq, "error": str(error)}

    call.__name__ = name
    return call


def _message(sent: object) -> dict[str, object]:
    """What the canvas sent, by name; InputError where it is not of this version."""
    if not isinstance(sent, dict) or sent.get("v") != VERSION:
        raise InputError("canvas: the page is older or newer than the program; reload the page")
    return sent


def _request_ids(data: Mapping[str, object]) -> tuple[str, str, int]:
    sid, image_id, seq = data.get("sid"), data.get("image_id"), data.get("seq")
    if not isinstance(sid, str) or not isinstance(image_id, str) or not _is_whole(seq) or seq < 0:
        raise InputError("canvas: expected sid, image_id and a sequence number; reload the page")
    return sid, image_id, seq


def _is_whole(value: object) -> TypeGuard[int]:
    return type(value) is int  # True is no number


def _is_finite(value: object) -> TypeGuard[float]:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _number(value: object, top: int) -> float:
    if not _is_finite(value) or not 0 <= value <= top:
        raise InputError(f"clicks: expected a position from 0 to {top}, got {value!r}; click inside the photo")
    return float(value)


def _point(raw: object, width: int, height: int) -> ClickPoint:
    if not isinstance(raw, dict) or raw.get("label") not in (0, 1):
        raise InputError("clicks: expected x, y and a label of 0 or 1; reload the page")
    return ClickPoint(_number(raw.get("x"), width), _number(raw.get("y"), height), raw["label"] == 1)


def _box(raw: object, width: int, height: int) -> tuple[float, float, float, float]:
    if not isinstance(raw, list) or len(raw) != 4:
        raise InputError("box: expected [x0, y0, x1, y1]; drag a box over the part")
    x0, y0, x1, y1 = (_number(v, top) for v, top in zip(raw, (width, height, width, height), strict=True))
    if x1 <= x0 or y1 <= y0:
        raise InputError(f"box: expected x0 < x1 and y0 < y1, got {raw}; drag a box over the part")
    return x0, y0, x1, y1
