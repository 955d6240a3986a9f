"""Beside a preview that was drawn as a pair: the whole, its anomaly alone, and the three masks to choose from."""

from __future__ import annotations

import html

from app.components.attention_panel import svg_picture
from app.session import file_url
from core.api.studio.drawn_pairs import NearestExample, PairMask, PairView

MASK_TITLES = {"threshold": "By threshold", "segmenter": "By the segmenter", "attention": "By attention"}
CHOOSE_MASK_JS = """
// "taken" tells {id, way}: another of a pair's masks was chosen.
element.addEventListener("click", (event) => {
  const press = event.target.closest("[data-take]");
  if (press) trigger("taken", { id: press.closest("[data-pair]").dataset.pair, way: press.dataset.take });
});
"""


def drawn_pair_html(sample_id: str, pair: PairView) -> str:
    """HTML."""
    view, size = f"0 0 {pair.side} {pair.side}", (pair.side, pair.side)
    taken = next((way for way in pair.ways if way.chosen), None)
    whole = _figure(
        svg_picture(file_url(pair.whole), "The whole image as it was drawn", view, size, _outline_path(taken)),
        "Global branch",
    )
    part = _figure(svg_picture(file_url(pair.part), "Its anomaly alone", view, size), "Its anomaly alone")
    said = (
        "The mask you gave is used, not one of these: the anomaly was drawn beside it."
        if pair.asked
        else "The mask in use should agree with the other two: 100% means the same mask."
    )
    tiles = "".join(_tile(pair, way) for way in pair.ways)
    return (
        f"<div class='fs-why fs-pair' id='fs-pair' data-pair='{html.escape(sample_id, quote=True)}'>"
        f"<div class='fs-maps'>{whole}{part}<p class='fs-quiet'>{said}</p>{tiles}</div></div>"
    )


def copy_in_words(near: NearestExample) -> tuple[str, str, str]:
    """(words, number, "good" | "fair" | "bad") of how near a sample is to the real example most like it."""
    if near.measure == "distance":
        number = f"{near.value:.2f}; below {near.limit:g} it is a copy"
        close = near.value < 2 * near.limit
    else:
        number = f"likeness {near.value:.2f}; from {near.limit:.2f} on it is a copy"
        close = near.value > near.limit - 0.1 * (1 - near.limit)
    if near.is_copy:
        return "A copy of a real example", number, "bad"
    return ("Much like a real example", number, "fair") if close else ("No copy of a real example", number, "good")


def _tile(pair: PairView, way: PairMask) -> str:
    view, size = f"0 0 {pair.side} {pair.side}", (pair.side, pair.side)
    title = MASK_TITLES.get(way.name, way.name)
    if way.chosen:
        press = "<b class='fs-taken'>taken</b>"
    elif way.outline is None:
        press = "<span class='fs-quiet'>finds nothing</span>"
    else:
        press = (
            f"<button type='button' data-take='{way.name}' title='The same sample once more, with this mask' "
            f"aria-label='Take the mask {title.lower()}'>Take it</button>"
        )
    shown = svg_picture(file_url(pair.whole), f"Mask {title.lower()}", view, size, _outline_path(way))
    return _figure(shown, f"{title}<span>{way.agreement:.0%}</span>", f" data-way='{way.name}'", way.chosen, press)


def _outline_path(way: PairMask | None) -> str:
    return f"<path d='{way.outline['path']}'/>" if way is not None and way.outline is not None else ""


def _figure(shown: str, caption: str, more: str = "", marked: bool = False, press: str = "") -> str:
    mark = " data-named" if marked else ""
    return f"<figure{mark}{more}>{shown}<figcaption>{caption}</figcaption>{press}</figure>"
