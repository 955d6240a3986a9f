"""The server's side of the review board: pages of samples, verdicts with the ids they are for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from app.components.drawn_pair_panel import copy_in_words
from app.components.labels import normalized_label
from app.review_grid.opinions import SeenVerdicts, asked_filter
from app.server.accounts import Role
from app.session import Session, file_url, requested_session
from core.api import SampleRow
from core.api.close_up import close_up_box
from core.api.review import ReviewRules, believability, flaw_places
from core.errors import FlawsmithError, InputError, NotFound
from core.types import ReviewStatus

PAGE_SIZE = 48
MAX_REAL = 3
"""Real anomalies beside a sample."""
MAX_IDS = 10_000
"""Samples judged in one step at most: a request with more is no person's."""
SCORES = (
    ("mask_covered", "mask that changed", "{:.0%}"),
    ("change_inside", "strength", "{:.1%}"),
    ("change_outside", "changed outside", "{:.0f} px"),
    ("seam_contrast", "seam", "{:.1f}×"),
    ("ars", "anomaly score", "{:.2f}"),
)
LOWER_IS_BETTER = frozenset({"change_outside", "seam_contrast"})
"""Scores of which less is better, which is said beside them."""

Message = dict[str, Any]


def look(session: Session, sent: Message) -> Message:
    """The page of samples that the session's filter and place show."""
    if session.api is None:
        return {"rows": [], "total": 0, "offset": 0, "page": PAGE_SIZE, "groups": {}}
    desk = session.api.review
    chosen_filter = asked_filter(session)
    total = desk.count(chosen_filter)
    if session.grouped:
        groups = desk.lookalike_groups(chosen_filter)
        flat = [(number, row) for number, group in enumerate(groups) for row in group]
        total = len(flat)
    session.offset = _page_offset(session.offset, total)
    span = slice(session.offset, session.offset + PAGE_SIZE)
    ruled = {"ruled": bool(session.api.rules.current().rules)}
    if session.grouped:
        chosen = flat[span]
        members = {str(n): [r.id for r in groups[n]] for n, _ in chosen if len(groups[n]) > 1}
        seen = SeenVerdicts.of_samples(session, [row.id for _, row in chosen])
        rows = [_tile(session, row, seen) | {"group": str(n) if str(n) in members else None} for n, row in chosen]
    else:
        members = {}
        page = desk.page(chosen_filter, session.offset, PAGE_SIZE)
        seen = SeenVerdicts.of_samples(session, [row.id for row in page])
        rows = [_tile(session, row, seen) for row in page]
    rows = [row | ruled for row in rows]
    return {"rows": rows, "total": total, "offset": session.offset, "page": PAGE_SIZE, "groups": members}


def turn(session: Session, sent: Message) -> Message:
    """The next (``step`` 1) or last (-1) page. ``left``: how many samples of this page the filter still shows."""
    step, left = _checked_int(sent, "step", -1, 1), _checked_int(sent, "left", 0, PAGE_SIZE)
    session.offset = max(0, session.offset + (left if step > 0 else -PAGE_SIZE))
    return look(session, sent)


def judge(session: Session, sent: Message) -> Message:
    """Give ``ids`` the ``verdict``; ``rows`` says what others said of them, where that was not told before."""
    verdict = sent.get("verdict")
    if verdict not in tuple(ReviewStatus):
        raise InputError("review: expected the verdict new, kept or rejected; reload the page")
    ids, desk = _ids(sent), session.required_api.review
    desk.set_status(ids, str(verdict), by=session.login)
    return verdicts(session, sent) if desk.opinions.asked() and len(ids) <= PAGE_SIZE else {}


def best(session: Session, sent: Message) -> Message:
    """Keep the best of the look-alikes ``ids``, reject the others."""
    ids = _ids(sent)
    kept = session.required_api.review.keep_best(ids, session.login)
    return {"verdicts": {i: ReviewStatus.KEPT if i == kept else ReviewStatus.REJECTED for i in ids}}


def undo(session: Session, sent: Message) -> Message:
    """Take the last verdicts back."""
    return _statuses(session, session.required_api.review.undo(session.login))


def redo(session: Session, sent: Message) -> Message:
    """Give the verdicts last taken back again."""
    return _statuses(session, session.required_api.review.redo(session.login))


def star(session: Session, sent: Message) -> Message:
    """Make ``ids`` favourites, or not any more."""
    session.required_api.review.star(_ids(sent), bool(sent.get("on")))
    return {}


def relabel(session: Session, sent: Message) -> Message:
    """Give ``ids`` the ``label``."""
    name = normalized_label(str(sent.get("label") or ""))
    if not name:
        raise InputError("Label is empty: type it, for example 'scratch'")
    session.required_api.review.relabel(_ids(sent), name)
    return {"label": name}


def note(session: Session, sent: Message) -> Message:
    """Write the ``note`` on the sample ``ids[0]``."""
    session.required_api.review.write_note(_ids(sent)[0], str(sent.get("note") or ""))
    return {}


def verdicts(session: Session, sent: Message) -> Message:
    """What the samples ``ids`` are called and thought of now, perhaps in another window."""
    found, desk = {}, session.required_api.review
    seen = SeenVerdicts.of_samples(session, _ids(sent))
    for id in _ids(sent):
        try:
            row = desk.row(id)
        except NotFound:
            continue  # it was deleted; the next page leaves it out
        found[id] = _remarks(row, seen)
    return {"rows": found}


def about(session: Session, sent: Message) -> Message:
    """What takes a moment to know of the sample ``ids[0]``: its distance to the nearest kept one."""
    desk = session.required_api.review
    row = desk.row(_ids(sent)[0])
    return {"id": row.id, "near": round(desk.distance_to_kept(row), 3)}


def beside(session: Session, sent: Message) -> Message:
    """The good part most like the sample ``ids[0]``: ``good`` with its picture, and how far it is; {} where none is.

    The first time in a project it takes seconds, so nothing else may wait for it.
    """
    desk = session.required_api.review
    found = desk.nearest_good_part(desk.row(_ids(sent)[0]), look=True)
    if found is None:
        return {"good": {}}
    near, row = found
    own = None if near.own is None else round(near.own, 2)
    picture = file_url(desk.photo_thumbnail(row))
    return {"good": {"name": row.name, "picture": picture, "d": round(near.d, 2), "own": own}}


def rules(session: Session, sent: Message) -> Message:
    """What the sample ``ids[0]`` breaks of the product's rules, in words. Its parts are looked for, which takes
    seconds."""
    check = session.required_api.rules.check_sample(_ids(sent)[0])
    return {"broken": [broken.words for one in check.broken for broken in one.breaks]}


def real(session: Session, sent: Message) -> Message:
    """Real anomalies of the label of the sample ``ids[0]``, as the line-up draws them."""
    bench = session.required_api
    row = bench.review.row(_ids(sent)[0])
    found = []
    for example in bench.photos.examples(row.label)[:MAX_REAL]:
        around = bench.photos.example_outline(example)
        crop = close_up_box(around["box"], (example.height, example.width))
        found.append({
            "id": example.id, "label": example.label, "image": file_url(example.path), "outline": around,
            "width": example.width, "height": example.height, "crop": list(crop), "real": True,
        })  # fmt: skip
    return {"examples": found}


HANDLERS: tuple[Callable[[Session, Message], Message], ...] = (
    look, turn, judge, best, undo, redo, star, relabel, note, verdicts, about, beside, real,
    rules,
)  # fmt: skip
ONLY_LOOKING = frozenset({look, turn, verdicts, about, beside, real})
"""Handlers that write nothing, which a viewer may ask too."""
WITHOUT_LOCK = frozenset({beside, real, rules, verdicts})
"""Handlers that change nothing of the session and hold nobody up."""


def request_handler(handler: Callable[[Session, Message], Message]) -> Callable[[Message], Message]:
    """``handler`` for a request: finds the session, and answers a person's mistakes with ``error``."""

    def call(sent: Message) -> Message:
        try:
            least = Role.VIEWER if handler in ONLY_LOOKING else Role.INSPECTOR
            session = requested_session(sent.get("sid") if isinstance(sent, dict) else None, least)
            with nullcontext() if handler in WITHOUT_LOCK else session.lock:
                return {"ok": True, **handler(session, sent)}
        except FlawsmithError as error:
            return {"ok": False, "error": str(error)}

    call.__name__ = handler.__name__
    return call


def _tile(session: Session, row: Any, seen: SeenVerdicts) -> Message:
    bench = session.required_api
    normal = bench.photos.row(row.normal_id)
    scores = dict(row.scores)
    return {
        "id": row.id, "kind": row.kind, "engine": row.engine, "seed": str(row.seed), **_remarks(row, seen),
        "edit": _edit_in_words(session, row),
        "photo": normal.name, "width": normal.width, "height": normal.height,
        "thumb": file_url(bench.review.thumbnail(row, outline=False)),
        "image": file_url(row.image_path), "source": file_url(normal.path),
        "outline": bench.review.outline(row), "crop": list(bench.review.close_up_box(row)),
        "scores": [
            (title, form.format(scores[name]), name in LOWER_IS_BETTER)
            for name, title, form in SCORES
            if name in scores
        ],
        "flaws": [{"reason": f.reason, "x": f.x, "y": f.y} for f in flaw_places(scores, ReviewRules())],
        "believable": round(believability(scores), 2), "copy": _copy_verdict(session, row),
        "rules": scores.get("rules_broken"), "compared": bench.review.nearest_good_part_applies(row),
    }  # fmt: skip


def _remarks(row: SampleRow, seen: SeenVerdicts) -> Message:
    """What people said of a sample, as far as the session's person may know."""
    return {"label": row.label, "favourite": row.favourite, "note": row.note, **seen.of_sample(row)}


def _copy_verdict(session: Session, row: Any) -> list[str] | None:
    """Whether it is a copy of a real example: words, what was measured, and how bad that is."""
    near = session.required_api.review.nearest_example(row)
    return None if near is None else list(copy_in_words(near))


def _edit_in_words(session: Session, row: Any) -> str:
    edit, named = session.required_api.review.edit(row)
    return f"{edit}; {named} differs most" if named else edit


def _statuses(session: Session, ids: Sequence[str]) -> Message:
    shown, desk = list(ids)[:MAX_IDS], session.required_api.review
    seen = SeenVerdicts.of_samples(session, shown)
    return {"count": len(ids), "verdicts": {i: seen.of_sample(desk.row(i))["verdict"] for i in shown}}


def _page_offset(offset: int, total: int) -> int:
    return offset if offset < total else max(0, (total - 1) // PAGE_SIZE * PAGE_SIZE)


def _ids(sent: Message) -> list[str]:
    ids = sent.get("ids")
    if not isinstance(ids, list) or not 0 < len(ids) <= MAX_IDS or not all(isinstance(i, str) for i in ids):
        raise InputError(f"review: expected a list of 1 to {MAX_IDS} sample ids; reload the page")
    return ids


def _checked_int(sent: Message, name: str, low: int, high: int) -> int:
    value = sent.get(name)
    if not isinstance(value, int) or not low <= value <= high:
        raise InputError(f"review: {name} must be a whole number from {low} to {high}, got {value!r}; reload the page")
    return value
