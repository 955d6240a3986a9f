"""Colours hold WCAG 2's level AA in both modes; one scale of type. Computed from the theme and the style sheets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app import theme

SHEETS = [*theme.style_sheets(), Path(theme.__file__).parent / "review_grid" / "grid.css"]
TEXT = 4.5
SIGN = 3.0
"""Least contrast of text, and of rings and signs."""

PAIRS = (
    ("body-text-color", "body-background-fill", TEXT),
    ("body-text-color", "block-background-fill", TEXT),
    ("fs-quiet", "body-background-fill", TEXT),
    ("fs-quiet", "block-background-fill", TEXT),
    ("fs-quiet", "input-background-fill", TEXT),
    ("fs-quiet", "button-secondary-background-fill", TEXT),
    ("ev-quiet", "block-background-fill", TEXT),
    ("body-text-color-subdued", "block-background-fill", TEXT),
    ("block-info-text-color", "block-background-fill", TEXT),
    ("block-label-text-color", "block-background-fill", TEXT),
    ("input-placeholder-color", "input-background-fill", TEXT),
    ("fs-on", "body-background-fill", TEXT),
    ("fs-on", "block-background-fill", TEXT),
    ("fs-bad", "block-background-fill", TEXT),
    ("button-primary-text-color", "button-primary-background-fill", TEXT),
    ("button-primary-text-color", "button-primary-background-fill-hover", TEXT),
    ("button-secondary-text-color", "button-secondary-background-fill", TEXT),
    ("button-secondary-text-color", "button-secondary-background-fill-hover", TEXT),
    ("fs-ring", "body-background-fill", SIGN),
    ("fs-ring", "block-background-fill", SIGN),
)


def declared(css: str, selector: str) -> dict[str, str]:
    """Custom properties of all rules with just this selector."""
    blocks = re.findall(rf"(?:^|[}}\n])\s*{re.escape(selector)}\s*\{{([^}}]*)\}}", css)
    return dict(re.findall(r"--([\w-]+)\s*:\s*([^;]+);", ";".join(blocks) + ";"))


@pytest.fixture(scope="module", params=["light", "dark"])
def colours(request: pytest.FixtureRequest) -> dict[str, str]:
    """Every custom property of the page in one mode."""
    own = "\n".join(path.read_text() for path in SHEETS)
    base = theme.theme()._get_theme_css()
    found = declared(base, ":root") | declared(own, "body")
    if request.param == "dark":
        found |= declared(base, ":root.dark, :root .dark") | declared(own, "body.dark")
    return found


def rgb(name: str, colours: dict[str, str]) -> tuple[float, ...]:
    value = colours[name].strip()
    for _ in range(8):
        inner = re.fullmatch(r"var\(--([\w-]+)\)", value)
        if inner is None:
            break
        value = colours[inner[1]].strip()
    value = {"white": "#ffffff", "black": "#000000"}.get(value, value)
    assert re.fullmatch(r"#[0-9a-f]{6}", value), f"--{name} is no plain colour: {value}"
    return tuple(int(value[i : i + 2], 16) / 255 for i in (1, 3, 5))


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_is_wcags() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((119 / 255,) * 3, (1, 1, 1)) == pytest.approx(4.48, abs=0.01)


def test_each_pair_of_colours_holds_aa(colours: dict[str, str]) -> None:
    found = {(text, ground): (contrast(rgb(text, colours), rgb(ground, colours)), least)
             for text, ground, least in PAIRS}  # fmt: skip
    poor = [f"{t} on {g}: {have:.2f} < {least}" for (t, g), (have, least) in found.items() if have < least]
    assert not poor, "; ".join(poor)


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_quiet_text_has_the_one_colour_that_was_checked(sheet: Path) -> None:
    """A grey of the palette serves one mode: text takes the colour that changes with it."""
    bare = re.findall(r"[^{}]*\{[^}]*(?<![-\w])color: var\(--neutral-[45]00\)[^}]*\}", sheet.read_text())
    assert not bare, bare


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_there_are_four_sizes_of_type(sheet: Path) -> None:
    """Signs drawn as letters have their own."""
    sizes = re.findall(r"(?:font-size: |font: (?:\d+ )?)([\d.]+)px", sheet.read_text())
    assert [size for size in sizes if 9 < float(size) < 25] == []
