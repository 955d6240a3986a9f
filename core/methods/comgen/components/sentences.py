"""From the names of components to the sentences that they are learned with. Needs no torch.

Only nouns are learned; articles, numbers, "with" and "and" are the model's own words (ComGEN, section III-B).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.errors import InputError
from core.methods.comgen.component_prompt import (
    ComponentPrompt,
    PromptComponent,
    component_name,
    prompt_from_names,
    read_prompt,
)
from core.types import Region

MOST = 24
"""Most kinds of components that are learned at once."""
PRODUCT = "product"
"""The name of the one word that stands for all."""


@dataclass(frozen=True)
class ComponentSentences:
    """What is learned: ``base`` lists each component once, with the count it mostly has; all speak of ``words``."""

    base_prompt: ComponentPrompt
    single: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What a person calls the words that are learned."""
        return (PRODUCT,) if self.single else tuple(chip.name for chip in self.base_prompt.components)

    @property
    def words(self) -> dict[str, str]:
        """Placeholder by name."""
        return component_words(self.names)

    def prompt_for(self, regions: Sequence[Region]) -> ComponentPrompt:
        """The sentence for a photo: with the counts of its regions, where it has some, else with the usual ones."""
        if self.single:
            return ComponentPrompt("", (PromptComponent(PRODUCT),)).with_learned_words(self.words)
        counts = [sum(component_name(r.name) == chip.name for r in regions) for chip in self.base_prompt.components]
        seen = [replace(chip, count=n) for chip, n in zip(self.base_prompt.components, counts, strict=True) if n]
        return replace(self.base_prompt, components=tuple(seen) or self.base_prompt.components).with_learned_words(
            self.words
        )

    def stands_for(self, name: str, region: Region) -> bool:
        """Whether the word called ``name`` stands for this region."""
        return self.single or component_name(region.name) == name


def component_words(names: Iterable[str], stem: str = "part") -> dict[str, str]:
    """A placeholder word for each name, whatever letters it is written in."""
    return {name: f"<{stem}_{i}>" for i, name in enumerate(names)}


def make_sentences(
    names: str, title: str, regions: Sequence[Sequence[Region]], single: bool = False
) -> ComponentSentences:
    """``names`` as a person gave them (a list, a number, or nothing), or as the photos' ``regions`` have them.

    InputError where there is neither, where one is named twice, or where there are too many.
    """
    text, title = " ".join(names.split()), " ".join(title.split())
    if single:
        base = ComponentPrompt(title, (PromptComponent(PRODUCT),))
    elif text.isdecimal() and int(text):
        base = ComponentPrompt(title, tuple(PromptComponent(f"part{i}") for i in range(1, int(text) + 1)))
    elif text:
        base = replace(read_prompt(text), title=title)
    else:
        base = _typical_prompt(regions, title)
    twice = sorted({chip.name for chip in base.components if [c.name for c in base.components].count(chip.name) > 1})
    if twice:
        raise InputError(f"components: {twice[0]!r} is named twice; give its number, as in 'two {twice[0]}s'")
    if len(base.components) > MOST:
        raise InputError(
            f"components: expected at most {MOST} kinds, got {len(base.components)}; group those that are alike"
        )
    return ComponentSentences(base, single)


def _typical_prompt(regions: Sequence[Sequence[Region]], title: str) -> ComponentPrompt:
    """Every component that some photo has, as often as it is on most of the photos that have it."""
    photos = [prompt_from_names((r.name for r in one), title).components for one in regions if one]
    if not photos:
        raise InputError(
            "components: no photo has named regions, and no names were given; name some in Regions, or set names to "
            "what a good part has ('a bolt, a nut and two washers') or to how many kinds there are ('4')"
        )
    names = dict.fromkeys(chip.name for chips in photos for chip in chips)
    out = []
    for name in names:
        found = [chip for chips in photos for chip in chips if chip.name == name]
        counts = sorted(chip.count for chip in found)
        out.append(replace(found[0], count=max(counts, key=counts.count)))
    return ComponentPrompt(title, tuple(out))
