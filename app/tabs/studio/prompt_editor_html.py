"""The chips as HTML; chips.js tells what is pressed on them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from core.api.concepts.library import Concept
from core.api.studio.prompt_editor import ComponentCard, PromptView

RANDOM_EDITS = (("remove", "remove"), ("repeat", "repeat"), ("swap", "swap two"))
RANDOM_EDIT_TITLES = {"remove": "remove any one", "repeat": "repeat any one", "swap": "swap any two"}
DIFF_TAGS = {"gone": "del", "new": "ins"}


def missing_html(
    why: str, tabs: Sequence[str], now: Mapping[str, str] | None = None, concepts: Sequence[Concept] = ()
) -> str:
    """What is missing, in one line, and the tabs where it can be had."""
    ways = "".join(f"<button type='button' data-goto='{tab}' data-key='goto/{tab}'>{tab}</button>" for tab in tabs)
    words = _concept_choice(concepts, now["concept"]) if now is not None else ""
    return (
        f"<section class='fs-chips' aria-label='Component prompt'>{_head(False, False, False)}"
        f"<p class='fs-hint'>{why}</p>{words}<div class='fs-chips-ways'>{ways}</div></section>"
    )


def editor_html(board: PromptView, now: Mapping[str, str], concepts: Sequence[Concept], undo: bool) -> str:
    """The whole panel."""
    cards = "".join(_component_html(card, board) for card in board.chips)
    problem = f"<p class='fs-warn' role='alert'>{html.escape(board.problem)}</p>" if board.problem else ""
    note = f"<p class='fs-hint'>{html.escape(board.note)}</p>" if board.note else ""
    ready = bool(board.edits) and not board.problem
    return (
        f"<section class='fs-chips' aria-label='Component prompt'>{_head(undo, bool(now['edit'].strip()), ready)}"
        f"{_title(now['prompt'], board.before)}{_concept_choice(concepts, now['concept'])}{problem}{_sentence(board)}"
        f"<ul class='fs-chip-list'>{cards}</ul>{_edits(board)}{note}</section>"
    )


def _head(undo: bool, back: bool, ready: bool) -> str:
    return (
        "<header><h3>Components</h3><span>"
        "<button type='button' data-undo data-key='undo' title='Take the last edit back'"
        f"{_disabled_attribute(undo)}>Undo</button>"
        "<button type='button' data-clear data-key='clear' title='Back to the photo’s own prompt'"
        f"{_disabled_attribute(back)}>Reset</button>"
        "<button type='button' class='fs-chips-go' data-preview data-key='preview' "
        f"title='One sample of this edit on this photo'{_disabled_attribute(ready)}>Preview</button></span></header>"
    )


def _title(prompt: str, before: str) -> str:
    """What the components are parts of; a sentence of the person's own stands in the engine's settings."""
    if prompt.strip() and "{components}" not in prompt:
        return "<p class='fs-hint'>The sentence is your own: see <b>Component prompt</b> in the settings below.</p>"
    title = prompt.partition(" with {components}")[0] or before.partition(" with ")[0] * (" with " in before)
    return (
        "<label class='fs-chips-title'><input data-title data-key='title' type='text' maxlength='80' "
        f"value='{html.escape(title, quote=True)}' placeholder='what it shows, e.g. a fastener tray' "
        "aria-label='What the photo shows as a whole' spellcheck='false'> with</label>"
    )


def _concept_choice(concepts: Sequence[Concept], chosen: str) -> str:
    """Whose words the components are named by, where there is a choice."""
    if not concepts:
        return ""
    known = [("", "words of the base model"), ("newest", "newest concept")]
    known += [(concept.id, concept.title) for concept in concepts]
    known += [(chosen, chosen)] if chosen not in [id for id, _ in known] else []
    options = "".join(
        f"<option value='{html.escape(id, quote=True)}'{' selected' * (id == chosen)}>{html.escape(title)}</option>"
        for id, title in known
    )
    return (
        f"<label class='fs-chips-words'>Concept <select data-words data-key='words' aria-label='Learned components'>"
        f"{options}</select></label>"
    )


def _component_html(card: ComponentCard, board: PromptView) -> str:
    name, key = html.escape(card.name), html.escape(card.name, quote=True)
    count = f"<b>{card.count} × {name}</b>"
    weight = f"<i title='Weight of its word'>×{card.weight:g}</i>" if card.weight != 1 else ""
    note = f"<small>{html.escape(card.note)}</small>" if card.note else ""
    if card.state == "gone":
        return f"<li data-state='gone'><div class='fs-chip-line'><del>{count}</del>{note}</div></li>"
    if not card.remove:
        say = "two have this name: undo one to edit it"
        line = f"{count}{weight}<small>{say}</small>"
        return f"<li data-state='{card.state}'><div class='fs-chip-line'>{line}</div></li>"

    def press(what: str, edit: str, sign: str, label: str, more: str = "") -> str:
        return (
            f"<button type='button' data-press='{what}' data-key='{key}/{what}' aria-label='{label}' title='{label}' "
            f"data-edit='{html.escape(edit, quote=True)}'{_disabled_attribute(bool(edit))}{more}>{sign}</button>"
        )

    line = (
        press("fewer", card.fewer, "−", f"One {key} less")
        + f"{count}{press('more', card.more, '+', f'One {key} more')}{weight}{note}"
        + press("strike", card.remove, "✕", f"Strike out {key}: all of it gone")
        + f"<button type='button' data-fold data-press='fold' data-key='{key}/fold' aria-expanded='false' "
        f"aria-label='More for {key}: swap, replace, looks, weight' title='Swap, replace, looks, weight'>⋯</button>"
    )
    more = (
        f"{_swap(card)}{_replace(card, board)}{_adjective_html(card)}<div><span>Weight</span>"
        + press("lighter", card.lighter, "−", f"{key} counts less")
        + f"<output>{card.weight:g}</output>"
        + press("heavier", card.heavier, "+", f"{key} counts more")
        + "</div>"
    )
    return (
        f"<li data-chip='{key}' data-state='{card.state}'><div class='fs-chip-line'>{line}</div>"
        f"<div class='fs-chip-more' hidden>{more}</div></li>"
    )


def _swap(card: ComponentCard) -> str:
    if not card.swaps:
        return ""
    options = "".join(
        f"<option value='{html.escape(edit, quote=True)}'>{html.escape(name)}</option>"
        for name, edit in card.swaps.items()
    )
    key = html.escape(card.name, quote=True)
    return (
        f"<div><span>Swap with</span><select data-swap data-key='{key}/swap' aria-label='Swap {key} with'>"
        f"<option value=''>choose…</option>{options}</select></div>"
    )


def _replace(card: ComponentCard, board: PromptView) -> str:
    key = html.escape(card.name, quote=True)
    here = [name for name in card.swaps if name != card.name]
    groups = _group("On this photo", [(name, "") for name in here], card)
    groups += "".join(_group(lender.title, [(n, lender.key) for n in lender.names], card) for lender in board.lenders)
    select = (
        f"<select data-replace data-key='{key}/replace' aria-label='Replace {key} by'>"
        f"<option value=''>choose…</option>{groups}</select>"
        if groups
        else ""
    )
    return (
        f"<div><span>Replace by</span>{select}<input type='text' maxlength='40' placeholder='or a word' "
        f"data-write='{html.escape(card.replace, quote=True)}' data-key='{key}/word' "
        f"aria-label='A word for what replaces {key}' spellcheck='false'>"
        f"<button type='button' data-set data-key='{key}/word-set'>Set</button></div>"
    )


def _group(title: str, names: Sequence[tuple[str, str]], card: ComponentCard) -> str:
    options = "".join(
        f"<option value='{html.escape(card.replace + name, quote=True)}' "
        f"data-lender='{html.escape(lender, quote=True)}'>{html.escape(name)}</option>"
        for name, lender in names
    )
    return f"<optgroup label='{html.escape(title, quote=True)}'>{options}</optgroup>" if options else ""


def _adjective_html(card: ComponentCard) -> str:
    key = html.escape(card.name, quote=True)
    return (
        "<div><span>Adjective</span><input type='text' maxlength='40' placeholder='rusty, bent, black …' "
        f"data-write='{html.escape(card.adjective, quote=True)}' data-key='{key}/look' aria-label='How {key} looks' "
        f"spellcheck='false'><button type='button' data-set data-key='{key}/look-set'>Set</button></div>"
    )


def _sentence(board: PromptView) -> str:
    runs = []
    for text, mark in board.words:
        tag = DIFF_TAGS.get(mark)
        words = html.escape(text)
        runs.append(f"<{tag}>{words}</{tag}>" if tag else words)
    return f"<p class='fs-chips-text' aria-label='The edited sentence'>{' '.join(runs)}</p>"


def _edits(board: PromptView) -> str:
    tags = "".join(
        f"<span><code>{html.escape(RANDOM_EDIT_TITLES.get(edit, edit))}</code>"
        f"<button type='button' data-drop='{place}' "
        f"data-key='drop/{place}' aria-label='Take {html.escape(edit, quote=True)} back' title='Take back'>✕</button>"
        "</span>"
        for place, edit in enumerate(board.edits)
    )
    chance = "".join(
        f"<button type='button' data-edit='{op}' data-key='chance/{op}' title='Another one for each seed'>"
        f"{title}</button>"
        for op, title in RANDOM_EDITS
    )
    listed = f"<div class='fs-chips-edits' aria-label='Edits'>{tags}</div>" if tags else ""
    return f"{listed}<div class='fs-chips-chance'><span>By chance:</span>{chance}</div>"


def _disabled_attribute(usable: bool) -> str:
    return "" if usable else " disabled"
