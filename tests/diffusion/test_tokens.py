"""Placeholder words: prompts to ids, vectors into the table and out again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from core.diffusion.backbone import Backbone
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.tokens import (
    Placeholder,
    encode_text,
    initial_vectors,
    load_placeholders,
    padded_ids,
    prompt_ids,
    save_placeholders,
    token_positions,
    with_placeholders,
)
from core.errors import InputError, Unavailable


def word(name: str = "<crack>", k: int = 3, width: int = 16, seed: int = 0) -> Placeholder:
    return Placeholder(name, torch.randn(k, width, generator=torch.Generator().manual_seed(seed)))


def test_ids_are_the_tokenizers(toy: Backbone) -> None:
    for prompt in ("a photo of a metal plate", "A Scratch, with bolts!", "", "Kratzer über Stahl"):
        theirs = toy.tokenizer(prompt, padding="max_length", max_length=77).input_ids
        assert padded_ids(toy, [prompt])[0].tolist() == list(theirs)


def test_a_placeholder_expands_to_its_ids(toy: Backbone) -> None:
    rows = len(toy.tokenizer)
    with with_placeholders(toy, [word(k=3), word("<dent_2>", k=2)]) as known:
        ids = prompt_ids(known, "a photo of <crack>, a metal plate with<dent_2>")
        assert [i for i in ids if i >= rows] == list(range(rows, rows + 5))
        plain = prompt_ids(toy, "a photo of , a metal plate with")
        assert [i for i in ids if i < rows] == plain
        assert token_positions(known, "a <crack> scratch", "<crack>") == (2, 3, 4)
        assert token_positions(known, "a <crack> scratch", "scratch") == (5,)


def test_vectors_that_copy_words_mean_those_words(toy: Backbone) -> None:
    copied = Placeholder("<same>", initial_vectors(toy, "metal plate", 2))
    with with_placeholders(toy, [copied]) as known:
        assert torch.equal(encode_text(known, ["a <same>"]).states, encode_text(toy, ["a metal plate"]).states)


def test_the_table_is_as_before_also_after_an_exception(toy: Backbone) -> None:
    before, table = encode_text(toy, ["a scratch"]).states, toy.text_encoder.get_input_embeddings()
    with pytest.raises(ZeroDivisionError), with_placeholders(toy, [word()]) as known:
        assert torch.equal(encode_text(known, ["a scratch"]).states, before)
        assert not torch.equal(encode_text(known, ["a <crack>"]).states, before)
        with with_placeholders(known, [word("<inner>")]) as deeper:
            assert prompt_ids(deeper, "<crack> <inner>") == list(range(len(toy.tokenizer), len(toy.tokenizer) + 6))
            raise ZeroDivisionError
    assert toy.text_encoder.get_input_embeddings() is table and not toy.placeholders
    assert torch.equal(encode_text(toy, ["a scratch"]).states, before)


def test_only_the_new_vectors_take_gradients(toy: Backbone) -> None:
    vectors = nn.Parameter(word().vectors)
    with with_placeholders(toy, [Placeholder("<crack>", vectors)]) as known:
        encode_ids(known, padded_ids(known, ["a photo of <crack>"])).states.square().sum().backward()
    assert vectors.grad is not None and float(vectors.grad.abs().min()) > 0
    assert all(p.grad is None for p in toy.text_encoder.parameters())


def test_a_concept_file_holds_words_and_notes(toy: Backbone, tmp_path: Path) -> None:
    path = tmp_path / "crack.safetensors"
    given = [Placeholder("<crack>", word().vectors, {"steps": "300", "start": "damage"}), word("<dent>", 2, seed=1)]
    save_placeholders(path, given)
    back = load_placeholders(path)
    assert [(w.word, dict(w.notes)) for w in back] == [(w.word, dict(w.notes)) for w in given]
    assert all(torch.equal(a.vectors, b.vectors) for a, b in zip(back, given, strict=True))
    assert path.stat().st_size < 2000
    with with_placeholders(toy, back) as known:
        assert len(prompt_ids(known, "<crack> <dent>")) == 5


@pytest.mark.parametrize("content", [None, b"", b"not tensors"])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unavailable, match="x.safetensors"):
        load_placeholders(path)


def test_weights_of_something_else_are_refused(toy_folder: Path) -> None:
    with pytest.raises(Unavailable, match="concept"):
        load_placeholders(toy_folder / "vae" / "diffusion_pytorch_model.safetensors")


def test_wrong_words_are_refused_in_one_line(toy: Backbone) -> None:
    with pytest.raises(InputError, match="<name>"):
        word("crack")
    with pytest.raises(InputError, match="float vectors"):
        Placeholder("<crack>", torch.zeros(3))
    with pytest.raises(InputError, match="width 8"), with_placeholders(toy, [word(width=8)]):
        pass
    with pytest.raises(InputError, match="twice"), with_placeholders(toy, [word(), word()]):
        pass
    with pytest.raises(InputError, match="not loaded"):
        prompt_ids(toy, "a <crack> on metal")
    with pytest.raises(InputError, match="shorten"):
        prompt_ids(toy, "a " * 76)
    with pytest.raises(InputError, match="not in the prompt"):
        token_positions(toy, "a photo", "bolt")
    with pytest.raises(InputError, match="start word"):
        initial_vectors(toy, "", 2)
