"""Beside a preview whose engine compares attention: each component's share, the coarse mask, the nearest good part."""

from __future__ import annotations

import html

from app.session import file_url
from core.api import NormalRow
from core.api.review import SampleComparison
from core.api.studio.attention_evidence import AttentionEvidence, ComponentShare, NearestGoodPart

MIN_SHARE, SHOWN_SHARE = 0.01, 0.05
"""Share of the attention from which it is told, and from which a component's picture is shown at once."""
MIN_SHOWN = 3
"""Pictures shown at once at least."""


def attention_panel_html(seen: SampleComparison, evidence: AttentionEvidence, view: str) -> str:
    """HTML. ``view`` is the close-ups' SVG view box."""
    many = max(MIN_SHOWN, sum(part.share >= SHOWN_SHARE for part in evidence.components))
    first, rest = evidence.components[:many], evidence.components[many:]
    tiles = "".join(_tile(seen, part, evidence.top_component, view) for part in first)
    more = ""
    if rest:
        hidden = "".join(_tile(seen, part, evidence.top_component, view) for part in rest)
        more = f"<details><summary>{len(rest)} more components</summary><div class='fs-maps'>{hidden}</div></details>"
    named = (
        f"<b>{html.escape(evidence.top_component)}</b> differs most"
        if evidence.top_component
        else "No component stands out"
    )
    return (
        f"<div class='fs-why' id='fs-why'><p>{named} <span class='fs-quiet'>· {html.escape(evidence.edit)}</span></p>"
        f"<div class='fs-maps'>{tiles}</div>{more}"
        f"{nearest_good_part_html(evidence.nearest_good_part, evidence.nearest_good_part_row)}</div>"
    )


def svg_picture(url: str, name: str, view: str, size: tuple[int, int], over: str = "") -> str:
    """A figure's SVG: a picture stretched to the photo's ``size`` (width, height), seen through ``view``."""
    return (
        f"<svg viewBox='{view}' role='img' aria-label='{html.escape(name, quote=True)}'>"
        f"<image href='{url}' width='{size[0]}' height='{size[1]}' preserveAspectRatio='none'/>{over}</svg>"
    )


def unrefined_outline(evidence: AttentionEvidence) -> str:
    """The unrefined mask's outline, an SVG path."""
    return f"<path class='fs-coarse' d='{evidence.unrefined['path']}'/>"


def _tile(seen: SampleComparison, part: ComponentShare, named: str, view: str) -> str:
    size = (seen.normal.width, seen.normal.height)
    mark = " data-named" if part.name == named else ""
    share = f"{part.share:.0%}" if part.share >= MIN_SHARE else "–"
    drawn = svg_picture(file_url(part.path), f"Residual attention of {part.name}", view, size)
    return (
        f"<figure{mark} data-component='{html.escape(part.name, quote=True)}'>{drawn}"
        f"<figcaption>{html.escape(part.name)}<span>{share}</span></figcaption></figure>"
    )


def nearest_good_part_html(near: NearestGoodPart | None, row: NormalRow | None) -> str:
    """The nearest good part and how far it is; "" where it is not known."""
    if near is None or row is None:
        return ""
    whole = f"0 0 {row.width} {row.height}"
    facts = {"Distance d to it": near.d} | ({} if near.own is None else {"d to its own photo": near.own})
    lines = "".join(f"<dt>{name}</dt><dd>{value:.2f}</dd>" for name, value in facts.items())
    what = "Nearest other good part" if near.own is not None else "Nearest good part"
    return (
        f"<div class='fs-near' title='ComGEN eq. 6 as a distance: 0 is the same picture, 6 the farthest'>"
        f"<figure style='margin:0'>{svg_picture(file_url(row.path), what, whole, (row.width, row.height))}</figure>"
        f"<dl><dt>{what}</dt><dd>{html.escape(row.name)}</dd>{lines}</dl></div>"
    )
