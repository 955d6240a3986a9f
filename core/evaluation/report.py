"""A result, or several side by side, as one HTML page that needs nothing but itself.

Pictures are data URIs, charts are SVG, there is no script and nothing is fetched: the page can be mailed and
archived. Light or dark follows the reader's system.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image as Pillow

from core.errors import InputError, StoreError
from core.evaluation import report_parts
from core.evaluation.results import EvalResult, Picture
from core.images import atomic_write

_JPEG_QUALITY = 85
_STYLES = Path(__file__).resolve().parents[2] / "assets" / "css" / "figures.css"
_PAGE = """
:root { color-scheme: light dark; --ev-back: #f4f4f5; --ev-card: #fff; --ev-text: #1b1b1e; --ev-quiet: #62626b;
  --ev-line: #e0e0e3; --ev-well: #ececef; --ev-0: #177670; --ev-1: #c2571a; --ev-2: #5b6bd6; --ev-3: #a87c12;
  --ev-4: #b23a68; --ev-5: #62626b; }
@media (prefers-color-scheme: dark) { :root { --ev-back: #111113; --ev-card: #1b1b1e; --ev-text: #ececee;
  --ev-quiet: #a0a0a8; --ev-line: #36363c; --ev-well: #2a2a2f; --ev-0: #43b0a6; --ev-1: #ee8a4a; --ev-2: #8f9bf2;
  --ev-3: #dcb44a; --ev-4: #ee79a3; --ev-5: #a0a0a8; } }
body { margin: 0; background: var(--ev-back); color: var(--ev-text);
  font: 15px/1.5 Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { margin: 0; font-size: 25px; font-weight: 640; letter-spacing: -0.01em; }
header p { margin: 4px 0 0; color: var(--ev-quiet); }
section { margin-top: 18px; padding: 18px 22px 20px; border: 1px solid var(--ev-line); border-radius: 10px;
  background: var(--ev-card); }
h2 { margin: 0 0 10px; font-size: 16px; font-weight: 620; }
h3 { margin: 16px 0 8px; font-size: 14px; font-weight: 600; }
summary { cursor: pointer; font-weight: 600; }
details > :not(summary) { margin-top: 12px; }
.ev-sheet { margin: 0 0 12px; } .ev-sheet img { max-width: 100%; border-radius: 6px; }
.ev-sheet figcaption { color: var(--ev-quiet); }
"""


def report_html(results: Sequence[EvalResult], names: Sequence[str] = (), title: str = "") -> str:
    """The page. ``names`` are what the results are called side by side, else their titles; InputError without any."""
    if not results:
        raise InputError("report: there is no result to show; run an evaluation first")
    called = _different(list(names) or [r.title for r in results])
    heading = title or (results[0].title if len(results) == 1 else "Comparison of evaluations")
    kinds = dict.fromkeys(report_parts.KIND_TITLES[r.kind] for r in results)
    named = list(zip(called, results, strict=True))
    body = _single(results[0]) if len(results) == 1 else _several(named)
    return page_html(heading, ", ".join(kinds), body)


def page_html(heading: str, about: str, body: str) -> str:
    """A whole page in the report's looks; ``heading`` and ``about`` are plain text, ``body`` is HTML."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(heading)} · Flawsmith</title><style>{_PAGE}{_styles()}</style></head><body><main>"
        f"<header><h1>{escape(heading)}</h1><p>{escape(about)} · Flawsmith</p></header>{body}"
        "</main></body></html>\n"
    )


def write_report(path: Path, results: Sequence[EvalResult], names: Sequence[str] = (), title: str = "") -> Path:
    """Write the page to ``path``, whole or not at all; StoreError if that cannot be done."""
    page = report_html(results, names, title)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{path}: the report cannot be written ({reason}); choose another place") from error
    atomic_write(path, page.encode())
    return path


def _single(result: EvalResult) -> str:
    return "".join(
        (
            section_html("In short", report_parts.metric_tiles(result) + report_parts.notes(result)),
            section_html("All numbers", report_parts.metric_table(result)),
            section_html("Every training", report_parts.seed_table(result)),
            section_html(
                "Per label",
                report_parts.label_charts([("", result)])
                + report_parts.label_table(result)
                + report_parts.confusion_table(result),
            ),
            section_html("Curves", report_parts.result_curve_charts([("", result)])),
            section_html("Pictures", report_parts.picture_gallery(result, _data_uri)),
            section_html("How to make it again", report_parts.config_table(result.config)),
        )
    )


def _several(named: Sequence[report_parts.NamedResult]) -> str:
    parts = [
        section_html("Side by side", report_parts.compare_table(named)),
        section_html("Per label", report_parts.label_charts(named)),
        section_html("Curves", report_parts.result_curve_charts(named)),
    ]
    for name, result in named:
        inside = (
            report_parts.notes(result)
            + report_parts.metric_table(result)
            + report_parts.seed_table(result)
            + report_parts.label_table(result)
            + report_parts.confusion_table(result)
            + report_parts.picture_gallery(result, _data_uri)
            + report_parts.config_table(result.config)
        )
        parts.append(f"<section><details><summary>{escape(name)}</summary>{inside}</details></section>")
    return "".join(parts)


def figure_html(png: bytes, caption: str, attributes: str = "") -> str:
    """A picture of the page with its ``caption``, plain text; ``attributes`` are HTML."""
    said = escape(caption)
    return f"<figure{attributes}><img src='{jpeg_uri(png)}' alt='{said}'><figcaption>{said}</figcaption></figure>"


def jpeg_uri(png: bytes) -> str:
    """A PNG as a JPEG in an address: of JPEGs a page with hundreds of photos can hold all."""
    packed = io.BytesIO()
    Pillow.open(io.BytesIO(png)).convert("RGB").save(packed, "JPEG", quality=_JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(packed.getvalue()).decode()


def section_html(title: str, inside: str) -> str:
    """A part of the page; "" where nothing is ``inside``."""
    return f"<section><h2>{title}</h2>{inside}</section>" if inside else ""


def _different(names: list[str]) -> list[str]:
    """``names``, equal ones numbered."""
    return [
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]


def _data_uri(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode()


@functools.cache
def _styles() -> str:
    try:
        return _STYLES.read_text("utf-8")
    except OSError:  # the page is plain without it, but whole
        return ""
