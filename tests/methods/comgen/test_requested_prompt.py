"""What a photo's prompt is made of, and whose words it is read with."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InputError, NotFound
from core.methods.comgen import ComGen, ComGenParams
from core.methods.comgen.requested_prompt import borrowed_concepts, component_concept, component_prompt
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig

TRAY = "a fastener tray with a bolt and two lock nuts"


def concept(id: str = "tray-1", **config: object) -> Concept:
    plain = {"names": ["bolt", "lock nut"], "counts": [1, 2], "title": "a fastener tray", "single": False}
    return Concept(id, "comgen", "", id, "toy", "f", checkpoints.utc_now(), ConceptConfig.read(plain | config))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    for one in (concept(), concept("gear-2", names=["gear"], counts=[1]), concept("whole-3", single=True)):
        checkpoints.save_concept(tmp_path, one, {})
    return tmp_path


def test_a_photo_is_told_by_its_prompt_its_regions_or_what_was_learned() -> None:
    assert component_prompt("a plate with a nut", ["bolt"], concept()).text == "a plate with a nut"
    assert component_prompt("", ["bolt", "washer 1", "washer 2"]).text == "a bolt and two washers"
    assert component_prompt("", ["bolt"], concept()).text == "a fastener tray with a bolt"
    assert component_prompt("", [], concept()).text == TRAY
    assert component_prompt("a box with {components}", [], concept()).text == "a box with a bolt and two lock nuts"
    with pytest.raises(InputError, match="no named regions.*Regions.*Concepts") as caught:
        component_prompt("a box with {components}", [])
    assert "\n" not in str(caught.value)


def test_words_come_from_one_concept_and_others_lend_theirs(kept: Path) -> None:
    own = component_concept(kept, "tray-1")
    assert own is not None and component_concept(kept, " ") is None
    assert [one.id for one in borrowed_concepts(kept, "gear-2, tray-1,gear-2", own)] == [
        "gear-2"
    ] and borrowed_concepts(kept, "") == ()
    with pytest.raises(InputError, match="one word for the whole product"):
        component_concept(kept, "whole-3")
    with pytest.raises(NotFound, match="gear-2, tray-1|tray-1"):
        component_concept(kept, "none-4")


def test_regions_are_needed_where_nothing_else_names_the_components() -> None:
    engine, bare = ComGen(), ComGenParams()
    assert engine.requires(bare) == {"regions"}
    assert engine.requires(replace_params(bare, prompt="a tray with {components}")) == {"regions"}
    assert engine.requires(replace_params(bare, prompt=TRAY)) == engine.requires(
        replace_params(bare, concept="newest")
    )
    assert engine.requires(replace_params(bare, concept="newest")) == frozenset()


def replace_params(params: ComGenParams, **values: str) -> ComGenParams:
    return params.model_copy(update=values)


def test_a_prompt_says_how_many_of_each_by_what_was_learned() -> None:
    once = concept(counts=[3, 1], title="")
    assert component_prompt("", [], once).text == "three bolts and a lock nut"
