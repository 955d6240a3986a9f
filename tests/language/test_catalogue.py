"""Every text of the page is in every catalogue, with the same fields; a text reaches what is shown, never a value."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import gradio as gr
import pytest
from babel.messages import Catalog

from app.language.catalogue import LOCALE, current_catalogue, languages, read_catalogue, tr, use_language
from app.language.markup_text import translated_markup, translated_text
from app.language.page_text import translate_page
from core.errors import InputError
from tools.catalogue import messages, read, updated, written

TRANSLATED = [language for language in languages() if language != "en"]


@pytest.fixture
def german() -> Iterator[None]:
    use_language("de")
    yield
    use_language("en")


@pytest.fixture(scope="module")
def texts() -> dict[str, set[str]]:
    return messages()


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_text_and_no_other(language: str, texts: dict[str, set[str]]) -> None:
    known = read_catalogue(language).texts
    missing, gone = sorted(texts.keys() - known.keys()), sorted(known.keys() - texts.keys())
    assert not missing, f"run python -m tools.catalogue, then translate: {missing}"
    assert not gone, f"no longer shown, run python -m tools.catalogue: {gone}"


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_has_the_same_fields_and_tags(language: str) -> None:
    for text, shown in read_catalogue(language).texts.items():
        assert fields(text) == fields(shown), text
        for part in (r"</?\w+>", r"^\s|\s$", r"\n"):
            assert sorted(re.findall(part, text)) == sorted(re.findall(part, shown)), text
        # The canvas's texts pass through a JavaScript template.
        assert not set("\\`$") & set(shown) - set(text), text


def test_a_language_begins_empty_and_keeps_what_is_known(texts: dict[str, set[str]]) -> None:
    fresh = updated(Catalog(locale="fr"), texts)
    assert len(fresh) == len(texts) and b'msgid "Export"' in written(fresh)
    german = read(LOCALE / "de.po")
    assert updated(german, {"Keep": {"page"}}).get("Keep").string == german.get("Keep").string  # type: ignore[union-attr]


def test_an_unknown_language_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"expected one of the languages en, de.*got 'xx'"):
        use_language("xx")


def test_a_text_is_filled_in_after_its_translation(german: None) -> None:
    assert current_catalogue().language == "de"
    assert tr("Keep") == "Behalten" and tr("a text without translation {n}", n=2) == "a text without translation 2"


def test_what_is_shown_is_translated_and_values_stay(german: None) -> None:
    with gr.Blocks() as page:
        engine = gr.Dropdown([("all engines", ""), "auto"], label="Engine", info="no such text")
        title = gr.HTML("<h3 title='Export'>Keep</h3><style>Keep</style>")
        name = gr.Textbox("Keep", label="Label", elem_id="fs-any")
        button = gr.Button("Keep (A)")
    translate_page(page)
    assert engine.choices == [("alle Verfahren", ""), ("auto", "auto")]
    assert (engine.label, engine.info) == ("Verfahren", "no such text")
    assert title.value == "<h3 title='Export'>Behalten</h3><style>Keep</style>"
    assert (name.value, name.elem_id, button.value) == ("Keep", "fs-any", "Behalten (A)")


def test_a_text_ends_at_a_block_and_holds_inline_tags() -> None:
    seen: list[str] = []

    def record(text: str) -> str:
        seen.append(text)
        return f"[{text}]"

    html = translated_markup('<p>Press <kbd>B</kbd>\nto paint</p><i title="It&#x27;s (Ctrl+Z)">7</i>', record)
    assert seen == ["Press <kbd>B</kbd> to paint", "It's", "Ctrl"]
    assert html == '<p>[Press <kbd>B</kbd> to paint]</p><i title="[It&#x27;s] ([Ctrl]+Z)">7</i>'
    assert translated_text("41 MB", record) == "41 MB" and translated_text("/data/line3", record) == "/data/line3"
