"""Component edits from the Studio's desk: chips of a photo, a preview with what it was made of, borrowed words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.api import Workbench
from core.api.recent import add_recent_project
from core.api.studio.attention_evidence import heatmap_overlay
from core.api.studio.studio import TryRequest
from core.errors import Cancelled, InputError, NotFound
from core.features.extract import available
from core.images import read_image, read_mask
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig

QUICK = {"steps": 4, "edit": "remove:bolt", "prompt": "a plate with {components}"}


@pytest.fixture
def bench(tmp_path: Path, photo_folder: Path, disc_masks: dict[str, np.ndarray]) -> Iterator[Workbench]:
    """Six photos; the first one's discs are a bolt and a nut."""
    with Workbench.create(tmp_path / "plates", "plates") as bench:
        bench.photos.import_images(photo_folder)
        first = bench.photos.page()[0].id
        for name, mask in zip(("bolt", "nut"), disc_masks.values(), strict=True):
            bench.regions.save(first, name, mask)
        yield bench


class Control:
    """Of a job that is not one."""

    def __init__(self, stop_at: int = 99) -> None:
        self.job_id, self.told, self.stop_at = None, list[tuple[int, int]](), stop_at

    def progress(self, done: int, total: int, preview: object = None, message: str = "") -> None:
        self.told.append((done, total))

    def cancelled(self) -> bool:
        return len(self.told) >= self.stop_at


def first(bench: Workbench) -> str:
    return bench.photos.page()[0].id


def taught(folder: Path, id: str, names: list[str]) -> Concept:
    """A concept of words that nobody learned, for the toy model."""
    import torch

    from core.diffusion.loading import load_backbone

    toy = load_backbone("auto")
    width = int(toy.text_encoder.get_input_embeddings().weight.shape[1])
    noise = torch.Generator().manual_seed(len(id))
    tensors = {f"component.{i}": torch.randn(1, width, generator=noise) for i in range(len(names))}
    config = {"names": names, "counts": [1] * len(names), "title": "", "single": False}
    config |= {"settings": {"backbone": "auto"}}
    concept = Concept(
        id, "comgen", "", ", ".join(names), toy.name, checkpoints.fingerprint(toy), checkpoints.utc_now(),
        ConceptConfig.read(config),
    )  # fmt: skip
    checkpoints.save_concept(folder, concept, tensors)
    return concept


def test_chips_show_the_photo_and_take_presses(bench: Workbench) -> None:
    desk, photo = bench.studio.prompt_editor, first(bench)
    board = desk.show(photo, {"prompt": QUICK["prompt"]})
    assert board.before == board.after == "a plate with a bolt and a nut" and not board.changed and not board.note
    assert [(c.name, c.count, c.state) for c in board.chips] == [("bolt", 1, "same"), ("nut", 1, "same")]
    text = ""
    for press in ("repeat:bolt", board.chips[0].swaps["nut"], "replace:nut,gear", "adjective:bolt=rusty"):
        text = desk.add(photo, {"edit": text}, press)
    board = desk.show(photo, {"edit": text})
    bolt, gear = board.chips
    assert (bolt.name, bolt.count, bolt.state) == ("rusty bolt", 2, "changed")
    assert bolt.note == "was 1, where the nut is" and gear.note == "instead of nut, where the bolt is"
    assert board.edits == ("repeat:bolt", "swap:bolt,nut", "replace:nut,gear", "adjective:bolt=rusty")
    gone = desk.show(photo, {"edit": "remove:bolt"}).chips
    assert [(c.name, c.state, c.remove) for c in gone] == [("bolt", "gone", ""), ("nut", "same", "remove:nut")]
    assert desk.drop(photo, {"edit": text}, 1) == "repeat:bolt; replace:nut,gear; adjective:bolt=rusty"


@pytest.mark.parametrize("offer", ["fewer", "more", "remove", "lighter", "heavier"])
def test_every_button_does_something(bench: Workbench, offer: str) -> None:
    desk, photo = bench.studio.prompt_editor, first(bench)
    chip = desk.show(photo, {}).chips[0]
    text = desk.add(photo, {}, getattr(chip, offer))
    assert text and desk.show(photo, {"edit": text}).changed


def test_what_cannot_be_is_said_in_one_line(bench: Workbench, tmp_path: Path) -> None:
    desk, photo = bench.studio.prompt_editor, first(bench)
    bare = bench.photos.page()[1].id
    for call, said in (
        (lambda: desk.show(bare, {}), "no named regions.*Regions.*Concepts"),
        (lambda: desk.show(photo, {"concept": "newest"}), "nothing has been learned"),
        (lambda: desk.add(photo, {}, "remove:gear"), "no 'gear'"),
        (lambda: desk.add(photo, {"edit": "remove:nut"}, "remove:bolt"), "every component"),
        (lambda: desk.borrow("elsewhere/gear-1"), "not there any more"),
        (lambda: desk.titled("a tray with a bolt"), "as a whole"),
        (lambda: bench.studio.check(TryRequest("comgen", "missing", bare, {})), "learn its components in Concepts"),
    ):
        with pytest.raises((InputError, NotFound), match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert "no 'gear'" in desk.show(photo, {"edit": "remove:gear"}).problem
    assert "looked for by attention" in desk.show(bare, {"prompt": "a plate with a bolt"}).note
    assert "another product" in desk.show(photo, {"prompt": "a box with a gear"}).note
    taught(bench.material.concepts, "gears-1", ["gear"])
    assert "another product" in desk.show(photo, {"concept": "gears-1"}).problem
    assert desk.show(bare, {"concept": "gears-1"}).before == "a gear"
    assert desk.titled(" a  plate with ") == "a plate with {components}" and desk.titled(" ") == ""


def test_a_preview_keeps_what_it_was_made_of(bench: Workbench) -> None:
    control, photo = Control(), first(bench)
    order = TryRequest("comgen", "missing", photo, QUICK, seed=3, variants=1)
    (row,) = bench.studio.try_out(order, control)  # type: ignore[arg-type]
    assert control.told[:3] == [(1, 8), (2, 8), (3, 8)] and control.told[-1] == (8, 8)
    assert set(row.component_paths) == {"bolt", "nut"} and row.unrefined_path is not None
    assert read_mask(row.unrefined_path).shape == (96, 128)
    seen = bench.review.attention_evidence(row)
    assert seen is not None and (seen.edit, seen.after) == ("remove:bolt", "a plate with a nut")
    assert {part.name for part in seen.components} == {"bolt", "nut"} and seen.top_component in ("", "bolt", "nut")
    assert all(read_image(part.path).shape == (96, 128, 3) for part in seen.components)
    if available() is None:
        near = seen.nearest_good_part
        assert near is not None and near.id != photo and near.own is not None and 0 < near.own < near.d < 6
        assert seen.nearest_good_part_row is not None and seen.nearest_good_part_row.id == near.id
    plain = bench.studio.try_out(TryRequest("layout", "missing", photo, {"op": "remove"}, variants=1))[0]
    assert bench.review.attention_evidence(plain) is None


@pytest.mark.skipif(available() is not None, reason="no features")
def test_from_noise_the_neighbour_is_the_photo_it_was_compared_with(bench: Workbench) -> None:
    params = QUICK | {"mode": "noise", "candidates": 1, "d_max": 6.0}
    (row,) = bench.studio.try_out(TryRequest("comgen", "missing", first(bench), params, variants=1))
    seen = bench.review.attention_evidence(row)
    assert seen is not None and seen.nearest_good_part is not None and seen.nearest_good_part.own is None
    notes = bench.studio.recipe(row.id).notes
    assert seen.nearest_good_part.id == row.normal_id == notes["neighbour"]
    assert seen.nearest_good_part.d == notes["d"]


def test_a_preview_stops_within_a_step(bench: Workbench) -> None:
    control = Control(stop_at=3)
    with pytest.raises(Cancelled):
        bench.studio.try_out(TryRequest("comgen", "missing", first(bench), QUICK, variants=1), control)  # type: ignore[arg-type]
    assert len(control.told) == 3 and bench.review.counts() == {}


def test_a_word_is_borrowed_from_another_project(bench: Workbench, tmp_path: Path, photo_folder: Path) -> None:
    with Workbench.create(tmp_path / "gears", "gears") as other:
        other.photos.import_images(photo_folder)
        taught(other.material.concepts, "gears-1", ["gear", "nut"])
        add_recent_project(other.path)
    desk, photo = bench.studio.prompt_editor, first(bench)
    (lender,) = [one for one in desk.show(photo, {}).lenders if "gears" in one.title]
    assert lender.names == ("gear",), "the photo has a nut of its own"
    id = desk.borrow(lender.key)
    assert id == "gears-1" == desk.borrow(lender.key) and [c.id for c in bench.concepts.learned()] == ["gears-1"]
    settings = QUICK | {"edit": "replace:nut,gear", "borrowed": id}
    images = []
    for params in (settings, settings | {"borrowed": ""}):
        (row,) = bench.studio.try_out(TryRequest("comgen", "wrong_part", photo, params, variants=1))
        images.append(read_image(row.image_path))
        assert set(row.component_paths) == {"bolt", "nut", "gear"}
        assert "<" not in bench.studio.recipe(row.id).notes["edited"]
    assert not np.array_equal(*images), "the borrowed word is read, not the model's own"


def test_heat_lights_up_where_the_map_is_high() -> None:
    photo, soft = np.full((40, 60, 3), 100, np.uint8), np.zeros((4, 6), np.float32)
    soft[1, 1] = 1
    lit = heatmap_overlay(photo, soft).astype(int)
    assert lit[15, 15].sum() > 1.5 * lit[35, 55].sum() and lit[35, 55].sum() < photo[0, 0].sum()
