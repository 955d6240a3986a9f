"""The canvas's static HTML: one table of tools and actions gives buttons, shortcuts and the help sheet.

The script binds every ``data-key`` it finds, so a shortcut is written here and nowhere else. The text
passes through Handlebars and a JavaScript template on its way: no backslash, backtick, dollar or brace in it.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple


class ToolButton(NamedTuple):
    """One button: ``name`` for the script, ``keys`` separated by spaces, ``icon`` as the inside of a 20x20 SVG."""

    name: str
    title: str
    keys: str
    icon: str


SPINNER = (
    '<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7" opacity=".25"/>'
    '<path d="M10 3a7 7 0 0 1 7 7"><animateTransform attributeName="transform" type="rotate" from="0 10 10" '
    'to="360 10 10" dur="0.9s" repeatCount="indefinite"/></path></svg>'
)
_DOT = 'fill="currentColor" stroke="none"'
TOOLS = (
    ToolButton(
        "drop",
        "Drop a mask like the label: the wheel sizes it, Alt and wheel turn it",
        "Y",
        '<path d="M10 2.8c2.6 3.3 4.6 5.9 4.6 8.6a4.6 4.6 0 0 1-9.2 0c0-2.7 2-5.3 4.6-8.6z"/>'
        '<path d="M12.3 11.6a2.3 2.3 0 0 1-2.1 2.3"/>',
    ),
    ToolButton(
        "click",
        "Click to select: left adds, right or Shift removes, drag a box",
        "S",
        '<path d="M7 7l3.2 9.2 1.7-4.2 4.2-1.7z"/><path d="M6.2 2.8v1.6M2.8 6.2h1.6M3.8 3.8l1.1 1.1"/>',
    ),
    ToolButton(
        "wand",
        "Magic wand: press on a colour, drag right for more, left for less",
        "W",
        '<path d="M3.4 16.6L11 9M9.6 7.6l2.8 2.8"/><path d="M14 2.9v2.6M14 10.1v2.6M9.1 4.4l1.6 1.6M17.3 7.8h-2.6'
        'M17 4.1l-1.6 1.6M16.8 11.2l-1.5-1.5"/>',
    ),
    ToolButton(
        "brush",
        "Brush: right or Shift erases",
        "B",
        '<path d="M16.8 3.2c-3.4 1.3-6.4 4-8 6.9l1.9 1.9c2.9-1.6 5.2-5 6.1-8.8z"/>'
        '<path d="M7.6 11.4c-2 .2-2.6 1.5-2.7 3-.1 1-.7 1.7-1.7 2.1 3.4 1 6.3-.1 6.3-3.2z"/>',
    ),
    ToolButton(
        "erase",
        "Eraser",
        "E",
        '<path d="M11.6 4.1l4.3 4.3-7.2 7.2H6.1l-2.6-2.6c-.4-.4-.4-1 0-1.4z"/><path d="M7.9 7.8l4.3 4.3M8.7 15.6h8"/>',
    ),
    ToolButton(
        "lasso",
        "Lasso: draw around it",
        "L",
        '<path d="M10.4 3.6c3.9 0 6.6 1.8 6.6 4.3s-2.9 4.4-6.8 4.4S3.4 10.5 3.4 8s3.1-4.4 7-4.4z"/>'
        '<path d="M6.3 11.4c-1.6.5-2.2 1.8-1.2 2.7.9.8 2.2.3 2.2-.8 0-.7-.4-1.3-1-1.9M5.2 14.2c0 1.2-.5 2-1.6 2.6"/>',
    ),
    ToolButton(
        "polygon",
        "Polygon: click corners, double-click or Enter closes; then its corners can be dragged",
        "P",
        '<path d="M10 3.6l6.2 4.7-2.4 7.6H6.2L3.8 8.3z"/>'
        f'<g {_DOT}><circle cx="10" cy="3.6" r="1.5"/><circle cx="16.2" cy="8.3" r="1.5"/>'
        '<circle cx="13.8" cy="15.9" r="1.5"/><circle cx="6.2" cy="15.9" r="1.5"/>'
        '<circle cx="3.8" cy="8.3" r="1.5"/></g>',
    ),
    ToolButton(
        "box",
        "Box",
        "R",
        '<path d="M4.5 4.5h11v11h-11z" stroke-dasharray="2.6 2"/>'
        f'<g {_DOT}><path d="M3 3h3v3H3zM14 3h3v3h-3zM3 14h3v3H3zM14 14h3v3h-3z"/></g>',
    ),
    ToolButton(
        "transform",
        "Transform: move, turn and scale the mask as a whole",
        "T",
        '<path d="M5.4 6.4h9.2v9.2H5.4z"/>'
        f'<g {_DOT}><path d="M4 5h2.8v2.8H4zM13.2 5H16v2.8h-2.8zM4 14.2h2.8V17H4zM13.2 14.2H16V17h-2.8z"/></g>'
        '<path d="M10 6.2V3.4"/><circle cx="10" cy="2.6" r="1.1"/>',
    ),
    ToolButton(
        "region",
        "Region: click a named region to take it",
        "G",
        '<path d="M9.7 3.2h6.1c.6 0 1 .4 1 1v6.1L10.4 16.7c-.4.4-1 .4-1.4 0L3.3 11c-.4-.4-.4-1 0-1.4z"/>'
        f'<circle cx="13.4" cy="6.6" r="1.3" {_DOT}/>',
    ),
    ToolButton(
        "move",
        "Move a region: drag it, turn it by its handle or Alt-wheel",
        "V",
        '<path d="M10 2.8v14.4M2.8 10h14.4M7.9 4.9L10 2.8l2.1 2.1M7.9 15.1l2.1 2.1 2.1-2.1'
        'M4.9 7.9L2.8 10l2.1 2.1M15.1 7.9l2.1 2.1-2.1 2.1"/>',
    ),
    ToolButton(
        "context",
        "What the model sees around the mask: drag the frame or its edges",
        "2",
        '<path d="M3 6.6V4.2C3 3.5 3.5 3 4.2 3h2.4M13.4 3h2.4c.7 0 1.2.5 1.2 1.2v2.4M17 13.4v2.4c0 .7-.5 1.2-1.2 1.2'
        'h-2.4M6.6 17H4.2C3.5 17 3 16.5 3 15.8v-2.4"/><path d="M5 10s1.9-3 5-3 5 3 5 3-1.9 3-5 3-5-3-5-3z"/>'
        f'<circle cx="10" cy="10" r="1.1" {_DOT}/>',
    ),
)
_A, _B = '<circle cx="7.7" cy="10" r="4.7"/>', '<circle cx="12.3" cy="10" r="4.7"/>'
_LENS = "M10 5.9a4.7 4.7 0 0 0 0 8.2 4.7 4.7 0 0 0 0-8.2z"
_SOFT = 'fill="currentColor" fill-opacity=".45"'
MODES = (
    ToolButton(
        "add",
        "Add to the mask",
        "",
        f'<g {_SOFT} stroke="none">{_A}{_B}</g><path d="M10 5.9a4.7 4.7 0 1 0 0 8.2 4.7 4.7 0 1 0 0-8.2z"/>',
    ),
    ToolButton(
        "subtract",
        "Subtract from the mask",
        "",
        f'<path {_SOFT} d="M10 5.9a4.7 4.7 0 1 0 0 8.2 4.7 4.7 0 0 1 0-8.2z"/>'
        '<circle cx="12.3" cy="10" r="4.7" stroke-dasharray="2 1.8"/>',
    ),
    ToolButton("intersect", "Keep only what both have", "", f'{_A}{_B}<path {_SOFT} d="{_LENS}"/>'),
    ToolButton(
        "replace",
        "Replace the mask",
        "",
        f'<circle cx="7.7" cy="10" r="4.7" stroke-dasharray="2 1.8"/><circle cx="12.3" cy="10" r="4.7" {_SOFT}/>',
    ),
)
EDITS = (
    ToolButton(
        "undo",
        "Undo",
        "Ctrl+Z",
        '<path d="M6.9 4.2L3.6 7.5l3.3 3.3"/><path d="M3.8 7.5h7.7a4.2 4.2 0 0 1 0 8.4H7.6"/>',
    ),
    ToolButton(
        "redo",
        "Redo",
        "Ctrl+Shift+Z Ctrl+Y",
        '<path d="M13.1 4.2l3.3 3.3-3.3 3.3"/><path d="M16.2 7.5H8.5a4.2 4.2 0 0 0 0 8.4h3.9"/>',
    ),
    ToolButton(
        "clear",
        "Clear the mask",
        "Delete",
        '<path d="M3.8 5.6h12.4M8 5.4V3.6h4v1.8M5.4 5.8l.7 10.6h7.8l.7-10.6M8.5 8.6v5M11.5 8.6v5"/>',
    ),
    ToolButton(
        "import",
        "Import a mask picture of this photo's size, or drop one here",
        "",
        '<path d="M10 3v8.6M6.7 8.4L10 11.7l3.3-3.3M3.6 12.6v3.2c0 .6.4 1 1 1h10.8c.6 0 1-.4 1-1v-3.2"/>',
    ),
)
FLIPS = (
    ToolButton(
        "flip",
        "Flip the mask left to right",
        "F",
        '<path d="M10 2.8v14.4" stroke-dasharray="2 1.8"/><path d="M7.4 5.6v8.8H3z"/>'
        f'<path {_SOFT} d="M12.6 5.6v8.8H17z"/>',
    ),
    ToolButton(
        "flop",
        "Flip the mask top to bottom",
        "J",
        '<path d="M2.8 10h14.4" stroke-dasharray="2 1.8"/><path d="M5.6 7.4h8.8V3z"/>'
        f'<path {_SOFT} d="M5.6 12.6h8.8V17z"/>',
    ),
)
"""Shown beside the Transform tool."""
CLICKS = (
    ToolButton(
        "candidate",
        "Next candidate: a named region first, then what the segmenter sees",
        "C",
        '<path d="M7 6.6h9.4v9.4H7z"/><path d="M13.2 6.4V3.6H3.6v9.6h3.2"/>',
    ),
    ToolButton(
        "hover",
        "Show under the mouse what a click would select",
        "I",
        '<path d="M4.2 8.2V5.4c0-.7.5-1.2 1.2-1.2h2.8M11.8 4.2h2.8c.7 0 1.2.5 1.2 1.2v2.8M8.2 15.8H5.4c-.7 0-1.2-.5'
        '-1.2-1.2v-2.8" stroke-dasharray="2.4 1.8"/><path d="M10.2 9.6l2.3 7 1.4-2.7 2.8-1.3z"/>',
    ),
)
"""Shown beside the Click tool."""
VIEWS = (
    ToolButton(
        "regions",
        "Show or hide the regions",
        "N",
        '<path d="M10 3.2l7 3.8-7 3.8L3 7z"/><path d="M3.4 10.3L10 13.9l6.6-3.6M3.4 13.4L10 17l6.6-3.6"/>',
    ),
    ToolButton(
        "fill",
        "Mask filled or as outline",
        "M",
        f'<circle cx="10" cy="10" r="6.6"/><path {_DOT} d="M10 3.4a6.6 6.6 0 0 1 0 13.2z"/>',
    ),
    ToolButton(
        "original",
        "Hold to see the original photo",
        "H Backquote",
        '<path d="M2.6 10S5.4 5 10 5s7.4 5 7.4 5-2.8 5-7.4 5-7.4-5-7.4-5z"/><circle cx="10" cy="10" r="2.3"/>',
    ),
    ToolButton(
        "adjust",
        "How the photo is shown: mask opacity, brightness, contrast, gamma",
        "D",
        '<path d="M3 5.6h7.2M14.4 5.6H17M3 10h1.8M9 10h8M3 14.4h6M13.2 14.4H17"/>'
        '<circle cx="12.3" cy="5.6" r="2"/><circle cx="6.9" cy="10" r="2"/><circle cx="11.1" cy="14.4" r="2"/>',
    ),
    ToolButton(
        "fit",
        "Fit the photo",
        "0",
        '<path d="M3.2 7V3.2H7M13 3.2h3.8V7M16.8 13v3.8H13M7 16.8H3.2V13"/><path d="M6.6 7.6h6.8v4.8H6.6z"/>',
    ),
    ToolButton(
        "actual",
        "Actual pixels",
        "1",
        '<path d="M4.3 6.2L6.2 5v10M13.4 6.2L15.3 5v10"/>'
        f'<g {_DOT}><circle cx="10" cy="8" r="1.1"/><circle cx="10" cy="12.4" r="1.1"/></g>',
    ),
    ToolButton(
        "focus",
        "Only the photo, over the whole window; the panels slide in (Esc leaves)",
        "Z",
        '<path d="M3.2 7.4V3.2h4.2M12.6 3.2h4.2v4.2M16.8 12.6v4.2h-4.2M7.4 16.8H3.2v-4.2"/>'
        '<path d="M3.6 3.6l4 4M16.4 3.6l-4 4M16.4 16.4l-4-4M3.6 16.4l4-4"/>',
    ),
    ToolButton(
        "help",
        "Shortcuts",
        "?",
        f'<circle cx="10" cy="10" r="7"/><path d="M7.9 8.1c.1-1.3 1-2 2.2-2s2.1.8 2.1 1.9c0 1.6-2.1 1.6-2.1 3.2"/>'
        f'<circle cx="10.1" cy="13.7" r=".9" {_DOT}/>',
    ),
)
LOOK = (
    ("opacity", "Mask opacity", 0, 100, 10, 100),
    ("brightness", "Brightness", -100, 100, 5, 0),
    ("contrast", "Contrast", -100, 100, 5, 0),
    ("gamma", "Gamma", 0.2, 5, 0.1, 1),
)
"""Sliders of the view: name, title, least, most, step, neutral; ``js/look.js`` acts on them."""
GESTURES = (
    ("Right click", "Take away, with every tool (or Shift)"),
    ("Enter", "Keep the selection, close the polygon"),
    ("Esc", "Cancel the clicks, the polygon or the move"),
    ("Ctrl+C Ctrl+V", "Copy the mask, lay it on this or another photo"),
    ("Shift+\u2192", "Next photo, taking the mask along (or Shift+\u2190)"),
    ("Backspace", "Remove the polygon's last corner (closed: right click on a corner)"),
    ("Tab", "Next candidate, as C, while a selection has some"),
    (
        "K",
        "Crosshair for the keyboard: arrows move it (Shift far, Ctrl a pixel), Space presses, Shift+Space takes away",
    ),
    ("O", "Lock the region under the pointer against painting, or unlock it"),
    ("Q", "Next mode: add, subtract, intersect, replace"),
    ("[ ]", "Smaller, larger brush (or Alt-wheel)"),
    (", .", "Turn the mask or the moved region (with Shift by 15 degrees)"),
    ("Arrows", "With Transform: the mask by a pixel (with Shift by 10)"),
    ("Ctrl+Arrows", "With the frame of what the model sees: size it by a pixel (with Shift by 10)"),
    ("{ }", "Fainter, stronger mask"),
    ("- =", "Darker, lighter photo (the view only)"),
    ("_ +", "Less, more contrast (the view only)"),
    ("; '", "Lower, higher gamma (the view only)"),
    ("9", "Photo as it is, mask as usual"),
    ("Wheel", "Zoom at the pointer (or pinch)"),
    ("Space-drag", "Pan (or drag with the middle button)"),
    ("\u2190 \u2192", "Previous, next photo"),
)


def _button(b: ToolButton, kind: str, role: str = "") -> str:
    shown = b.keys.replace("Ctrl+Shift+Z Ctrl+Y", "Ctrl+Shift+Z").split(" ")[0]
    title = f"{b.title} ({shown})" if shown else b.title
    keys = f' data-key="{escape(b.keys)}" aria-keyshortcuts="{escape(_aria(b.keys))}"' if b.keys else ""
    extra = f' role="{role}" aria-checked="false"' if role else ""
    return (
        f'<button type="button" class="fsc-b" data-{kind}="{b.name}" title="{escape(title)}" '
        f'aria-label="{escape(b.title)}"{keys}{extra}>'
        f'<svg viewBox="0 0 20 20" aria-hidden="true">{b.icon}</svg></button>'
    )


def _look_row(name: str, title: str, least: float, most: float, step: float, neutral: float) -> str:
    return (
        f'<label><span>{title}</span><input type="range" name="{name}" min="{least}" max="{most}" step="{step}" '
        f'value="{neutral}"><output></output></label>'
    )


def _aria(keys: str) -> str:
    return keys.replace("Ctrl", "Control")


def _buttons(group: tuple[ToolButton, ...], kind: str, role: str = "") -> str:
    return "".join(_button(b, kind, role) for b in group)


def _help() -> str:
    rows = [(b.keys, b.title) for b in (*TOOLS, *EDITS, *CLICKS, *FLIPS, *VIEWS) if b.keys]
    cells = "".join(_row(keys.split(" "), text) for keys, text in rows)
    cells += "".join(_row([k] if len(k) > 3 else k.split(" "), text) for k, text in GESTURES)
    return f'<div class="fsc-sheet"><h3>Shortcuts</h3><dl>{cells}</dl><p>Press ? or Esc to close.</p></div>'


def _row(keys: list[str], text: str) -> str:
    caps = "".join(f"<kbd>{escape('~' if k == 'Backquote' else k)}</kbd>" for k in keys).replace("~", "&#96;")
    return f"<div><dt>{caps}</dt><dd>{escape(text)}</dd></div>"


def markup(empty: str) -> str:
    """The component's HTML; ``empty`` is what the stage says while there is no photo."""
    parts = {
        "MODE_BUTTONS": _buttons(MODES, "mode", "radio"),
        "CLICK_BUTTONS": _buttons(CLICKS, "do"),
        "LOOK_ROWS": "".join(_look_row(*row) for row in LOOK),
        "FLIP_BUTTONS": _buttons(FLIPS, "do"),
        "EDIT_BUTTONS": _buttons(EDITS, "do"),
        "VIEW_BUTTONS": _buttons(VIEWS, "do"),
        "TOOL_BUTTONS": _buttons(TOOLS, "tool", "radio"),
        "HELP_SHEET": _help(),
        "SPINNER": SPINNER,
        "EMPTY_TEXT": escape(empty),
    }
    html = Path(__file__).with_name("canvas.html").read_text("utf-8")
    for name, part in parts.items():
        html = html.replace(name, part)
    return html
