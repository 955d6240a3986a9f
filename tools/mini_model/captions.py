"""The wordings of a caption: the renderer's own, shorter ones, and those people would type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_OPENINGS = ("", "", "", "photo of ", "a photo of ", "a picture of ")


def reworded(caption: str, rng: np.random.Generator, whole: bool = False) -> str:
    """``caption`` with another opening, its list in another order, or, for a ``whole`` normal scene, its title."""
    title, _, things = caption.partition(" with ")
    if whole and rng.random() < 0.15:
        return _opened(str(rng.choice([title, title.replace("a ", "a good ", 1), f"{title} without damage"])), rng)
    if things and rng.random() < 0.4:
        listed = things.replace(" and ", ", ").split(", ")
        rng.shuffle(listed)
        joined = listed[0] if len(listed) == 1 else ", ".join(listed[:-1]) + " and " + listed[-1]
        caption = f"{title} with {joined}"
    return _opened(caption, rng)


def closely(title: str, several: Mapping[str, bool]) -> str:
    """A close view's caption: "part of a gear unit with a bearing and screws"; ``several`` says which are many."""
    plural = {word: word + ("es" if word.endswith("ch") else "s") for word in several}
    things = [plural[word] if many else f"a {word}" for word, many in several.items()]
    if not things:
        return f"part of {title}"
    listed = things[0] if len(things) == 1 else ", ".join(things[:-1]) + " and " + things[-1]
    return f"part of {title} with {listed}"


def _opened(caption: str, rng: np.random.Generator) -> str:
    return _OPENINGS[int(rng.integers(len(_OPENINGS)))] + caption


def spoken(word: str, tokenizer: Any) -> list[int]:
    """Ids of ``word``'s one-token forms: one and several of it."""
    forms = (word, f"{word}s", f"{word}es")
    ids = [tokenizer(form, add_special_tokens=False).input_ids for form in forms]
    return [i[0] for i in ids if len(i) == 1]
