"""ComGEN's engine on a toy model: what an edit means on a photo, and that the sample is true to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from core.engines.api import Context
from core.errors import Cancelled, InputError, NotFound
from core.images.geometry import covered
from core.masks import rle
from core.methods.comgen import ComGen
from core.methods.comgen.component_masks import component_instances, masks_from_attention, region_index, shifted
from core.methods.comgen.component_prompt import read_prompt
from core.methods.comgen.components import ComponentLearningParams
from core.methods.comgen.edit_plan import EditPlan, MovedComponent, make_edit_plan
from core.methods.comgen.paste_back import enlarged, paste_edit
from core.methods.comgen.prompt_edits import EditedPrompt, apply_edits, read_edits
from core.methods.comgen.residual import grown
from core.types import NormalImage, Region, Request
from tests.diffusion.toy import write_toy

SHAPE = (128, 160)
PLACES = {"bolt": (30, 30), "nut": (34, 120), "washer 1": (90, 40), "washer 2": (94, 84)}
PROMPT = "a metal plate with a bolt, a nut and two washers"


def disc(y: float, x: float, radius: float = 11, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(rows - y, columns - x) < radius


REGIONS = tuple(Region(name, disc(*at)) for name, at in PLACES.items())


def photo(seed: int = 0, grey: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    plate = np.full((*SHAPE, 3), (120, 124, 118), np.float32)
    for k, at in enumerate(PLACES.values()):
        plate[disc(*at)] = (200, 170 - 30 * k, 90)
    plate = plate + rng.normal(0, 3, plate.shape)
    if grey:
        plate = np.repeat(plate[..., :1], 3, axis=2)
    return np.clip(plate, 0, 255).round().astype(np.uint8)


def bolt_at(y: float, x: float, seed: int) -> np.ndarray:
    """A plate with a mark under the bolt's usual place, and the bolt at (y, x)."""
    rng = np.random.default_rng(seed)
    plate = np.full((*SHAPE, 3), (120, 124, 118), np.float32)
    plate[24:28], plate[:, 30:33] = (60, 64, 58), (170, 174, 168)
    for k, name in enumerate(PLACES):
        plate[disc(*((y, x) if name == "bolt" else PLACES[name]))] = (200, 170 - 30 * k, 90)
    return np.clip(plate + rng.normal(0, 2, plate.shape), 0, 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import torch

    from core.diffusion.loading import forget_backbones

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield str(write_toy(tmp_path_factory.mktemp("models") / "toy"))
    forget_backbones()
    torch.set_num_threads(before)


def request(model: str, seed: int = 1, pixels: np.ndarray | None = None, **params: Any) -> Request:
    pixels = photo() if pixels is None else pixels
    asked = {"backbone": model, "steps": 4, "edit": "remove:bolt", "prompt": PROMPT, **params}
    return Request(NormalImage("n", "part.png", pixels), "missing", asked, seed, regions=REGIONS)


def edited(text: str, prompt: str = PROMPT) -> EditedPrompt:
    return apply_edits(read_prompt(prompt), read_edits(text))


def plan(text: str, seed: int = 0, margin: float = 5.0) -> EditPlan:
    done = edited(text)
    found = component_instances(done.before.components, REGIONS, np.zeros((3, 16, 16), np.float32), SHAPE)
    return make_edit_plan(done, found, photo(), margin, 4, np.random.default_rng(seed))


def at(name: str) -> np.ndarray:
    return disc(*PLACES[name])


def test_components_lie_where_their_regions_are_else_where_attention_is() -> None:
    maps = np.zeros((3, 16, 20), np.float32)
    maps[1, 2:6, 13:17] = 1
    chips = read_prompt(PROMPT).components
    found = component_instances(chips, [r for r in REGIONS if r.name != "nut"], maps, SHAPE)
    assert [len(one) for one in found] == [1, 1, 2]
    assert np.array_equal(found[0][0], at("bolt")) and np.array_equal(found[2][1], at("washer 2"))
    assert (found[1][0] & disc(32, 120, 18)).sum() > 0.9 * found[1][0].sum()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_map_is_parted_into_as_many_as_there_are(count: int) -> None:
    seen, touching = np.zeros((16, 16), np.float32), np.zeros((16, 16), np.float32)
    for k in range(count):
        seen[2:5, 1 + 5 * k : 4 + 5 * k] = 1 - 0.1 * k
    touching[2:6, 1:13] = 1
    for one in (seen, touching):
        found = masks_from_attention(one, count, (64, 64))
        assert len(found) == count and all(mask.any() for mask in found)
        assert np.sum(found, axis=0).max() == 1


def test_masks_change_size_and_place() -> None:
    assert covered(disc(60, 80, 1), (16, 20)).sum() >= 1
    assert np.array_equal(enlarged(at("bolt"), SHAPE), at("bolt"))
    assert np.array_equal(shifted(at("bolt"), (4, 90)), disc(34, 120)) and not shifted(at("bolt"), (500, 0)).any()


def test_removing_draws_there_and_nowhere_else() -> None:
    made = plan("remove:bolt")
    assert [act.component for act in made.acts] == ["bolt"] and made.acts[0].comes_or_goes and not made.carried
    assert np.array_equal(made.region, grown(at("bolt"), 5)) and np.array_equal(made.fresh, made.region)
    assert len(made.looks) == 2 and all(len(looks) == 1 and looks[0].keep is None for looks in made.looks)


def test_a_place_says_what_goes_and_what_comes() -> None:
    (gone,) = plan("remove:bolt").acts
    assert gone.gone is not None and np.array_equal(gone.gone, at("bolt")) and gone.comes is None and not gone.redrawn
    one, _ = plan("swap:bolt,nut").acts
    assert one.gone is not None and one.comes is not None
    assert np.array_equal(one.gone, at("nut")) and np.array_equal(one.comes.old_mask, at("bolt"))
    (more,) = plan("repeat:nut").acts
    assert more.gone is None and more.comes is not None
    (other,) = plan("replace:nut,gear").acts
    assert other.redrawn and other.comes is None
    assert region_index(at("nut"), REGIONS) == 1 and region_index(disc(60, 60), REGIONS) is None


def test_one_fewer_takes_one_by_chance_and_the_word_stays_with_the_other() -> None:
    taken = set()
    for seed in range(12):
        made = plan("count:washer=1", seed)
        (act,) = made.acts
        gone = "washer 1" if (act.core & at("washer 1")).any() else "washer 2"
        taken.add(gone)
        keep = made.looks[2][0].keep
        assert keep is not None and not keep[act.core].any()
        assert keep[at("washer 2" if gone == "washer 1" else "washer 1")].all()
    assert taken == {"washer 1", "washer 2"}


def test_swapping_exchanges_places_and_looks() -> None:
    made = plan("swap:bolt,nut")
    assert sorted(act.component for act in made.acts) == ["bolt", "nut"]
    assert made.region[at("bolt")].all() and made.region[at("nut")].all()
    bolt, nut = made.looks[0][0], made.looks[1][0]
    assert bolt.old == 0 and nut.old == 1
    assert bolt.shift == pytest.approx((4 / 128, 88 / 160)) and nut.shift == pytest.approx((-4 / 128, -88 / 160))
    for one, (shift, name) in zip(made.carried, (((4, 88), "bolt"), ((-4, -88), "nut")), strict=True):
        assert one.shift == shift and np.array_equal(one.new_mask, shifted(at(name), shift))
        assert (one.with_ground & one.new_mask).sum() == one.new_mask.sum() < one.with_ground.sum()


def test_swapping_one_of_several_leaves_the_others() -> None:
    made = plan("swap:washer,nut", 3)
    touched = [name for name in PLACES if (made.region & at(name)).any()]
    assert len(touched) == 2 and "nut" in touched
    stays, moves = made.looks[2]
    assert stays.shift == (0, 0) and moves.shift != (0, 0) and not (stays.keep & moves.keep).any()  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(5))
def test_one_more_lies_on_free_ground(seed: int) -> None:
    made = plan("repeat:nut=2", seed)
    taken = np.logical_or.reduce([r.mask for r in REGIONS])
    assert len(made.acts) == 2 and not (made.acts[0].core & made.acts[1].core).any()
    for act in made.acts:
        assert (act.core & taken).sum() <= 0.02 * act.core.sum() and act.core.sum() == at("nut").sum()
    assert [look.old for look in made.looks[1]] == [1, 1, 1] and not made.fresh.any()
    assert all(down % 4 == right % 4 == 0 for one in made.carried for down, right in [one.shift])


def test_no_room_for_one_more_is_said_in_one_line() -> None:
    full = [Region("bolt", disc(64, 80, 78))]
    done = edited("repeat:bolt", "a bolt")
    found = component_instances(done.before.components, full, np.zeros((1, 16, 16), np.float32), SHAPE)
    with pytest.raises(InputError, match="no free place") as caught:
        make_edit_plan(done, found, photo(), 5, 4, np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_weights_and_looks_keep_the_noise_and_replacing_does_not() -> None:
    for text in ("weight:bolt=0.3", "adjective:bolt=rusty"):
        made = plan(text)
        assert (
            made.region[at("bolt")].all() and not made.fresh.any() and not any(act.comes_or_goes for act in made.acts)
        )
    assert plan("replace:nut,bolt").fresh[at("nut")].all()


def test_neighbours_are_not_redrawn() -> None:
    made = plan("remove:washer=1", margin=60.0)
    others = [r.mask for r in REGIONS if not (r.mask & made.acts[0].core).any()]
    assert not any((made.region & other).any() for other in others)


def test_pasting_keeps_the_photo_outside_and_takes_over_its_tone() -> None:
    image, mask = photo(), at("bolt")
    small = cv2.resize(image, (80, 64), interpolation=cv2.INTER_AREA)
    flat = np.full_like(small, (120, 124, 118))
    darker = (small.astype(np.int16) - 12).clip(0).astype(np.uint8)
    rng = np.random.default_rng(0)
    out = paste_edit(image, small, darker, (flat.astype(np.int16) - 12).astype(np.uint8), mask, 0.0, rng)
    assert np.array_equal(out[~mask], image[~mask])
    inner = out[disc(*PLACES["bolt"], 6)].astype(float)
    assert np.abs(inner.mean(axis=0) - (120, 124, 118)).max() < 4


def test_grain_goes_on_as_strong_as_beside() -> None:
    image, mask = photo(), at("bolt")
    flat = np.full((64, 80, 3), (120, 124, 118), np.uint8)
    for detail in (0.0, 0.5, 1.0):
        out = paste_edit(image, flat, flat, flat, mask, detail, np.random.default_rng(0)).astype(float)
        spread = out[disc(*PLACES["bolt"], 5)].std(axis=0).mean()
        assert spread == pytest.approx(3 * detail, abs=0.8)


def test_what_is_carried_comes_back_sharp() -> None:
    image, shift = photo(), (4, 44)
    lines = np.zeros(SHAPE, np.bool_)
    lines[::2] = True
    image[lines & at("bolt")] = 20
    arrived = shifted(at("bolt"), shift)
    small = cv2.resize(image, (80, 64), interpolation=cv2.INTER_AREA)
    half = disc(17, 37, 5.5, (64, 80))
    moved = cv2.warpAffine(small, np.float32([[1, 0, 22], [0, 1, 2]]), (80, 64))  # type: ignore[call-overload]
    drawn = np.where(half[..., None], moved, small)
    one = MovedComponent(disc(15, 15, 5.5, (64, 80)), half, half, (2, 22))
    out = paste_edit(image, small, small, drawn, grown(arrived, 4), 0.0, np.random.default_rng(0), [one])
    core = disc(34, 74, 6)
    there = image[disc(30, 30, 6)].astype(float)
    assert np.abs(out[core].astype(float) - there).mean() < 6
    blurred = paste_edit(image, small, small, drawn, grown(arrived, 4), 0.0, np.random.default_rng(0))
    assert np.abs(blurred[core].astype(float) - there).mean() > 30


def test_the_sample_is_true_and_says_what_was_done(model: str) -> None:
    found = ComGen().generate_with_evidence(request(model), Context())
    sample, pixels = found.sample, photo()
    assert np.array_equal(sample.image[~sample.mask], pixels[~sample.mask]) and sample.mask.any()
    assert not (sample.mask & ~grown(at("bolt"), 22)).any()
    assert sample.attention is not None and sample.attention.shape == SHAPE
    assert 0 <= sample.attention.min() and sample.attention.max() <= 1
    notes = sample.recipe.notes
    assert (notes["prompt"], notes["edit"]) == (PROMPT, "remove:bolt")
    assert notes["edited"] == "a metal plate with a nut and two washers"
    assert set(found.residual.components) == {"bolt", "nut", "washer"} and sample.unrefined_mask is not None
    assert set(sample.components) == set(found.residual.components) and sample.unrefined_mask.shape == SHAPE
    total = np.sum(list(sample.components.values()), axis=0)
    assert 0.99 < total.max() < 1.01 and sample.components["bolt"].min() >= 0
    json.loads(sample.recipe.to_json())


def test_two_places_are_two_instances(model: str) -> None:
    sample = ComGen().generate_with_evidence(request(model, edit="swap:bolt,nut"), Context()).sample
    assert len(sample.instances) == 2
    assert np.array_equal(np.logical_or.reduce(sample.instances), sample.mask)
    assert not np.logical_and.reduce(sample.instances).any()


class Goods:
    """Photos on which the bolt lies elsewhere: each shows the ground that it hides."""

    photos = {f"g{i}": NormalImage(f"g{i}", f"g{i}.png", bolt_at(60 + 6 * i, 130 - 4 * i, i)) for i in range(4)}

    def normal(self, normal_id: str) -> NormalImage:
        return self.photos[normal_id]

    def normal_ids(self) -> tuple[str, ...]:
        return tuple(self.photos)


def test_other_photos_show_what_lies_below_whatever_the_model_draws(model: str) -> None:
    pixels, core = bolt_at(*PLACES["bolt"], 9), disc(*PLACES["bolt"], 9)
    asked = replace(request(model, pixels=pixels), normal=NormalImage("n", "part.png", pixels))
    sample = ComGen().generate_with_evidence(asked, Context(normals=Goods())).sample
    truth = bolt_at(-50, -50, 9).astype(float)
    assert np.abs(cv2.blur(sample.image, (5, 5)) - cv2.blur(truth, (5, 5)))[core].mean() < 4
    assert sample.recipe.notes["normal_ids"] == list(Goods.photos)
    again = replace(asked, normal_ids=tuple(sample.recipe.notes["normal_ids"]))
    assert (
        ComGen().generate_with_evidence(again, Context(normals=Goods())).sample.image.tobytes()
        == sample.image.tobytes()
    )


def test_what_changes_places_is_the_photos_own(model: str) -> None:
    pixels = photo(3)
    sample = ComGen().generate_with_evidence(request(model, pixels=pixels, edit="swap:bolt,nut"), Context()).sample
    for here, there in (("bolt", "nut"), ("nut", "bolt")):
        old, new = (disc(*PLACES[name], 7) for name in (here, there))
        assert np.abs(pixels[old].mean(axis=0) - sample.image[new].mean(axis=0)).max() < 3


@pytest.mark.parametrize("edit", ["weight:bolt=0.2", "adjective:nut=metal", "replace:nut,bolt", "count:washer=3"])
def test_every_kind_of_edit_runs(model: str, edit: str) -> None:
    sample = next(ComGen().generate(request(model, edit=edit), Context()))
    assert np.array_equal(sample.image[~sample.mask], photo()[~sample.mask])


def test_the_same_again_and_another_seed_differs(model: str) -> None:
    one, again, other = (ComGen().generate_with_evidence(request(model, seed), Context()).sample for seed in (1, 1, 2))
    assert one.image.tobytes() == again.image.tobytes() and one.recipe.to_json() == again.recipe.to_json()
    assert one.image.tobytes() != other.image.tobytes()


def test_a_second_edit_of_a_photo_inverts_nothing(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.methods.comgen import sample as draw

    calls, own = [], draw.invert
    monkeypatch.setattr(draw, "invert", lambda *a, **k: calls.append(1) or own(*a, **k))
    fresh = photo(77)
    first = ComGen().generate_with_evidence(request(model, pixels=fresh), Context()).sample
    ComGen().generate_with_evidence(request(model, pixels=fresh, edit="remove:nut"), Context())
    assert len(calls) == 1
    draw._inversion_cache.clear()
    assert (
        ComGen().generate_with_evidence(request(model, pixels=fresh), Context()).sample.image.tobytes()
        == first.image.tobytes()
    )
    assert len(calls) == 2


def test_the_background_may_be_rewritten(model: str) -> None:
    sample = ComGen().generate_with_evidence(request(model, background="rewrite"), Context()).sample
    assert sample.mask.any() and sample.image.shape == photo().shape
    assert (sample.image[~sample.mask] != photo()[~sample.mask]).mean() > 0.5


@pytest.mark.thorough
def test_from_noise_the_farthest_within_bounds_is_taken(model: str) -> None:
    asked = request(model, mode="noise", candidates=3, d_max=6.0)
    donor = NormalImage("d", "donor.png", photo(5))
    found = ComGen().generate_with_evidence(replace(asked, donor=donor), Context())
    notes = found.sample.recipe.notes
    assert notes["d"] == max(notes["candidates"]) and len(notes["candidates"]) == 3 and notes["rejected"] == []
    assert notes["neighbour"] in ("n", "d") and found.sample.recipe.normal_id == notes["neighbour"]
    limit = sorted(notes["candidates"])[1]
    near = (
        ComGen()
        .generate_with_evidence(request(model, mode="noise", candidates=3, d_max=limit), Context())
        .sample.recipe.notes
    )
    assert near["d"] <= limit
    with pytest.raises(InputError, match="none lies between.*widen") as caught:
        ComGen().generate_with_evidence(request(model, mode="noise", candidates=2, d_max=0.0), Context())
    assert "\n" not in str(caught.value)


class Shelf:
    """A product's photos of good parts; the nearest is always the one called b."""

    photos = {name: NormalImage(name, f"{name}.png", photo(i)) for i, name in enumerate("abc", 7)}

    def normal(self, normal_id: str) -> NormalImage:
        return self.photos[normal_id]

    def nearest(self, image: np.ndarray, cancelled: Any = None) -> NormalImage:
        return self.photos["b"]


def test_from_noise_the_neighbour_is_looked_for_among_all_photos(model: str) -> None:
    from core.jobs import generation

    asked, ctx = request(model, mode="noise", candidates=1, d_max=6.0, edit="none"), Context(normals=Shelf())
    sample = next(generation.make_samples(ComGen(), asked, ctx))
    notes = sample.recipe.notes
    assert notes["neighbour"] == sample.recipe.normal_id == "b" and notes["edited"] == notes["prompt"]
    assert (generation.compared_photo(asked, sample, ctx.normals) == Shelf.photos["b"].pixels).all()
    own = ComGen().generate_with_evidence(replace(asked, params={**asked.params, "compare": "photo"}), ctx).sample
    assert own.recipe.normal_id == asked.normal.id
    with pytest.raises(InputError, match="mode=noise"):
        ComGen().generate_with_evidence(request(model, edit="none"), Context())


def test_the_prompt_comes_from_the_regions_where_none_is_given(model: str) -> None:
    notes = ComGen().generate_with_evidence(request(model, prompt=""), Context()).sample.recipe.notes
    assert notes["prompt"] == "a bolt, a nut and two washers"
    titled = (
        ComGen().generate_with_evidence(request(model, prompt="a metal plate with {components}"), Context()).sample
    )
    assert titled.recipe.notes["prompt"] == PROMPT
    bare = replace(request(model), regions=())
    assert ComGen().generate_with_evidence(bare, Context()).sample.recipe.notes["prompt"] == PROMPT


@pytest.mark.parametrize(
    ("params", "regions", "said"),
    [
        ({"prompt": ""}, (), "no named regions"),
        ({"prompt": "a plate with {components}"}, (), "no named regions"),
        ({"edit": "remove:gear"}, REGIONS, "no 'gear'.*bolt, nut, washer"),
        ({"edit": "remove:bolt;remove:nut;remove:washer"}, REGIONS, "every component"),
        ({"edit": "melt"}, REGIONS, "expected remove"),
        ({"prompt": f"a {'very ' * 90}long plate with a bolt and a nut"}, REGIONS, "shorten it"),
    ],
)
def test_bad_input_is_refused_in_one_line(model: str, params: dict[str, Any], regions: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ComGen().generate_with_evidence(replace(request(model, **params), regions=regions), Context())
    assert "\n" not in str(caught.value)


def test_learned_components_speak_in_place_of_the_models_words(model: str, tmp_path: Path) -> None:
    lesson = ComponentLearningParams(steps=1, views=1, backbone=model, title="a metal plate")
    normals = [NormalImage("n", "part.png", photo())]
    ctx = Context(concepts=tmp_path, regions_of=lambda _: REGIONS)
    concept = ComGen().learn([], normals, "", lesson, ctx)
    own = ComGen().generate_with_evidence(request(model), ctx).sample
    found = ComGen().generate_with_evidence(request(model, concept="newest"), ctx)
    notes = found.sample.recipe
    assert notes.params["concept"] == concept.id and notes.notes["prompt"] == PROMPT
    assert found.prompt.text == "a metal plate with a <" + found.prompt.text.split("<", 1)[1]
    assert found.sample.image.tobytes() != own.image.tobytes()
    assert ComGen().generate_with_evidence(request(model), ctx).sample.image.tobytes() == own.image.tobytes()
    titled = ComGen().generate_with_evidence(request(model, concept=concept.id, prompt=""), ctx).sample
    assert titled.recipe.notes["prompt"] == PROMPT
    with pytest.raises(InputError, match="knows bolt, nut, washer, and none"):
        ComGen().generate_with_evidence(
            request(model, concept=concept.id, prompt="a gear and a lever", edit="remove:gear"), ctx
        )
    with pytest.raises(NotFound, match="not in this project"):
        ComGen().generate_with_evidence(request(model, concept="other"), ctx)
    single = ComGen().learn([], normals, "", lesson.model_copy(update={"single": True}), ctx)
    with pytest.raises(InputError, match="one word for the whole product"):
        ComGen().generate_with_evidence(request(model, concept=single.id), ctx)
    whole = request(model, concept=single.id, mode="noise", edit="none", candidates=1, d_max=6.0)
    assert ComGen().generate_with_evidence(whole, ctx).sample.recipe.notes["prompt"] == "a product"


def test_grey_stays_grey_and_a_stop_is_honoured(model: str) -> None:
    image = ComGen().generate_with_evidence(request(model, pixels=photo(grey=True)), Context()).sample.image
    assert (image == image[..., :1]).all()
    asked = [0]

    def soon() -> bool:
        asked[0] += 1
        return asked[0] > 6

    with pytest.raises(Cancelled):
        ComGen().generate_with_evidence(request(model, pixels=photo(33)), Context(cancelled=soon))


def test_regions_pack_into_the_recipe(model: str, tmp_path: Path) -> None:
    from core.jobs import generation

    sample = next(generation.make_samples(ComGen(), request(model), Context()))
    assert [name for name, _ in sample.recipe.regions] == [r.name for r in REGIONS]
    again = replace(request(model), params=sample.recipe.params, placement=sample.recipe.placement)
    regions = tuple(Region(n, rle.unpack(text, SHAPE)) for n, text in sample.recipe.regions)
    remade = next(generation.make_samples(ComGen(), replace(again, regions=regions), Context()))
    assert remade.image.tobytes() == sample.image.tobytes()
    assert remade.recipe.to_json() == sample.recipe.to_json()
