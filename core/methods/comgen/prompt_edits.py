"""Edits of a component prompt that make a photo break its own logic (ComGEN, section III-B, "Prompt Modifications").

    prompt = read_prompt("a fastener tray with a bolt, a nut and two washers")
    edited = apply(prompt, read_edits("remove:bolt; count:washer=3"))
    edited.after.text              # "a fastener tray with a nut and three washers"

Pure values and functions: no model, no photo. core.methods.comgen turns what changed into attention.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from core.errors import InputError
from core.methods.comgen.component_prompt import MAX_COUNT, ComponentPrompt, PromptComponent, read_prompt

EditOp = Literal["remove", "repeat", "swap", "replace", "count", "weight", "adjective"]
EDIT_OPS: tuple[EditOp, ...] = get_args(EditOp)
EXAMPLES: dict[EditOp, str] = {
    "remove": "remove:washer (all of them) or remove:washer=1",
    "repeat": "repeat:nut or repeat:nut=2",
    "swap": "swap:nut,bolt",
    "replace": "replace:nut,gear",
    "count": "count:washer=3",
    "weight": "weight:bolt=0.5",
    "adjective": "adjective:bolt=rusty",
}
MAX_WEIGHT = 4.0


@dataclass(frozen=True)
class PromptEdit:
    """One change. ``names`` are one component or two; none means "by chance". ``value`` is its number or adjective."""

    op: EditOp
    names: tuple[str, ...] = ()
    value: str = ""

    def __str__(self) -> str:
        names = f":{','.join(self.names)}" if self.names else ""
        return f"{self.op}{names}{f'={self.value}' if self.value else ''}"


@dataclass(frozen=True)
class EditedPrompt:
    """A prompt before and after. ``places[i]`` is the chip of ``before`` in whose places chip i of ``after`` lies:
    its own, the other's where two were swapped, the old one's where one was replaced."""

    before: ComponentPrompt
    after: ComponentPrompt
    slots: tuple[int, ...]
    edits: tuple[PromptEdit, ...] = ()

    def with_learned_words(self, words: Mapping[str, str]) -> EditedPrompt:
        """Both prompts as a model reads them that has learned ``words`` by name."""
        return replace(self, before=self.before.with_learned_words(words), after=self.after.with_learned_words(words))

    def changed_components(self) -> tuple[int, ...]:
        """Chips of ``before`` that are gone, fewer, more, elsewhere or look otherwise."""
        same = {
            place
            for chip, place in zip(self.after.components, self.slots, strict=True)
            if chip == self.before.components[place] and self.slots.count(place) == 1
        }
        return tuple(i for i in range(len(self.before.components)) if i not in same)


def read_edits(text: str) -> tuple[PromptEdit, ...]:
    """Edits from "remove:bolt; count:washer=3"; without a name, ``remove``, ``repeat`` and ``swap`` mean any.

    InputError in one line, with an example.
    """
    edits = tuple(_edit(part.strip()) for part in text.split(";") if part.strip())
    if not edits:
        raise InputError(
            f"edit {text!r}: expected at least one of {', '.join(EDIT_OPS)}; for example {EXAMPLES['remove']}"
        )
    return edits


def _edit(text: str) -> PromptEdit:
    op, _, rest = text.partition(":")
    if op not in EDIT_OPS:
        raise InputError(f"edit {text!r}: expected {', '.join(EDIT_OPS)}; for example {EXAMPLES['remove']}")
    named, _, value = rest.partition("=")
    edit = PromptEdit(op, tuple(n.strip() for n in named.split(",") if n.strip()), value.strip())
    pair, chance = op in ("swap", "replace"), op in ("remove", "repeat", "swap")
    wrong = (
        len(edit.names) not in ((2,) if pair else (1,)) + ((0,) if chance else ())
        or ("=" in rest) != bool(edit.value)
        or (pair and edit.value)
        or (op in ("count", "weight", "adjective") and not edit.value)
        or (edit.value and not edit.names)
    )
    if wrong:
        raise InputError(f"edit {text!r}: expected {EXAMPLES[op]}; several as remove:bolt; remove:nut")
    return edit


def draw_missing_names(
    edits: Sequence[PromptEdit], prompt: ComponentPrompt, rng: np.random.Generator
) -> tuple[PromptEdit, ...]:
    """``edits`` with a component drawn where none was named; of several of a kind, one is taken away."""
    out: list[PromptEdit] = []
    for edit in edits:
        if not edit.names:
            want = 2 if edit.op == "swap" else 1
            if len(prompt.components) < want:
                raise InputError(
                    f"edit '{edit}': the prompt has {len(prompt.components)} component; it takes two to swap"
                )
            drawn = [prompt.components[i] for i in rng.choice(len(prompt.components), want, replace=False)]
            value = "1" if edit.op == "remove" and drawn[0].count > 1 else ""
            edit = PromptEdit(edit.op, tuple(c.name for c in drawn), value)
        out.append(edit)
    return tuple(out)


def apply_edits(prompt: ComponentPrompt, edits: Sequence[PromptEdit]) -> EditedPrompt:
    """The prompt after ``edits``, one after the other, and whose places each component takes.

    InputError where a component is unknown, a number is out of bounds, nothing is left, or nothing changed.
    """
    edited = outcome_of_edits(prompt, edits)
    if not edited.changed_components():
        said = "; ".join(map(str, edits))
        raise InputError(f"edit {said!r}: it leaves the components as they are; change something")
    return edited


def outcome_of_edits(prompt: ComponentPrompt, edits: Sequence[PromptEdit]) -> EditedPrompt:
    """As ``apply_edits``, but what changes nothing, or no edit at all, is no error."""
    chips, places = list(prompt.components), list(range(len(prompt.components)))
    for edit in edits:
        now = ComponentPrompt(prompt.title, tuple(chips))
        at = [now.index_of(name, str(edit)) for name in (edit.names if edit.op == "swap" else edit.names[:1])]
        if edit.op == "swap":
            if at[0] == at[1]:
                raise InputError(f"edit '{edit}': a component cannot be swapped with itself; name two")
            places[at[0]], places[at[1]] = places[at[1]], places[at[0]]
            continue
        chip = _changed_component(chips[at[0]], edit)
        if chip is None:
            del chips[at[0]], places[at[0]]
        else:
            chips[at[0]] = chip
        if not chips:
            raise InputError(f"edit '{edit}': it removes every component; keep at least one")
    return EditedPrompt(prompt, ComponentPrompt(prompt.title, tuple(chips)), tuple(places), tuple(edits))


def _changed_component(chip: PromptComponent, edit: PromptEdit) -> PromptComponent | None:
    """``chip`` after any edit but a swap; None where it is gone."""
    if edit.op == "replace":
        other = read_prompt(edit.names[1]).components[0]
        return replace(chip, noun=other.noun, adjective=other.adjective)
    if edit.op == "weight":
        return replace(chip, weight=_number(edit, 0.0, MAX_WEIGHT))
    if edit.op == "adjective":
        if not re.fullmatch(r"[A-Za-z-]+( [A-Za-z-]+){0,2}", edit.value):
            raise InputError(f"edit '{edit}': expected one to three words, for example {EXAMPLES['adjective']}")
        return replace(chip, adjective=edit.value.lower())
    if edit.op == "count":
        count = int(_number(edit, 0, MAX_COUNT, whole=True))
    elif edit.op == "repeat":
        count = chip.count + int(_number(edit, 1, MAX_COUNT, whole=True) if edit.value else 1)
    else:
        gone = int(_number(edit, 1, MAX_COUNT, whole=True)) if edit.value else chip.count
        if gone > chip.count:
            raise InputError(f"edit '{edit}': there are only {chip.count} of {chip.name!r}; remove fewer")
        count = chip.count - gone
    if count > MAX_COUNT:
        raise InputError(f"edit '{edit}': it makes {count} of {chip.name!r}, expected at most {MAX_COUNT}")
    return replace(chip, count=count) if count else None


def _number(edit: PromptEdit, low: float, high: float, whole: bool = False) -> float:
    try:
        value = float(edit.value)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"edit '{edit}': expected {kind} from {low:g} to {high:g}, as in {EXAMPLES[edit.op]}")
    return value
