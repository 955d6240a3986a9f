"""Looks: neutral greys, so that colour is judged on the photo and not against the page; one calm accent."""

from __future__ import annotations

import json
from pathlib import Path

from gradio.themes import Base
from gradio.themes.utils import sizes
from gradio.themes.utils.colors import Color

from app import modules
from app.language.catalogue import ENGLISH, current_catalogue

ASSETS = Path(__file__).resolve().parents[1] / "assets"
FONTS = ("Inter", "ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
SCRIPTS = (
    "assets/js/page.js",
    "assets/js/address.js",
    "assets/js/tray.js",
    "assets/js/folder.js",
    "assets/js/studio.js",
    "assets/js/focus_mode.js",
    "assets/js/tour.js",
)
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Roboto Mono", "monospace")

ACCENT = Color(
    "#effaf8", "#d3f1ec", "#a9e2da", "#74ccc2", "#43b0a6", "#24938b",
    "#177670", "#155f5b", "#154c4a", "#143f3d", "#0a2524",
)  # fmt: skip
NEUTRAL = Color(
    "#fafafa", "#f4f4f5", "#e6e6e8", "#d2d2d6", "#a6a6ae", "#65656d",
    "#53535b", "#3d3d44", "#27272b", "#1b1b1e", "#111113",
)  # fmt: skip

LOOK = {
    "body_background_fill": "*neutral_100",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color_subdued": "*neutral_500",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_border_width": "1px",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "*neutral_800",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*neutral_500",
    "block_label_text_color_dark": "*neutral_400",
    "block_title_text_weight": "500",
    "block_info_text_color": "*neutral_500",
    "block_info_text_color_dark": "*neutral_400",
    "panel_background_fill": "transparent",
    "panel_background_fill_dark": "transparent",
    "panel_border_width": "0px",
    "input_background_fill": "*neutral_50",
    "input_background_fill_dark": "*neutral_950",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "*neutral_700",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_500",
    "button_primary_background_fill_hover_dark": "*primary_400",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "*neutral_950",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_dark": "*neutral_800",
    "button_secondary_background_fill_hover_dark": "*neutral_700",
    "button_large_text_size": "*text_md",
    "button_large_text_weight": "550",
    "button_large_padding": "7px 14px",
    "button_medium_text_size": "*text_md",
    "button_medium_text_weight": "550",
    "button_small_text_size": "*text_sm",
    "button_small_text_weight": "500",
    "button_small_padding": "4px 10px",
    "button_border_width": "1px",
    "button_border_width_dark": "1px",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "*neutral_700",
    "checkbox_border_color": "*neutral_300",
    "checkbox_border_color_dark": "*neutral_500",
    "checkbox_background_color_dark": "*neutral_950",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_400",
}
"""What differs from Gradio's base theme; a name that begins with * is a value of the theme itself."""


def theme() -> Base:
    """The theme of every page, light and dark."""
    base = Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=NEUTRAL,
        font=FONTS,
        font_mono=MONO,
        text_size=sizes.text_sm,
        spacing_size=sizes.spacing_sm,
        radius_size=sizes.radius_md,
    )
    return base.set(**LOOK)


def style_sheets() -> list[Path]:
    """The page's own style sheets."""
    names = ("flawsmith", "studio", "figures", "evaluate", "concepts", "chips", "import", "product")
    return [ASSETS / "css" / f"{name}.css" for name in names]


def head() -> str:
    """Scripts of the page: light or dark, its title, keys that press buttons, folders dropped on the import."""
    hidden = "<style>body:not(.fs-ready) #fs-tabs { visibility: hidden; }</style>"
    return hidden + _texts() + modules.head(*SCRIPTS)


def _texts() -> str:
    """HTML that gives the scripts their texts and tells the browser the page's language; "" in English."""
    catalogue = current_catalogue()
    if catalogue.language == ENGLISH:
        return ""
    texts = json.dumps(dict(catalogue.scripts), ensure_ascii=False).replace("<", "\\u003c")
    return f"<script>window.flawsmithTexts = {texts};document.documentElement.lang = '{catalogue.language}';</script>"
