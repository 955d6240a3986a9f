"""The component prompt while a person edits it: one press is one edit, and the text of all of them stays short.

What is pressed and what is typed are one language: a press adds an edit such as ``remove:washer=1`` to those there
are, and ``read_edits`` of the text gives the same chips again. Pure values and functions, as in component_prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from core.engines.prompt_editing import Mark
from core.errors import InputError
from core.methods.comgen.component_prompt import ComponentPrompt
from core.methods.comgen.prompt_edits import MAX_WEIGHT, EditedPrompt, PromptEdit, outcome_of_edits, read_edits

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, MAX_WEIGHT)
"""Where a word's weight stops on its way up and down."""
_COUNTS = ("remove", "repeat", "count")


def read_edits_or_none(text: str) -> tuple[PromptEdit, ...]:
    """As read_edits, but no text is no edit."""
    return read_edits(text) if text.strip() else ()


def edits_text(edits: Sequence[PromptEdit]) -> str:
    """The edits as ``read_edits`` takes them; "" for none."""
    return "; ".join(map(str, edits))


def named_edits(edits: Sequence[PromptEdit]) -> tuple[PromptEdit, ...]:
    """Those that say which component they mean; the others wait for a seed."""
    return tuple(edit for edit in edits if edit.names)


def with_edits_added(prompt: ComponentPrompt, text: str, more: str) -> str:
    """The text of the edits ``text`` and then ``more``, as short as it can be said; "" where they cancel out.

    InputError where it cannot be done, ``text`` then stays as it is.
    """
    return edits_text(shortened(prompt, (*read_edits_or_none(text), *read_edits(more))))


def without_edit(prompt: ComponentPrompt, text: str, place: int) -> str:
    """The text without its ``place``-th edit. InputError where another one needs it."""
    edits = read_edits_or_none(text)
    if not 0 <= place < len(edits):
        raise InputError(f"edit {text!r}: it has {len(edits)} parts, and part {place + 1} is not among them")
    left = (*edits[:place], *edits[place + 1 :])
    outcome_of_edits(prompt, named_edits(left))
    return edits_text(left)


def shortened(prompt: ComponentPrompt, edits: Sequence[PromptEdit]) -> tuple[PromptEdit, ...]:
    """Fewer edits with the same outcome: what cancels out goes, two of a kind become one.

    Those without a name stay. InputError where the edits cannot be carried out.
    """
    wanted = outcome_of_edits(prompt, named_edits(edits))
    found = tuple(edits)
    while (shorter := next((one for one in _shorter(prompt, found) if _same(prompt, one, wanted)), None)) is not None:
        found = shorter
    return found


def _same(prompt: ComponentPrompt, edits: Sequence[PromptEdit], wanted: EditedPrompt) -> bool:
    try:
        got = outcome_of_edits(prompt, named_edits(edits))
    except InputError:
        return False
    return (got.after, got.slots) == (wanted.after, wanted.slots)


def _shorter(prompt: ComponentPrompt, edits: tuple[PromptEdit, ...]) -> Iterator[tuple[PromptEdit, ...]]:
    """Shorter lists that may mean the same."""
    at = [i for i, edit in enumerate(edits) if edit.names]
    for i in at:
        yield (*edits[:i], *edits[i + 1 :])
    for i in at:
        for j in (j for j in at if j > i and _alike(edits[i], edits[j])):
            yield (*edits[:i], *edits[i + 1 : j], *edits[j + 1 :])
            one = edits[j] if edits[i].op not in _COUNTS else _merged_count_edit(prompt, edits, i, j)
            if one is not None:
                yield (*edits[:i], replace(one, names=edits[i].names), *edits[i + 1 : j], *edits[j + 1 :])


def _alike(one: PromptEdit, other: PromptEdit) -> bool:
    return one.op == other.op or (one.op in _COUNTS and other.op in _COUNTS)


def _merged_count_edit(prompt: ComponentPrompt, edits: tuple[PromptEdit, ...], i: int, j: int) -> PromptEdit | None:
    """One edit that changes the count of the ``i``-th edit's component as that and the ``j``-th do together."""
    try:
        before = outcome_of_edits(prompt, named_edits(edits[:i])).after
        name = edits[i].names[0]
        first = before.components[before.index_of(name, str(edits[i]))].count
        after = outcome_of_edits(prompt, named_edits(edits[: j + 1])).after
        last = next((chip.count for chip in after.components if chip.name == name), 0)
    except InputError:
        return None
    if last == 0:
        return PromptEdit("remove", (name,))
    change = last - first
    return PromptEdit("remove" if change < 0 else "repeat", (name,), str(abs(change))) if change else None


def diff_words(before: str, after: str) -> list[tuple[str, Mark]]:
    """Both sentences as one: runs of words that stay, are struck out, or are new, in the order they are read."""
    old, new = before.split(), after.split()
    runs: list[tuple[str, Mark]] = []
    for kind, i, k, j, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            runs.append((" ".join(old[i:k]), "same"))
            continue
        runs += [(" ".join(old[i:k]), "gone")] if k > i else []
        runs += [(" ".join(new[j:m]), "new")] if m > j else []
    return runs


def lighter(weight: float) -> float | None:
    """The next weight down; None at the end."""
    return next((w for w in reversed(WEIGHTS) if w < weight - 1e-9), None)


def heavier(weight: float) -> float | None:
    """The next weight up; None at the end."""
    return next((w for w in WEIGHTS if w > weight + 1e-9), None)
