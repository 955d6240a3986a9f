"""What a request asks for in words: the photo's component prompt, and the concepts whose words it is read with.

Needs no torch, so that the app shows the chips before any model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import InputError
from core.methods.comgen.component_prompt import ComponentPrompt, PromptComponent, prompt_from_names, read_prompt
from core.methods.comgen.components.concept_config import components_of
from core.methods.comgen.prompt_edits import EditedPrompt, apply_edits, draw_missing_names, read_edits
from core.training.checkpoints import Concept, find_concept

ENGINE = "comgen"
COMPONENTS_PLACEHOLDER = "{components}"
NO_EDIT = "none"
"""The edit that leaves the prompt alone: of samples from noise some are unlike any good part all the same."""


def names_components(prompt: str) -> bool:
    """Whether a prompt as a person gave it names the components itself."""
    return bool(prompt.strip()) and COMPONENTS_PLACEHOLDER not in prompt


def component_prompt(text: str, regions: Iterable[str], concept: Concept | None = None) -> ComponentPrompt:
    """The prompt a person gave, ``{components}`` in it filled with the list; without, the list alone.

    The list is of the photo's ``regions``, by their names, else of what the ``concept`` has learned, which gives its
    title too. Of one word for the whole product it is that word. InputError where there is neither.
    """
    known = components_of(concept) if concept is not None else None
    if known is not None and known.single:
        return ComponentPrompt("", (PromptComponent(known.names[0]),))
    if names_components(text):
        return read_prompt(text)
    names = tuple(regions)
    title = known.title if known is not None else ""
    if names:
        listed = prompt_from_names(names)
    elif concept is not None:
        listed = prompt_of_concept(concept)
    else:
        raise InputError(
            "comgen: this photo has no named regions, and no component prompt was given; name its components in "
            "Regions, learn them in Concepts, or set prompt to what it shows ('a tray with a bolt, a nut and two "
            "washers')"
        )
    if not text.strip():
        return replace(listed, title=title)
    return read_prompt(text.replace(COMPONENTS_PLACEHOLDER, ComponentPrompt("", listed.components).text))


def prompt_of_concept(concept: Concept) -> ComponentPrompt:
    """What a good part has by what was learned: each component as often as most photos had it."""
    config = components_of(concept)
    named = ((name.rpartition(" "), count) for name, count in zip(config.names, config.counts, strict=True))
    return ComponentPrompt(
        config.title, tuple(PromptComponent(noun, count, adjective) for (adjective, _, noun), count in named)
    )


def edited_prompt(prompt: ComponentPrompt, edit: str, from_noise: bool, rng: np.random.Generator) -> EditedPrompt:
    """The prompt before and after ``edit``; what it leaves open is drawn.

    InputError as in core.methods.comgen.component_prompt, and where nothing is to be edited on a photo.
    """
    if edit.strip() != NO_EDIT:
        return apply_edits(prompt, draw_missing_names(read_edits(edit), prompt, rng))
    if not from_noise:
        raise InputError(f"{ENGINE}: edit 'none' leaves the photo as it is; say what goes wrong, or set mode=noise")
    return EditedPrompt(prompt, prompt, tuple(range(len(prompt.components))))


def component_concept(folder: Path | None, wanted: str, whole: bool = False) -> Concept | None:
    """The learned components asked for by id, or "newest"; None for "", the model's own words.

    NotFound where there are none; InputError where they are one word for the ``whole`` product and that will not do.
    """
    if not wanted.strip():
        return None
    concept = find_concept(folder, ENGINE, wanted.strip())
    if components_of(concept).single and not whole:
        raise InputError(
            f"{ENGINE}: concept {concept.id} has one word for the whole product, and edits need one for each "
            "component; learn them without 'single', or choose another"
        )
    return concept


def borrowed_concepts(folder: Path | None, wanted: str, besides: Concept | None = None) -> tuple[Concept, ...]:
    """The concepts, by ids with commas between them, that lend words ``besides`` the photo's own."""
    found = {one.id: one for part in wanted.split(",") if (one := component_concept(folder, part)) is not None}
    return tuple(one for one in found.values() if besides is None or one.id != besides.id)
