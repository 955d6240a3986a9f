"""A page of photos or real anomalies as tiles: one or several are chosen, and each is seen large."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from app.session import Session, file_url
from core.api import ExampleRow, NormalRow

HELP = (
    "<p class='fs-hint fs-al-help'><kbd>Ctrl</kbd> or <kbd>Shift</kbd> click chooses several, <kbd>Ctrl A</kbd> all "
    "of this page · <kbd>Enter</kbd> or a double click shows one large</p>"
)


def photo_grid_html(session: Session, rows: Sequence[NormalRow]) -> str:
    """Photos of good parts, HTML."""
    photos = session.required_api.photos
    return _grid_html(
        "Good parts", [_tile(session, row, photos.thumbnail(row.id), Path(row.name).name) for row in rows]
    )


def example_grid_html(session: Session, rows: Sequence[ExampleRow]) -> str:
    """Real anomalies with their masks, HTML."""
    photos, tiles = session.required_api.photos, []
    for row in rows:
        around = photos.example_outline(row)
        caption = f"{row.label} · test" if row.part == "test" else row.label
        line = f" data-outline='{around['path']}' data-box='{','.join(f'{v:g}' for v in around['box'])}'"
        tiles.append(_tile(session, row, photos.example_thumbnail(row), caption, line))
    return _grid_html("Real anomalies", tiles)


def _tile(session: Session, row: NormalRow | ExampleRow, small: Path, caption: str, more: str = "") -> str:
    picked = str(row.id in session.memory.product.picked).lower()
    name = html.escape(row.name, quote=True)
    return (
        f"<div role='option' id='fs-al-{row.id}' tabindex='-1' aria-selected='{picked}' data-id='{row.id}' "
        f"data-large='{file_url(row.path)}' data-width='{row.width}' data-height='{row.height}' data-name='{name}' "
        f"title='{name}'{more}><img src='{file_url(small)}' alt='' loading='lazy' draggable='false'>"
        f"<span>{html.escape(caption)}</span></div>"
    )


def _grid_html(title: str, tiles: list[str]) -> str:
    if not tiles:
        return "<p class='fs-hint fs-al-none'>Nothing here has that in its name: search for something else.</p>"
    inside = f"role='listbox' aria-multiselectable='true' aria-label='{title}'>{''.join(tiles)}"
    return f"<div class='fs-al-grid' {inside}</div>{HELP}"
