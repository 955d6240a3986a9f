"""Translates a built page: labels, hints, placeholders, buttons, headings and the shown half of choices.

What the code compares stays English: the value of a choice, the names of elements, what a field holds.
"""

from __future__ import annotations

import re

import gradio as gr
from gradio.blocks import Block

from app.language.catalogue import current_catalogue
from app.language.markup_text import Translate, translated_markup, translated_text

_PROPS = ("label", "info", "placeholder")
_SETTING = re.compile(r"[a-z0-9][\w.+-]*")


def translate_page(page: gr.Blocks, translate: Translate | None = None) -> None:
    """Translate all that ``page`` shows, in place, by the language in use or by ``translate``."""
    for block in page.blocks.values():
        _translate_block(block, translate or current_catalogue().translated)


def _translate_block(block: Block, translate: Translate) -> None:
    held = vars(block)
    for name in _PROPS:
        if isinstance(text := held.get(name), str):
            setattr(block, name, translated_text(text, translate))
    if isinstance(block, gr.HTML):
        for name in ("value", "html_template"):
            if isinstance(text := held.get(name), str):
                setattr(block, name, translated_markup(text, translate))
    elif isinstance(block, gr.Button | gr.UploadButton | gr.DownloadButton) and isinstance(block.value, str):
        block.value = translated_text(block.value, translate)
    elif isinstance(block, gr.Dropdown | gr.Radio | gr.CheckboxGroup):
        block.choices = [(_shown(str(shown), value, translate), value) for shown, value in block.choices]


def _shown(shown: str, value: object, translate: Translate) -> str:
    """The choice as it is shown. The values of settings are the command line's too, and keep their names."""
    if shown == value and _SETTING.fullmatch(shown):
        return shown
    return "\n".join(translated_text(line, translate) for line in shown.split("\n"))
