"""A photo in words, one chip for each kind of component; prompt_edits changes them. No model, no photo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from core.errors import InputError

MAX_COUNT = 12
"""Most components of one kind, and most that are added at once."""

_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ONE = ("a", "an", "one", "the")
_HISSING = ("s", "x", "ch", "sh")


@dataclass(frozen=True)
class PromptComponent:
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
    def number_and_adjective(self) -> str:
        """What stands before the word: the number and the adjective."""
        adjective = "" if self.stands_for_all else self.adjective
        number = _NUMBERS[self.count]
        if self.count == 1 and (adjective or self.word)[:1] in "aeio":
            number = "an"
        return " ".join(filter(None, (number, adjective)))

    def with_learned_words(self, words: Mapping[str, str]) -> PromptComponent:
        """With the learned word for its name, or for its noun, where there is one."""
        if self.name in words:
            return replace(self, token=words[self.name], stands_for_all=True)
        return replace(self, token=words[self.noun]) if self.noun in words else self


@dataclass(frozen=True)
class ComponentPrompt:
    """What a photo shows: a ``title`` ("a fastener tray", may be empty) and its components."""

    title: str
    components: tuple[PromptComponent, ...]

    @property
    def text(self) -> str:
        """One sentence, as models read it."""
        return "".join(piece for piece, _ in self.pieces())

    def pieces(self) -> list[tuple[str, int | None]]:
        """The text in pieces, each with the chip whose word it is, None for all between the words.

        A chip's noun in the title is its word too: of "a gear unit with a gear" models read the first.
        """
        out = self._title_pieces()
        for i, chip in enumerate(self.components):
            if i == 0:
                before = " with " if self.title else ""
            else:
                before = " and " if i == len(self.components) - 1 else ", "
            out += [(f"{before}{chip.number_and_adjective} ", None), (chip.word, i)]
        return out

    def _title_pieces(self) -> list[tuple[str, int | None]]:
        nouns = [chip.noun for chip in self.components]
        whose = {
            form: i
            for i, chip in enumerate(self.components)
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
    def without_learned_words(self) -> ComponentPrompt:
        """As a person reads it, without learned words."""
        return replace(
            self, components=tuple(replace(chip, token="", stands_for_all=False) for chip in self.components)
        )

    def with_learned_words(self, words: Mapping[str, str]) -> ComponentPrompt:
        """As a model reads it that has learned ``words`` by name."""
        return replace(self, components=tuple(chip.with_learned_words(words) for chip in self.components))

    def index_of(self, name: str, edit: str) -> int:
        """Which chip ``name`` means: adjective and noun, or the noun alone where one chip bears it."""
        wanted = " ".join(name.split())
        for known in ([c.name for c in self.components], [c.noun for c in self.components]):
            found = [i for i, one in enumerate(known) if wanted in (one, plural(one))]
            if len(found) == 1:
                return found[0]
        have = ", ".join(dict.fromkeys(c.name for c in self.components)) or "none"
        many = any(c.noun == wanted for c in self.components)
        problem = f"there are several {wanted!r}" if many else f"there is no {wanted!r}"
        raise InputError(f"edit {edit!r}: {problem} among the components ({have}); name one of these")


def plural(noun: str) -> str:
    """ "washers" for "washer", "switches" for "switch"."""
    return f"{noun}es" if noun.endswith(_HISSING) else f"{noun}s"


def singular(word: str) -> str:
    """Inverse of plural for what it writes."""
    if word.endswith("es") and word[:-2].endswith(_HISSING):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def prompt_from_names(names: Iterable[str], title: str = "") -> ComponentPrompt:
    """A prompt from the names of a photo's regions: "washer", "washer 2" and "washer_3" are three washers.

    InputError where there is none.
    """
    counts = Counter(map(component_name, names))
    if not counts:
        raise InputError("components: the photo has no named regions; name some in Regions, or write a prompt")
    return ComponentPrompt(title, tuple(_make_component(name, n, name) for name, n in counts.items()))


def component_name(region: str) -> str:
    """The component that a region's name means: "washer" for "washer 2" and "washer_3", "lock nut" for "lock_nut"."""
    return re.sub(r"[ _#-]+\d+$", "", region.strip()).replace("_", " ")


def read_prompt(text: str) -> ComponentPrompt:
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
    return ComponentPrompt(title, tuple(_item(item, text) for item in items))


def _item(item: str, text: str) -> PromptComponent:
    first, _, rest = item.partition(" ")
    if not rest:
        return _make_component(item, 1, text)
    if first in _ONE:
        return _make_component(rest, 1, text)
    count = int(first) if first.isdecimal() else _NUMBERS.index(first) if first in _NUMBERS[1:] else 0
    if not count:
        return _make_component(item, 1, text)
    head, _, noun = rest.rpartition(" ")
    return _make_component(f"{head} {noun if count == 1 else singular(noun)}".strip(), count, text)


def _make_component(name: str, count: int, text: str) -> PromptComponent:
    adjective, _, noun = name.rpartition(" ")
    if not re.fullmatch(r"[\w-]+|<[a-z0-9_]+>", noun) or not re.fullmatch(r"[\w -]*", adjective):
        raise InputError(f"prompt {text!r}: {name!r} is no component; name it with letters, digits and blanks")
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"prompt {text!r}: expected 1 to {MAX_COUNT} of {noun!r}, got {count}")
    return PromptComponent(noun, count, adjective)
