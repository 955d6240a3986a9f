"""What was found in a source, as HTML: a table of folders with small pictures, labels, photos to look at, the rest."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

from app.session import Session, file_url
from core.api.import_drafts import MAX_ODD_PICTURES, FolderRow, ImportDraft, LabelRow, Reading

MAX_LISTED = 200
CLASS_NAMES = {
    "good": "good", "anomaly": "with masks", "unmasked": "without a mask", "mask": "as masks",
    "annotation": "as annotation", "left out": "left out", "look at": "to look at",
}  # fmt: skip
"""What follows the number of files."""
FOLDER_READINGS: tuple[tuple[Reading, str], ...] = (
    ("good", "Good"), ("anomaly", "Defects"), ("mask", "Masks"), ("ignore", "Ignore"),
)  # fmt: skip
ODD_READINGS: tuple[tuple[Reading, str], ...] = (("good", "Good part"), ("anomaly", "Defect"), ("ignore", "Leave out"))
ASKED_READINGS: tuple[tuple[Reading, str], ...] = (
    ("anomaly", "Right"), ("inverted", "Inverted"), ("ignore", "Leave out"),
)  # fmt: skip


def review_html(session: Session, draft_id: str, draft: ImportDraft) -> str:
    """The whole of it."""
    report = draft.report
    said = len(draft.said.readings) + len(draft.said.renamed) + len(draft.said.scales)
    undo = f" <button type='button' data-undo>Undo {_count(said, 'change')}</button>" if said else ""
    parts = [
        f"<header><h2>What was found</h2><p class='fs-quiet'>Read as <b>{html.escape(draft.layout)}</b>. "
        f"Nothing is imported yet.{undo}</p>{_totals(draft)}</header>",
        _odd(session, draft_id, draft),
        _folders(session, draft_id, draft.folders()),
        _labels(draft.labels()),
        _scales(draft),
        fold(f"{len(report.problems):,} left out, with the reason",
             [f"<b>{html.escape(p.path)}</b> {html.escape(_plain(p.reason))}" for p in report.problems]),
        fold(_count(len(report.notes), "note"), [html.escape(note) for note in report.notes]),
    ]  # fmt: skip
    return f"<div class='fs-imp'>{''.join(parts)}</div>"


def fold(title: str, lines: Sequence[str], state: str = "") -> str:
    """Lines of HTML under a title that opens; "" without any."""
    if not lines:
        return ""
    shown = [*lines[:MAX_LISTED], *([f"and {len(lines) - MAX_LISTED:,} more"] if len(lines) > MAX_LISTED else [])]
    return f"<details {state}><summary>{title}</summary><ul>{''.join(f'<li>{x}</li>' for x in shown)}</ul></details>"


def _totals(draft: ImportDraft) -> str:
    report = draft.report
    chips = [f"<b>{len(report.normals):,}</b> good"]
    masked, bare = (Counter(label for label, _ in found) for found in (report.examples, report.unmasked))
    for label in sorted(masked | bare):
        name, more = html.escape(label), f"<b>{bare[label]:,}</b> without a mask"
        own = f"<b>{masked[label]:,}</b> {name}" if masked[label] else name
        chips.append(f"{own}, {more}" if bare[label] else own)
    chips += [f"<b>{len(report.masks):,}</b> mask files"] if report.masks else []
    chips += [f"<b>{len(report.odd):,}</b> to look at"] if report.odd else []
    chips += [f"<b>{len(report.problems):,}</b> left out"] if report.problems else []
    return f"<p>{''.join(f'<span class=fs-chip>{chip}</span>' for chip in chips)}</p>"


def _odd(session: Session, draft_id: str, draft: ImportDraft) -> str:
    odd = draft.report.odd
    if not odd:
        return ""
    figures = []
    for problem in odd[:MAX_ODD_PICTURES]:
        asked = "inverted" in problem.reason
        name = html.escape(problem.path, quote=True)
        buttons = _buttons(ASKED_READINGS if asked else ODD_READINGS, None, name)
        figures.append(
            f"<figure data-path='{name}'>{_picture(session, draft_id, problem.path)}<figcaption><b>{name}</b> "
            f"{html.escape(_plain(problem.reason))}</figcaption>{buttons}</figure>"
        )
    more = f"<p class='fs-hint'>and {len(odd) - len(figures):,} more</p>" if len(odd) > len(figures) else ""
    head = "<h3>Look at these</h3><p class='fs-hint'>They are not used before you decide.</p>"
    return f"<section>{head}<div class='fs-imp-odd'>{''.join(figures)}</div>{more}</section>"


def _folders(session: Session, draft_id: str, rows: Sequence[FolderRow]) -> str:
    body = "".join(_folder(session, draft_id, row) for row in rows)
    head = "<th>Folder</th><th>Pictures</th><th>What is in it</th><th>Read it as</th>"
    return f"<table class='fs-imp-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _folder(session: Session, draft_id: str, row: FolderRow) -> str:
    path = html.escape(row.path, quote=True)
    name = "the top" if row.path == "." else path.replace("/", "/<wbr>")
    pictures = "".join(_picture(session, draft_id, picture) for picture in row.pictures)
    counts = "<br>".join(f"<b>{n:,}</b> {CLASS_NAMES[kind]}" for kind, n in row.counts.items())
    if not row.can_change:
        return f"<tr><th>{name}</th><td>{pictures}</td><td>{counts}</td><td></td></tr>"
    shown = row.reading or _only_reading(row)
    label = ""
    if shown in ("anomaly", "inverted"):
        value = html.escape(row.labels[0] if len(row.labels) == 1 else "", quote=True)
        hint = html.escape(", ".join(row.labels), quote=True)
        label = (
            f"<label>of <input data-defects value='{value}' placeholder='{hint}' aria-label='Label of {path}'></label>"
        )
    return (
        f"<tr data-path='{path}'><th>{name}</th><td>{pictures}</td><td>{counts}</td>"
        f"<td>{_buttons(FOLDER_READINGS, shown, path)}{label}</td></tr>"
    )


def _only_reading(row: FolderRow) -> Reading | None:
    """What all of a folder is read as, if it is one thing."""
    kinds = {kind for kind in row.counts if kind not in ("annotation", "look at")}
    if kinds == {"good"}:
        return "good"
    if kinds and kinds <= {"anomaly", "unmasked"}:
        return "anomaly"
    return "mask" if kinds == {"mask"} else None


def _buttons(readings: Sequence[tuple[Reading, str]], shown: Reading | None, name: str) -> str:
    """Buttons for how to read what is called ``name``, which is escaped."""
    buttons = (
        f"<button type='button' data-reading='{one}' aria-pressed='{str(one == shown).lower()}'>{name}</button>"
        for one, name in readings
    )
    return f"<span class='fs-imp-read' role='group' aria-label='Read {name} as'>{''.join(buttons)}</span>"


def _labels(rows: Sequence[LabelRow]) -> str:
    if not rows:
        return ""
    fields = ""
    for row in rows:
        label, name = html.escape(row.label, quote=True), html.escape(row.name, quote=True)
        fields += f"<label>{label} <input data-label='{label}' value='{name}' aria-label='Name for {label}'></label>"
    hint = "<p class='fs-hint'>Give two labels one name to merge them.</p>" if len(rows) > 1 else ""
    return f"<section><h3>Labels</h3>{hint}<div class='fs-imp-labels'>{fields}</div></section>"


def _scales(draft: ImportDraft) -> str:
    lines = "".join(
        f"<p><label>{(name := html.escape(dtype, quote=True))} <input data-scale='{name}' "
        f"value='{scale.low:.6g}..{scale.high:.6g}' aria-label='Scale of {name}'></label> "
        f"<span class='fs-hint'>the values that become black and white; {html.escape(scale.why)}</span></p>"
        for dtype, scale in draft.scales.items()
    )
    return f"<section><h3>More than 8 bits</h3><div class='fs-imp-labels'>{lines}</div></section>" if lines else ""


def _picture(session: Session, draft_id: str, name: str) -> str:
    path = session.required_api.photos.drafts.thumbnail(draft_id, name)
    said = html.escape(name, quote=True)
    if path is None:
        return f"<i class='fs-imp-none' title='{said}'>no picture</i>"
    return f"<img src='{html.escape(file_url(path))}' alt='{said}' title='{said}' loading='lazy'>"


def _plain(reason: str) -> str:
    """Without what it says to type on the command line, where a button does it."""
    return re.sub(r"(\??)[;,]? say --as .*$", r"\1", reason)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
