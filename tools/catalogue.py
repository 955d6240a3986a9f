"""Brings every catalogue in assets/locale up to what the page shows, and says what is not translated.

    python -m tools.catalogue            # new texts are added without a translation, those that are gone are removed
    python -m tools.catalogue --new fr   # begins a language

The texts are those of the built page, and every ``tr("...")`` in app's Python and JavaScript.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from app.language.catalogue import LOCALE

HOUSE = Path(__file__).resolve().parents[1]
PAGE = "page"
"""Where a text is from that the built page holds."""


def messages() -> dict[str, set[str]]:
    """Every text by its English, with the places that it is from: a file, or ``page``."""
    found: dict[str, set[str]] = {}
    for path in sorted(
        [*(HOUSE / "app").rglob("*.py"), *(HOUSE / "app").rglob("*.js"), *(HOUSE / "assets/js").glob("*.js")]
    ):
        kind = "javascript" if path.suffix == ".js" else "python"
        with path.open("rb") as file:
            for _, text, _, _ in extract(kind, file, keywords={"tr": None}):
                # babel gives a tuple where a call has several literals; tr has one.
                found.setdefault(text if isinstance(text, str) else text[0], set()).add(
                    path.relative_to(HOUSE).as_posix()
                )
    for text in page_texts():
        found.setdefault(text, set()).add(PAGE)
    return found


def page_texts() -> set[str]:
    """The texts that the built page holds."""
    from app.language.page_text import translate_page
    from app.page import build_page

    texts: set[str] = set()

    def record(text: str) -> str:
        texts.add(text)
        return text

    translate_page(build_page(), record)
    return texts


def read(path: Path) -> Catalog:
    """The catalogue in a file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def updated(catalogue: Catalog, texts: dict[str, set[str]]) -> Catalog:
    """``catalogue`` with just these texts, in their order by place; translations are kept."""
    fresh = Catalog(
        locale=catalogue.locale, project="Flawsmith", header_comment=catalogue.header_comment, fuzzy=False,
        creation_date=catalogue.creation_date, revision_date=catalogue.revision_date, charset="utf-8",
        version="1", last_translator="", language_team="", msgid_bugs_address="",
    )  # fmt: skip
    for text in sorted(texts, key=lambda text: (sorted(texts[text])[0], text)):
        known = catalogue.get(text)
        fresh.add(text, known.string if known else "", locations=[(place, None) for place in sorted(texts[text])])
    return fresh


def written(catalogue: Catalog) -> bytes:
    """The bytes of the catalogue's file."""
    out = io.BytesIO()
    write_po(out, catalogue, width=116, include_lineno=False)
    return out.getvalue()


def main() -> None:
    """Update all catalogues."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--new", metavar="LANGUAGE", help="code of a language to begin, such as fr")
    chosen = parser.parse_args().new
    texts = messages()
    if chosen and not (LOCALE / f"{chosen}.po").exists():
        (LOCALE / f"{chosen}.po").write_bytes(written(Catalog(locale=chosen)))
    for path in sorted(LOCALE.glob("*.po")):
        catalogue = updated(read(path), texts)
        path.write_bytes(written(catalogue))
        missing = [message.id for message in catalogue if message.id and not message.string]
        print(f"{path.name}: {len(texts)} texts, {len(missing)} without a translation")


if __name__ == "__main__":
    main()
