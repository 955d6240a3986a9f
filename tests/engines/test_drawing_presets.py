"""*Draw as*: one setting from which the others follow, by name or as the concept was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core.engines.drawing_presets import resolve_preset
from core.engines.registry import engine, engines
from core.placement_rules import Placement
from core.training.checkpoints import Concept, save_concept
from core.training.concept_config import ConceptConfig
from core.validation import read_settings

WITH_PRESETS = [name for name, one in engines().items() if one.drawing_presets()]


def concept(folder: Path, name: str, preset: str) -> str:
    """A concept that notes how it was learned, as far as drawing asks."""
    config = ConceptConfig(labels=("crack",), preset=preset)
    one = Concept(
        f"crack-{preset or 'old'}", name, "crack", "crack", "toy", "f", f"2026-01-0{len(preset) % 9 + 1}", config
    )
    save_concept(folder, one, {"x": torch.zeros(1)})
    return one.id


@pytest.mark.parametrize("name", WITH_PRESETS)
def test_every_preset_is_settings_of_its_engine(name: str) -> None:
    one = engine(name)
    assert {"flawsmith", "paper"} <= set(one.drawing_presets())
    for preset, chosen in one.drawing_presets().items():
        read = read_settings(one.Params, {**chosen.params, "draw_as": preset}, name)
        assert read.draw_as == preset
        read_settings(Placement, chosen.placement, "placement")
    assert not one.drawing_presets()["flawsmith"].params


@pytest.mark.parametrize("name", ["anomaly_diffusion", "gaa", "dual_ano_diff"])
def test_a_concept_draws_as_it_was_learned_and_a_person_wins(name: str, tmp_path: Path) -> None:
    id = concept(tmp_path, name, "paper")
    params, chosen = resolve_preset(engine(name), {}, "crack", tmp_path)
    assert params["draw_as"] == "paper" and params == {**chosen.params, "draw_as": "paper", "concept": id}
    assert params["sampler"] == "ddim" and params["detail"] == params["feather"] == 0 and not params["tighten"]
    by_hand, _ = resolve_preset(engine(name), {"concept": id, "steps": 7}, "crack", tmp_path)
    assert by_hand["steps"] == 7 and by_hand["draw_as"] == "paper"
    ours, _ = resolve_preset(engine(name), {"draw_as": "flawsmith"}, "crack", tmp_path)
    assert ours == {"draw_as": "flawsmith", "concept": id}


def test_what_learned_nothing_or_before_presets_draws_as_ours(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        assert resolve_preset(engine("gaa"), {}, "crack", folder)[0] == {"draw_as": "flawsmith"}
    id = concept(tmp_path, "gaa", "")
    assert resolve_preset(engine("gaa"), {}, "crack", tmp_path)[0] == {"draw_as": "flawsmith", "concept": id}
    assert resolve_preset(engine("perlin"), {"strength": 1}, "crack", None)[0] == {"strength": 1}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"position": "surroundings", "jitter": 0.4}, "jitter"),
        ({"position": "examples", "align": "axis"}, "align"),
        ({"source": "shapes", "delta": 0.3}, "delta"),
        ({"source": "examples", "position": "anywhere", "shape": "crack"}, "shape"),
        ({"perturb": False, "position": "anywhere", "bend": 0.2}, "bend"),
        ({"anomaly_type": "logical", "jitter": 0.4}, "jitter"),
    ],
)
def test_placement_without_effect_is_named_and_refused(given: dict[str, Any], named: str) -> None:
    rules = Placement(**given).resolved(True)
    said = rules.without_effect(given, True)
    assert said is not None and f"placement: {named} has no effect" in said and "\n" not in said


def test_placement_that_counts_is_taken(tmp_path: Path) -> None:
    for given in ({"jitter": 0.4}, {"source": "shapes", "shape": "crack"}, {"position": "surroundings"}, {}):
        rules = Placement(**given).resolved(True)
        assert rules.without_effect(given, True) is None
    form = Placement(anomaly_type="logical").model_dump()
    for has_examples in (False, True):
        assert Placement(**form).resolved(has_examples).without_effect(form, has_examples) is None, "a form gives all"
    # Who asks for another outline does not want the example's own.
    assert Placement(jitter=0.4).resolved(True).position == "anywhere"
