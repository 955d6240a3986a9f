"""Finds the texts in a piece of HTML, and puts their translations in their place.

A text is what stands between two tags that are not inline: ``<p>Press <kbd>B</kbd> to paint</p>`` holds one text with
a tag in it. Titles, names for screen readers and placeholders are texts too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Translate = Callable[[str], str]

_TAG = re.compile(r"(<!--.*?-->|<(?:style|script|svg)\b.*?</(?:style|script|svg)>|</?[a-zA-Z][^>]*>)", re.DOTALL)
_INLINE = re.compile(r"</?(?:b|i|em|strong|code|kbd)>")
_ATTRIBUTE = re.compile(r"""(\s(?:title|aria-label|placeholder|alt)=)(?:"([^"]*)"|'([^']*)')""")
_WORD = re.compile(r"[^\W\d_]{2}")
_KEY = re.compile(r"^(.*\S)(\s+\()((?:[A-Z]\w*\+)*(?:[A-Z]\w*|[^\w\s()]|\d))\)$", re.DOTALL)
_DATA = re.compile(r"^[/~]|^[\w.-]+\.pth?$|(?:^|, )[\d.,]+ [kMG]B$|<code>")
"""A path, a file, a size or a command: what is the same in every language, or differs by machine."""
_CAPS = re.compile(r"(?:<kbd>[^<]*</kbd>\s*)+")


def translated_text(text: str, translate: Translate) -> str:
    """A text without tags, its space around it kept; a key in brackets at its end is translated by itself."""
    core = text.strip()
    if not _WORD.search(core) or _DATA.search(core):
        return text
    if found := _KEY.match(core):
        words, gap, key = found.groups()
        shown = f"{translated_text(words, translate)}{gap}{translated_key(key, translate)})"
    else:
        shown = translate(core)
    return text.replace(core, shown) if shown != core else text


def translated_key(keys: str, translate: Translate) -> str:
    """ "Ctrl+Z" with the names that the keys have in the language."""
    return "".join(translate(key) if _WORD.search(key) else key for key in re.split(r"(\+| (?=Ctrl\+))", keys))


def translated_markup(markup: str, translate: Translate) -> str:
    """The HTML with every text in it translated; what a style sheet or script holds is left alone."""
    out: list[str] = []
    run: list[str] = []
    for piece in _TAG.split(markup):
        if not piece.startswith("<") or _INLINE.fullmatch(piece):
            run.append(piece)
            continue
        out.append(_translated_run("".join(run), translate))
        out.append(_translated_tag(piece, translate))
        run = []
    return "".join([*out, _translated_run("".join(run), translate)])


def _translated_run(run: str, translate: Translate) -> str:
    core = run.strip()
    if not _WORD.search(_INLINE.sub("", core)) or "${" in core:
        return run
    if _CAPS.fullmatch(core):
        return re.sub(r"(?<=<kbd>)[^<]*", lambda found: translated_key(found[0], translate), run)
    plain = re.sub(r"\s+", " ", core).replace("&#x27;", "'").replace("&quot;", '"')
    shown = translated_text(plain, translate)
    return run.replace(core, shown) if shown != plain else run


def _translated_tag(tag: str, translate: Translate) -> str:
    if tag.startswith("<!--"):
        return tag
    head, end, rest = tag.partition(">")
    return _ATTRIBUTE.sub(lambda found: _attribute(found, translate), head) + end + rest


def _attribute(found: re.Match[str], translate: Translate) -> str:
    quote, raw = ('"', found[2]) if found[2] is not None else ("'", found[3])
    plain = raw.replace("&#x27;", "'").replace("&quot;", '"')
    shown = translated_text(plain, translate)
    if shown == plain:
        return found[0]
    safe = shown.replace('"', "&quot;").replace("'", "&#x27;")
    return f"{found[1]}{quote}{safe}{quote}"
