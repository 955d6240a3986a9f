"""The texts of one language by their English, and the language that this server speaks.

A catalogue is a file of gettext: ``assets/locale/de.po``. A new file there is a new language. The page has one
language for all who use a server; what has no translation stays English.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.pofile import read_po

from core.errors import InputError

LOCALE = Path(__file__).resolve().parents[2] / "assets" / "locale"
ENGLISH = "en"


@dataclass(frozen=True)
class TextCatalogue:
    """The texts of one language: ``texts`` has each by its English, ``scripts`` those that JavaScript shows."""

    language: str
    texts: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    def translated(self, text: str) -> str:
        """The text in this language, or as it is where the catalogue lacks it."""
        return self.texts.get(text, text)


_spoken = [TextCatalogue(ENGLISH)]


def languages() -> tuple[str, ...]:
    """The codes of the languages there are, English first."""
    return (ENGLISH, *sorted(path.stem for path in LOCALE.glob("*.po")))


def read_catalogue(language: str) -> TextCatalogue:
    """The catalogue of a language; InputError where there is none."""
    if language == ENGLISH:
        return TextCatalogue(ENGLISH)
    if language not in languages():
        raise InputError(f"expected one of the languages {', '.join(languages())}, got {language!r}")
    with (LOCALE / f"{language}.po").open("rb") as file:
        messages = [m for m in read_po(file, locale=language) if m.id and m.string and not m.fuzzy]
    texts = {str(message.id): str(message.string) for message in messages}
    scripts = {str(m.id): str(m.string) for m in messages if any(name.endswith(".js") for name, _ in m.locations)}
    return TextCatalogue(language, texts, scripts)


def use_language(language: str) -> None:
    """Let the page and what it says be in this language from now on."""
    _spoken[0] = read_catalogue(language)


def current_catalogue() -> TextCatalogue:
    """The catalogue of the language in use."""
    return _spoken[0]


def tr(text: str, **fields: object) -> str:
    """The text in the language in use, with ``{name}`` replaced by the field of that name.

    ``text`` must be a literal: that is how ``tools.catalogue`` finds it. A translation whose fields do not fit is
    left aside, and the English is shown.
    """
    shown = current_catalogue().translated(text)
    if not fields:
        return shown
    try:
        return shown.format(**fields)
    except (KeyError, IndexError, ValueError):
        logging.getLogger(__name__).warning("the translation of %r has other fields", text)
        return text.format(**fields)
