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
from core.methods.comgen.component_prompt import Prompt
from core.methods.comgen.prompt_edits import HEAVIEST, Edited, PromptEdit, outcome, read_edits

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, HEAVIEST)
"""Where a word's weight stops on its way up and down."""
_COUNTS = ("remove", "repeat", "count")


def edits_of(text: str) -> tuple[PromptEdit, ...]:
    """As read_edits, but no text is no edit."""
    return read_edits(text) if text.strip() else ()


def text_of(edits: Sequence[PromptEdit]) -> str:
    """The edits as ``read_edits`` takes them; "" for none."""
    return "; ".join(map(str, edits))


def named(edits: Sequence[PromptEdit]) -> tuple[PromptEdit, ...]:
    """Those that say which component they mean; the others wait for a seed."""
    return tuple(edit for edit in edits if edit.names)


def added(prompt: Prompt, text: str, more: str) -> str:
    """The text of the edits ``text`` and then ``more``, as short as it can be said; "" where they cancel out.

    InputError where it cannot be done, ``text`` then stays as it is.
    """
    return text_of(shortened(prompt, (*edits_of(text), *read_edits(more))))


def without(prompt: Prompt, text: str, place: int) -> str:
    """The text without its ``place``-th edit. InputError where another one needs it."""
    edits = edits_of(text)
    if not 0 <= place < len(edits):
        raise InputError(f"edit {text!r}: it has {len(edits)} parts, and part {place + 1} is not among them")
    left = (*edits[:place], *edits[place + 1 :])
    outcome(prompt, named(left))
    return text_of(left)


def shortened(prompt: Prompt, edits: Sequence[PromptEdit]) -> tuple[PromptEdit, ...]:
    """Fewer edits with the same outcome: what cancels out goes, two of a kind become one.

    Those without a name stay. InputError where the edits cannot be carried out.
    """
    wanted = outcome(prompt, named(edits))
    found = tuple(edits)
    while (shorter := next((one for one in _shorter(prompt, found) if _same(prompt, one, wanted)), None)) is not None:
        found = shorter
    return found


def _same(prompt: Prompt, edits: Sequence[PromptEdit], wanted: Edited) -> bool:
    try:
        got = outcome(prompt, named(edits))
    except InputError:
        return False
    return (got.after, got.places) == (wanted.after, wanted.places)


def _shorter(prompt: Prompt, edits: tuple[PromptEdit, ...]) -> Iterator[tuple[PromptEdit, ...]]:
    """Shorter lists that may mean the same."""
    at = [i for i, edit in enumerate(edits) if edit.names]
    for i in at:
        yield (*edits[:i], *edits[i + 1 :])
    for i in at:
        for j in (j for j in at if j > i and _alike(edits[i], edits[j])):
            yield (*edits[:i], *edits[i + 1 : j], *edits[j + 1 :])
            one = edits[j] if edits[i].op not in _COUNTS else _counted(prompt, edits, i, j)
            if one is not None:
                yield (*edits[:i], replace(one, names=edits[i].names), *edits[i + 1 : j], *edits[j + 1 :])


def _alike(one: PromptEdit, other: PromptEdit) -> bool:
    return one.op == other.op or (one.op in _COUNTS and other.op in _COUNTS)


def _counted(prompt: Prompt, edits: tuple[PromptEdit, ...], i: int, j: int) -> PromptEdit | None:
    """One edit that changes the count of the ``i``-th edit's component as that and the ``j``-th do together."""
    try:
        before = outcome(prompt, named(edits[:i])).after
        name = edits[i].names[0]
        first = before.chips[before.find(name, str(edits[i]))].count
        after = outcome(prompt, named(edits[: j + 1])).after
        last = next((chip.count for chip in after.chips if chip.name == name), 0)
    except InputError:
        return None
    if last == 0:
        return PromptEdit("remove", (name,))
    change = last - first
    return PromptEdit("remove" if change < 0 else "repeat", (name,), str(abs(change))) if change else None


def marked(before: str, after: str) -> list[tuple[str, Mark]]:
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
