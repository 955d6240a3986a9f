"""A photo in words, one chip for each kind of component, and the edits that make it break its own logic.

    prompt = read_prompt("a fastener tray with a bolt, a nut and two washers")
    edited = apply(prompt, read_edits("remove:bolt; count:washer=3"))
    edited.after.text              # "a fastener tray with a nut and three washers"

Pure values and functions: no model, no photo. core.engines.comgen turns what changed into attention (ComGEN,
section III-B, "Prompt Modifications").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from core.errors import InputError

Op = Literal["remove", "repeat", "swap", "replace", "count", "weight", "adjective"]
OPS: tuple[Op, ...] = get_args(Op)
EXAMPLES: dict[Op, str] = {
    "remove": "remove:washer (all of them) or remove:washer=1",
    "repeat": "repeat:nut or repeat:nut=2",
    "swap": "swap:nut,bolt",
    "replace": "replace:nut,gear",
    "count": "count:washer=3",
    "weight": "weight:bolt=0.5",
    "adjective": "adjective:bolt=rusty",
}
MOST = 12
"""Most components of one kind, and most that are added at once."""
HEAVIEST = 4.0

_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ONE = ("a", "an", "one", "the")
_HISSING = ("s", "x", "ch", "sh")


@dataclass(frozen=True)
class Chip:
    """One kind of component: its noun (a word, or a learned ``<word>``), how many, how it looks, how much it counts.

    ``weight`` multiplies the attention of its word; 1 leaves it alone. A learned ``token`` is what the model reads in
    place of the noun, or, where it ``stands_for_all``, of adjective and noun.
    """

    noun: str
    count: int = 1
    adjective: str = ""
    weight: float = 1.0
    token: str = ""
    stands_for_all: bool = False

    @property
    def name(self) -> str:
        """Adjective and noun, as a person says which component is meant."""
        return f"{self.adjective} {self.noun}".strip()

    @property
    def word(self) -> str:
        """The noun as it stands in the prompt: plural where there are several."""
        if self.token:
            return self.token
        return self.noun if self.count == 1 or self.noun.startswith("<") else plural(self.noun)

    @property
    def lead(self) -> str:
        """What stands before the word: the number and the adjective."""
        adjective = "" if self.stands_for_all else self.adjective
        number = _NUMBERS[self.count]
        if self.count == 1 and (adjective or self.word)[:1] in "aeio":
            number = "an"
        return " ".join(filter(None, (number, adjective)))

    def spoken(self, words: Mapping[str, str]) -> Chip:
        """With the learned word for its name, or for its noun, where there is one."""
        if self.name in words:
            return replace(self, token=words[self.name], stands_for_all=True)
        return replace(self, token=words[self.noun]) if self.noun in words else self


@dataclass(frozen=True)
class Prompt:
    """What a photo shows: a ``title`` ("a fastener tray", may be empty) and its components."""

    title: str
    chips: tuple[Chip, ...]

    @property
    def text(self) -> str:
        """One sentence, as models read it."""
        return "".join(piece for piece, _ in self.pieces())

    def pieces(self) -> list[tuple[str, int | None]]:
        """The text in pieces, each with the chip whose word it is, None for all between the words.

        A chip's noun in the title is its word too: of "a gear unit with a gear" models read the first.
        """
        out = self._title_pieces()
        for i, chip in enumerate(self.chips):
            if i == 0:
                before = " with " if self.title else ""
            else:
                before = " and " if i == len(self.chips) - 1 else ", "
            out += [(f"{before}{chip.lead} ", None), (chip.word, i)]
        return out

    def _title_pieces(self) -> list[tuple[str, int | None]]:
        nouns = [chip.noun for chip in self.chips]
        whose = {
            form: i
            for i, chip in enumerate(self.chips)
            if not chip.token and nouns.count(chip.noun) == 1
            for form in (chip.noun, plural(chip.noun))
        }
        out: list[tuple[str, int | None]] = []
        for part in re.findall(r"\S+|\s+", self.title):
            if part not in whose and out and out[-1][1] is None:
                out[-1] = (out[-1][0] + part, None)
            else:
                out.append((part, whose.get(part)))
        return out

    @property
    def plain(self) -> Prompt:
        """As a person reads it, without learned words."""
        return replace(self, chips=tuple(replace(chip, token="", stands_for_all=False) for chip in self.chips))

    def spoken(self, words: Mapping[str, str]) -> Prompt:
        """As a model reads it that has learned ``words`` by name."""
        return replace(self, chips=tuple(chip.spoken(words) for chip in self.chips))

    def find(self, name: str, edit: str) -> int:
        """Which chip ``name`` means: adjective and noun, or the noun alone where one chip bears it."""
        wanted = " ".join(name.split())
        for known in ([c.name for c in self.chips], [c.noun for c in self.chips]):
            found = [i for i, one in enumerate(known) if wanted in (one, plural(one))]
            if len(found) == 1:
                return found[0]
        have = ", ".join(dict.fromkeys(c.name for c in self.chips)) or "none"
        many = any(c.noun == wanted for c in self.chips)
        problem = f"there are several {wanted!r}" if many else f"there is no {wanted!r}"
        raise InputError(f"edit {edit!r}: {problem} among the components ({have}); name one of these")


@dataclass(frozen=True)
class Edit:
    """One change. ``names`` are one component or two; none means "by chance". ``value`` is its number or adjective."""

    op: Op
    names: tuple[str, ...] = ()
    value: str = ""

    def __str__(self) -> str:
        names = f":{','.join(self.names)}" if self.names else ""
        return f"{self.op}{names}{f'={self.value}' if self.value else ''}"


@dataclass(frozen=True)
class Edited:
    """A prompt before and after. ``places[i]`` is the chip of ``before`` in whose places chip i of ``after`` lies:
    its own, the other's where two were swapped, the old one's where one was replaced."""

    before: Prompt
    after: Prompt
    places: tuple[int, ...]
    edits: tuple[Edit, ...] = ()

    def spoken(self, words: Mapping[str, str]) -> Edited:
        """Both prompts as a model reads them that has learned ``words`` by name."""
        return replace(self, before=self.before.spoken(words), after=self.after.spoken(words))

    def touched(self) -> tuple[int, ...]:
        """Chips of ``before`` that are gone, fewer, more, elsewhere or look otherwise."""
        same = {
            place
            for chip, place in zip(self.after.chips, self.places, strict=True)
            if chip == self.before.chips[place] and self.places.count(place) == 1
        }
        return tuple(i for i in range(len(self.before.chips)) if i not in same)


def plural(noun: str) -> str:
    """ "washers" for "washer", "switches" for "switch"."""
    return f"{noun}es" if noun.endswith(_HISSING) else f"{noun}s"


def singular(word: str) -> str:
    """Inverse of plural for what it writes."""
    if word.endswith("es") and word[:-2].endswith(_HISSING):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def prompt_of(names: Iterable[str], title: str = "") -> Prompt:
    """A prompt from the names of a photo's regions: "washer", "washer 2" and "washer_3" are three washers.

    InputError where there is none.
    """
    counts = Counter(map(component_of, names))
    if not counts:
        raise InputError("components: the photo has no named regions; name some in Regions, or write a prompt")
    return Prompt(title, tuple(_chip(name, n, name) for name, n in counts.items()))


def component_of(region: str) -> str:
    """The component that a region's name means: "washer" for "washer 2" and "washer_3", "lock nut" for "lock_nut"."""
    return re.sub(r"[ _#-]+\d+$", "", region.strip()).replace("_", " ")


def read_prompt(text: str) -> Prompt:
    """A prompt from a sentence "TITLE with a bolt, two nuts and a washer", or from the list alone.

    The last word of each item is its noun, what stands between it and the number its adjective.
    """
    clean = " ".join(text.split()).rstrip(".")
    title, _, listed = clean.rpartition(" with ")
    items = [item for item in re.split(r",\s*(?:and\s+)?|\s+and\s+", listed) if item]
    if not items or items[-1].split()[-1] == "with":
        raise InputError(
            f"prompt {text!r}: it names no component; write for example 'a tray with a bolt, a nut and two washers'"
        )
    return Prompt(title, tuple(_item(item, text) for item in items))


def _item(item: str, text: str) -> Chip:
    first, _, rest = item.partition(" ")
    if not rest:
        return _chip(item, 1, text)
    if first in _ONE:
        return _chip(rest, 1, text)
    count = int(first) if first.isdecimal() else _NUMBERS.index(first) if first in _NUMBERS[1:] else 0
    if not count:
        return _chip(item, 1, text)
    head, _, noun = rest.rpartition(" ")
    return _chip(f"{head} {noun if count == 1 else singular(noun)}".strip(), count, text)


def _chip(name: str, count: int, text: str) -> Chip:
    adjective, _, noun = name.rpartition(" ")
    if not re.fullmatch(r"[\w-]+|<[a-z0-9_]+>", noun) or not re.fullmatch(r"[\w -]*", adjective):
        raise InputError(f"prompt {text!r}: {name!r} is no component; name it with letters, digits and blanks")
    if not 1 <= count <= MOST:
        raise InputError(f"prompt {text!r}: expected 1 to {MOST} of {noun!r}, got {count}")
    return Chip(noun, count, adjective)


def read_edits(text: str) -> tuple[Edit, ...]:
    """Edits from "remove:bolt; count:washer=3"; without a name, ``remove``, ``repeat`` and ``swap`` mean any.

    InputError in one line, with an example.
    """
    edits = tuple(_edit(part.strip()) for part in text.split(";") if part.strip())
    if not edits:
        raise InputError(f"edit {text!r}: expected at least one of {', '.join(OPS)}; for example {EXAMPLES['remove']}")
    return edits


def _edit(text: str) -> Edit:
    op, _, rest = text.partition(":")
    if op not in OPS:
        raise InputError(f"edit {text!r}: expected {', '.join(OPS)}; for example {EXAMPLES['remove']}")
    named, _, value = rest.partition("=")
    edit = Edit(op, tuple(n.strip() for n in named.split(",") if n.strip()), value.strip())
    pair, chance = op in ("swap", "replace"), op in ("remove", "repeat", "swap")
    wrong = (
        len(edit.names) not in ((2,) if pair else (1,)) + ((0,) if chance else ())
        or ("=" in rest) != bool(edit.value)
        or (pair and edit.value)
        or (op in ("count", "weight", "adjective") and not edit.value)
        or (edit.value and not edit.names)
    )
    if wrong:
        raise InputError(f"edit {text!r}: expected {EXAMPLES[op]}")
    return edit


def choose(edits: Sequence[Edit], prompt: Prompt, rng: np.random.Generator) -> tuple[Edit, ...]:
    """``edits`` with a component drawn where none was named; of several of a kind, one is taken away."""
    out: list[Edit] = []
    for edit in edits:
        if not edit.names:
            want = 2 if edit.op == "swap" else 1
            if len(prompt.chips) < want:
                raise InputError(f"edit '{edit}': the prompt has {len(prompt.chips)} component; it takes two to swap")
            drawn = [prompt.chips[i] for i in rng.choice(len(prompt.chips), want, replace=False)]
            value = "1" if edit.op == "remove" and drawn[0].count > 1 else ""
            edit = Edit(edit.op, tuple(c.name for c in drawn), value)
        out.append(edit)
    return tuple(out)


def apply(prompt: Prompt, edits: Sequence[Edit]) -> Edited:
    """The prompt after ``edits``, one after the other, and whose places each component takes.

    InputError where a component is unknown, a number is out of bounds, nothing is left, or nothing changed.
    """
    edited = outcome(prompt, edits)
    if not edited.touched():
        said = "; ".join(map(str, edits))
        raise InputError(f"edit {said!r}: it leaves the components as they are; change something")
    return edited


def outcome(prompt: Prompt, edits: Sequence[Edit]) -> Edited:
    """As ``apply``, but what changes nothing, or no edit at all, is no error."""
    chips, places = list(prompt.chips), list(range(len(prompt.chips)))
    for edit in edits:
        now = Prompt(prompt.title, tuple(chips))
        at = [now.find(name, str(edit)) for name in (edit.names if edit.op == "swap" else edit.names[:1])]
        if edit.op == "swap":
            if at[0] == at[1]:
                raise InputError(f"edit '{edit}': a component cannot be swapped with itself; name two")
            places[at[0]], places[at[1]] = places[at[1]], places[at[0]]
            continue
        chip = _changed(chips[at[0]], edit)
        if chip is None:
            del chips[at[0]], places[at[0]]
        else:
            chips[at[0]] = chip
        if not chips:
            raise InputError(f"edit '{edit}': it removes every component; keep at least one")
    return Edited(prompt, Prompt(prompt.title, tuple(chips)), tuple(places), tuple(edits))


def _changed(chip: Chip, edit: Edit) -> Chip | None:
    """``chip`` after any edit but a swap; None where it is gone."""
    if edit.op == "replace":
        other = read_prompt(edit.names[1]).chips[0]
        return replace(chip, noun=other.noun, adjective=other.adjective)
    if edit.op == "weight":
        return replace(chip, weight=_number(edit, 0.0, HEAVIEST))
    if edit.op == "adjective":
        if not re.fullmatch(r"[A-Za-z-]+( [A-Za-z-]+){0,2}", edit.value):
            raise InputError(f"edit '{edit}': expected one to three words, for example {EXAMPLES['adjective']}")
        return replace(chip, adjective=edit.value.lower())
    if edit.op == "count":
        count = int(_number(edit, 0, MOST, whole=True))
    elif edit.op == "repeat":
        count = chip.count + int(_number(edit, 1, MOST, whole=True) if edit.value else 1)
    else:
        gone = int(_number(edit, 1, MOST, whole=True)) if edit.value else chip.count
        if gone > chip.count:
            raise InputError(f"edit '{edit}': there are only {chip.count} of {chip.name!r}; remove fewer")
        count = chip.count - gone
    if count > MOST:
        raise InputError(f"edit '{edit}': it makes {count} of {chip.name!r}, expected at most {MOST}")
    return replace(chip, count=count) if count else None


def _number(edit: Edit, low: float, high: float, whole: bool = False) -> float:
    try:
        value = float(edit.value)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise InputError(f"edit '{edit}': expected {kind} from {low:g} to {high:g}, as in {EXAMPLES[edit.op]}")
    return value
