"""The component prompt of a photo as the Studio shows it: a chip for each component, and what may be done to it.

Whatever a person presses is an edit in the words of ``generate --param edit=...``; see prompt_editor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.engines.prompt_editing import ComponentCard, Lender, Product, PromptEditing, PromptView
from core.errors import InputError
from core.methods.comgen import prompt_editor as presses
from core.methods.comgen.component_prompt import MAX_COUNT, ComponentPrompt, component_name
from core.methods.comgen.components.concept_config import components_of
from core.methods.comgen.prompt_edits import EditedPrompt, PromptEdit, outcome_of_edits
from core.methods.comgen.requested_prompt import ENGINE, component_concept, component_prompt
from core.training.checkpoints import MANIFEST, Concept, copy_concept_from_project, list_concepts, read_manifest

MAX_PROJECTS = 6
"""Other projects whose learned components may be borrowed."""


class ComponentPromptEditing(PromptEditing):
    """ComGEN's component prompt by hand."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def show(self, normal_id: str, params: Mapping[str, object]) -> PromptView:
        """The photo's prompt after ``params["edit"]``. InputError or NotFound where there is no prompt at all."""
        concept = component_concept(self._product.concepts, str(params.get("concept", "")))
        prompt = self._prompt(normal_id, params, concept)
        text, problem = str(params.get("edit", "")), ""
        try:
            edits = presses.read_edits_or_none(text)
            edited = outcome_of_edits(prompt, presses.named_edits(edits))
        except InputError as error:
            edits, edited, problem = (), outcome_of_edits(prompt, ()), str(error)
        return PromptView(
            prompt.text,
            edited.after.text,
            tuple(presses.diff_words(prompt.text, edited.after.text)),
            tuple(_cards(edited)),
            tuple(map(str, edits)),
            self._note(normal_id, prompt, concept),
            problem or _unknown(prompt, concept),
            self._lenders(prompt, concept),
        )

    def add(self, normal_id: str, params: Mapping[str, object], edit: str) -> str:
        """The text of ``params["edit"]`` and one more; InputError, in one line, where that cannot be."""
        return presses.with_edits_added(self._prompt(normal_id, params), str(params.get("edit", "")), edit)

    def drop(self, normal_id: str, params: Mapping[str, object], place: int) -> str:
        """The text without its ``place``-th edit; InputError where a later one needs it."""
        return presses.without_edit(self._prompt(normal_id, params), str(params.get("edit", "")), place)

    def titled(self, title: str) -> str:
        """The ``prompt`` setting that says what the components are parts of: "a tray with {components}"."""
        clean = " ".join(title.split()).removesuffix(" with")
        if not clean:
            return ""
        if any(sign in clean for sign in ",{}") or " with " in f"{clean} ":
            raise InputError(f"product {title!r}: give what the photo shows as a whole, such as 'a fastener tray'")
        return f"{clean} with {{components}}"

    def borrow(self, key: str) -> str:
        """The id, in this project, of a lender's concept; from another project it is copied. NotFound."""
        place, _, id = key.rpartition("/")
        if not place:
            return read_manifest(self._product.concepts / Path(id).name).id
        for project in self._product.other_projects()[:MAX_PROJECTS]:
            if project.name == place and (project / "concepts" / Path(id).name / MANIFEST).is_file():
                return copy_concept_from_project(project / "concepts" / Path(id).name, self._product.concepts).id
        raise InputError(f"components {id!r} of project {place!r} are not there any more; open that project once")

    def _prompt(self, normal_id: str, params: Mapping[str, object], concept: Concept | None = None) -> ComponentPrompt:
        concept = concept or component_concept(self._product.concepts, str(params.get("concept", "")))
        names = self._product.region_names(normal_id)
        return component_prompt(str(params.get("prompt", "")), names, concept)

    def _note(self, normal_id: str, prompt: ComponentPrompt, concept: Concept | None) -> str:
        """Where the components are looked for, if not in this photo's regions of the same names."""
        regions = {component_name(name) for name in self._product.region_names(normal_id)}
        told = {name for chip in prompt.components for name in (chip.name, chip.noun)}
        if regions and not regions & told:
            return (
                f"None of these is a region of this photo, which has {', '.join(sorted(regions))}: is it another "
                "product's prompt? They are looked for by attention."
            )
        if not regions:
            return "This photo has no named regions: components are looked for by attention."
        return ""

    def _lenders(self, prompt: ComponentPrompt, concept: Concept | None) -> tuple[Lender, ...]:
        here = {chip.noun for chip in prompt.components}
        found = []
        folders = [
            ("", self._product.concepts),
            *((p.name, p / "concepts") for p in self._product.other_projects()[:MAX_PROJECTS]),
        ]
        for place, folder in folders:
            for other in list_concepts(folder, ENGINE):
                known = components_of(other)
                names = tuple(n for n in known.names if n.rpartition(" ")[2] not in here)
                fits = concept is None or other.fingerprint == concept.fingerprint
                if names and fits and not known.single:
                    where = f" · {place}" if place else ""
                    found.append(Lender(f"{place}/{other.id}" if place else other.id, f"{other.title}{where}", names))
        return tuple(found)


def _unknown(prompt: ComponentPrompt, concept: Concept | None) -> str:
    """Why a concept does not fit a prompt; "" where it does."""
    if concept is None:
        return ""
    words = {name: name for name in components_of(concept).names}
    if any(chip.with_learned_words(words).token for chip in prompt.components):
        return ""
    return (
        f"{concept.title}: none of these learned components is in this photo's prompt; is it a photo of another "
        "product? Choose other words, or name its components as they were learned."
    )


def _cards(edited: EditedPrompt) -> list[ComponentCard]:
    before, after = edited.before.components, edited.after.components
    # A swap changes places and no chip, so without swaps a chip's place is the chip that it was.
    plain = [edit for edit in edited.edits if edit.op != "swap"]
    origins = outcome_of_edits(edited.before, plain).slots
    names = [chip.name for chip in after]
    cards: dict[int, ComponentCard] = {}
    for chip, origin, place in zip(after, origins, edited.slots, strict=True):
        old, notes = before[origin], []
        if chip.noun != old.noun:
            notes.append(f"instead of {old.name}")
        if chip.count != old.count:
            notes.append(f"was {old.count}")
        if place != origin:
            notes.append(f"where the {before[place].name} is")
        state = "new" if chip.noun != old.noun else "changed" if notes or chip != old else "same"
        card = ComponentCard(chip.name, chip.count, chip.weight, state, ", ".join(notes))
        # Of two that bear one name no edit can say which is meant.
        cards[origin] = _offers(card, names) if names.count(chip.name) == 1 else card
    for i, chip in enumerate(before):
        cards.setdefault(i, ComponentCard(chip.name, chip.count, chip.weight, "gone", "struck out"))
    return [cards[i] for i in sorted(cards)]


def _offers(card: ComponentCard, names: Sequence[str]) -> ComponentCard:
    me = (card.name,)
    down, up = presses.lighter(card.weight), presses.heavier(card.weight)
    return replace(
        card,
        fewer=str(PromptEdit("remove", me, "1")),
        more=str(PromptEdit("repeat", me)) if card.count < MAX_COUNT else "",
        remove=str(PromptEdit("remove", me)),
        lighter=str(PromptEdit("weight", me, f"{down:g}")) if down is not None else "",
        heavier=str(PromptEdit("weight", me, f"{up:g}")) if up is not None else "",
        replace=f"replace:{card.name},",
        adjective=f"adjective:{card.name}=",
        swaps={n: str(PromptEdit("swap", (card.name, n))) for n in names if names.count(n) == 1 and n != card.name},
    )
