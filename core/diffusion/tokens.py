"""Prompts to token ids, and placeholder words that stand for k learned vectors.

A placeholder is written ``<name>`` in a prompt. Its vectors are appended to the embedding table for the time of a
``with`` block; the tokenizer is never touched, the prompt is cut at the placeholders and the pieces are joined as ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from core.device import torch_generator
from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.prompt_encoding import encode_ids
from core.errors import InputError, Unavailable
from core.images import atomic_write

_NAME = re.compile(r"<[a-z0-9_]{1,48}>")


@dataclass(frozen=True)
class Placeholder:
    """A word and its vectors: float (k, width of the text encoder, or of both side by side).

    ``notes`` say how it came about.
    """

    word: str
    vectors: Tensor
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.word):
            raise InputError(f"placeholder {self.word!r}: write it <name>, with 1 to 48 of a-z, 0-9 and _ between")
        if self.vectors.ndim != 2 or 0 in self.vectors.shape or not self.vectors.is_floating_point():
            raise InputError(
                f"placeholder {self.word}: expected float vectors (k, width), got {self.vectors.dtype} "
                f"{tuple(self.vectors.shape)}"
            )


class ExtendedEmbedding(nn.Module):
    """An embedding table with rows appended: the ``columns`` of ``extra`` (k, ...), which alone takes gradients."""

    def __init__(self, base: nn.Module, extra: Tensor, columns: slice = slice(None)) -> None:
        super().__init__()
        self.base = base
        self.columns = columns
        self.extra = extra if isinstance(extra, nn.Parameter) else nn.Parameter(extra, requires_grad=False)
        self.first = int(base.num_embeddings)  # type: ignore[arg-type]
        self.embedding_dim = int(base.embedding_dim)  # type: ignore[arg-type]
        self.num_embeddings = self.first + extra.shape[0]

    @property
    def weight(self) -> Tensor:
        """The whole table (rows, width)."""
        known: Tensor = self.base.weight  # type: ignore[assignment]
        return torch.cat([known, self.extra[:, self.columns].to(known)])

    def forward(self, ids: Tensor) -> Tensor:
        new = ids >= self.first
        known: Tensor = self.base(ids.masked_fill(new, 0))
        learned = self.extra[:, self.columns][(ids - self.first).clamp(min=0)].to(known)
        return torch.where(new[..., None], learned, known)


@contextmanager
def with_placeholders(backbone: Backbone, words: Sequence[Placeholder]) -> Iterator[Backbone]:
    """``backbone`` as it understands ``words``; the model is as before when the block ends, however it ends.

    Vectors that are ``nn.Parameter`` are used as they are, so that an optimiser outside sees their gradients.
    InputError where a word is taken or a vector has another width.
    """
    columns, known = embedding_columns(backbone), dict(backbone.placeholders)
    before = [encoder.get_input_embeddings() for encoder in backbone.text_encoders]
    tables = list(before)
    for word in words:
        if word.word in known:
            raise InputError(f"placeholder {word.word}: it is there twice; rename one")
        if word.vectors.shape[1] != columns[-1].stop:
            raise InputError(
                f"placeholder {word.word}: it was learned for a text encoder of width {word.vectors.shape[1]}, "
                f"{backbone.name} has {columns[-1].stop}; use the backbone it was learned on"
            )
        device = before[0].weight.device
        vectors = word.vectors if isinstance(word.vectors, nn.Parameter) else word.vectors.to(device)
        tables = [ExtendedEmbedding(table, vectors, own) for table, own in zip(tables, columns, strict=True)]
        known[word.word] = tuple(range(tables[0].first, tables[0].num_embeddings))
    with own_embeddings(backbone, tables):
        yield replace(backbone, placeholders=known)


def embedding_columns(backbone: Backbone) -> list[slice]:
    """Which columns of a learned vector belong to each of the text encoders, side by side."""
    # The weight of a table with rows appended is put together anew at each look.
    widths = [int(encoder.get_input_embeddings().embedding_dim) for encoder in backbone.text_encoders]
    return [slice(sum(widths[:i]), sum(widths[: i + 1])) for i in range(len(widths))]


@contextmanager
def own_embeddings(backbone: Backbone, tables: Sequence[nn.Module]) -> Iterator[None]:
    """The text encoders with ``tables``, one for each, as their embedding tables while the block runs."""
    before = [encoder.get_input_embeddings() for encoder in backbone.text_encoders]
    try:
        for encoder, table in zip(backbone.text_encoders, tables, strict=True):
            encoder.set_input_embeddings(table)
        yield
    finally:
        for encoder, table in zip(backbone.text_encoders, before, strict=True):
            encoder.set_input_embeddings(table)


def prompt_ids(backbone: Backbone, prompt: str) -> list[int]:
    """Ids of ``prompt`` without start, end and padding; placeholders give their k ids.

    InputError where a word ``<...>`` is unknown or the prompt is longer than the model reads.
    """
    ids: list[int] = []
    for piece in re.split(r"(<[^<>\s]*>)", prompt):
        if piece in backbone.placeholders:
            ids += backbone.placeholders[piece]
        elif _NAME.fullmatch(piece):
            have = ", ".join(backbone.placeholders) or "none"
            raise InputError(f"prompt {prompt!r}: {piece} is not loaded (there are: {have}); load or learn it first")
        elif piece.strip():
            ids += backbone.tokenizer(piece, add_special_tokens=False, truncation=False, verbose=False).input_ids
    room = backbone.max_tokens - sum(map(len, backbone.prompt_ends))
    if len(ids) > room:
        raise InputError(f"prompt of {len(ids)} tokens: the model reads {room}; shorten it ({prompt[:40]!r}...)")
    return ids


def padded_ids(backbone: Backbone, prompts: Sequence[str]) -> Tensor:
    """Ids int64 (N, length) with start, end and padding, as the text encoder reads them."""
    before, after = backbone.prompt_ends
    rows = []
    for prompt in prompts:
        ids = [*before, *prompt_ids(backbone, prompt), *after]
        rows.append(ids + [backbone.tokenizer.pad_token_id] * (backbone.max_tokens - len(ids)))
    return torch.tensor(rows, dtype=torch.int64)


@torch.no_grad()
def encode_text(backbone: Backbone, prompts: Sequence[str]) -> Conditioning:
    """The conditioning of N ``prompts``; placeholders are understood."""
    return encode_ids(backbone, padded_ids(backbone, prompts))


def token_positions(backbone: Backbone, prompt: str, word: str) -> tuple[int, ...]:
    """Where ``word`` (one word, several, or a placeholder) stands in the padded ids of ``prompt``: all its tokens.

    InputError where the prompt does not hold it.
    """
    ids, first = prompt_ids(backbone, prompt), len(backbone.prompt_ends[0])
    found: list[int] = []
    # Some tokenizers read a word otherwise after a blank.
    for part in (prompt_ids(backbone, f" {word}"), prompt_ids(backbone, word)):
        for start in range(len(ids) - len(part) + 1) if part else ():
            if ids[start : start + len(part)] == part:
                found += range(first + start, first + start + len(part))
    if not found:
        raise InputError(f"word {word!r}: it is not in the prompt {prompt!r}; name a word of the prompt")
    return tuple(dict.fromkeys(found))


def token_spans(backbone: Backbone, pieces: Sequence[str]) -> list[tuple[int, ...]]:
    """Where each of ``pieces``, which make up a prompt, stands in its padded ids: the same word twice is told apart.

    InputError where the tokenizer reads across the joint of two pieces; cut the prompt between words.
    """
    out, at, ids = [], len(backbone.prompt_ends[0]), list[int]()
    for piece in _with_blanks_first(pieces):
        own = prompt_ids(backbone, piece)
        out.append(tuple(range(at, at + len(own))))
        at, ids = at + len(own), ids + own
    if ids != prompt_ids(backbone, prompt := "".join(pieces)):
        raise InputError(f"prompt {prompt[:40]!r}...: its pieces read otherwise together; separate words by blanks")
    return out


def _with_blanks_first(pieces: Sequence[str]) -> list[str]:
    """The same text in as many pieces, with blanks at the start of the next piece in place of the end of the one
    before: some tokenizers read a blank with the word after it."""
    out, blanks = [], ""
    for piece in pieces[:-1]:
        text = blanks + piece
        kept = text.rstrip(" ")
        out.append(kept)
        blanks = text[len(kept) :]
    return [*out, blanks + pieces[-1]] if pieces else []


def initial_vectors(backbone: Backbone, word: str, count: int) -> Tensor:
    """``count`` vectors float32 (count, width) to start learning from: those of ``word``'s tokens, repeated."""
    ids = prompt_ids(backbone, f" {word.strip()}")
    if not ids:
        raise InputError(f"start word {word!r}: the tokenizer knows no token of it; give another, such as 'damage'")
    rows = [ids[i % len(ids)] for i in range(count)]
    tables = [encoder.get_input_embeddings().weight.detach().float().cpu() for encoder in backbone.text_encoders]
    return torch.cat([table[rows] for table in tables], dim=1)


def jittered(vectors: Tensor, seed: int) -> Tensor:
    """``vectors`` float32 (k, width), each moved a little on its own: equal ones would only ever learn the same."""
    noise = torch.randn(vectors.shape, generator=torch_generator(seed))
    return vectors + 0.1 * vectors.std() * noise


def save_placeholders(path: Path, words: Sequence[Placeholder]) -> None:
    """Write a concept file: safetensors, one tensor a word, notes as metadata."""
    from safetensors.torch import save

    tensors = {w.word: w.vectors.detach().float().cpu().contiguous() for w in words}
    if len(tensors) != len(words) or not words:
        raise InputError("concept file: expected at least one placeholder, each word once")
    notes = {f"{w.word}.{key}": str(value) for w in words for key, value in w.notes.items()}
    atomic_write(path, save(tensors, metadata={"format": "flawsmith-placeholders", **notes}))


def load_placeholders(path: Path) -> list[Placeholder]:
    """Inverse of save_placeholders; Unavailable where the file is missing or another kind of file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            notes = dict(file.metadata() or {})
            if notes.pop("format", None) != "flawsmith-placeholders":
                raise Unavailable(f"{path}: it holds weights, but not of placeholders; give a concept file")
            return [
                Placeholder(
                    word,
                    file.get_tensor(word),
                    {k.removeprefix(f"{word}."): v for k, v in notes.items() if k.startswith(f"{word}.")},
                )
                for word in sorted(file.keys())
            ]
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"{path}: no concept file can be read there ({error}); learn it again") from error
