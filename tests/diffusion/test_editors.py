"""Every family of inpainting and editing models at toy width, in the layout of its real folders."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from core.diffusion.editor.editing import EditSettings, EditTask, edit
from core.diffusion.editor.families import EDITOR_FAMILIES, EditorFamily, FoundEditor, find_editor
from core.diffusion.editor.loading import Editor, forget_editors, load_editor
from core.diffusion.editor.schedulers import scheduler_for
from core.diffusion.loading import load_backbone
from core.diffusion.model_sources import find_model, locate
from core.errors import Cancelled, InputError, Unavailable
from tests.diffusion.editor_toys import WRITERS, write_editor, write_klein

MASK = np.zeros((64, 64), np.bool_)
MASK[20:44, 24:40] = True


@pytest.fixture(scope="module")
def editors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """The toy folder of a family, written when it is first asked for."""
    root = tmp_path_factory.mktemp("editors")

    def folder(family: str) -> Path:
        return root / family if (root / family).is_dir() else write_editor(family, root / family)

    yield folder
    forget_editors()


@pytest.fixture(autouse=True)
def small_areas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen-Image-Edit draws a megapixel whatever it is given, which takes a CPU half a minute."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as plain
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as inpaint
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    for module in (plain, inpaint):
        monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio: (64, 64, None))
    monkeypatch.setattr(plus, "calculate_dimensions", lambda area, ratio: (64, 64))


def found(folder: Path) -> FoundEditor:
    editor = find_editor(folder)
    assert editor is not None
    return editor


def ways(family: EditorFamily) -> list[str]:
    return [way for way in ("mask", "instruction") if family.pipeline(way) is not None]  # type: ignore[arg-type]


def task(photo: np.ndarray, **given: object) -> EditTask:
    return EditTask(photo, MASK, "a scratch", 3, **given)  # type: ignore[arg-type]


def test_every_family_has_a_toy() -> None:
    assert {family.name for family in EDITOR_FAMILIES} <= set(WRITERS)


@pytest.mark.thorough
@pytest.mark.parametrize(("family", "way"), [(f, way) for f in EDITOR_FAMILIES for way in ways(f)],
                         ids=lambda v: v.name if isinstance(v, EditorFamily) else v)  # fmt: skip
def test_a_window_is_drawn(editors: Callable[[str], Path], plate: np.ndarray, family: EditorFamily, way: str) -> None:
    editor = load_editor(found(editors(family.name)), way, "cpu")  # type: ignore[arg-type]
    steps: list[tuple[int, int]] = []
    given = {"reference": plate[:48, :32].copy()} if editor.takes.reference else {}
    settings = EditSettings(2, 2.0)
    drawn = edit(editor, task(plate, **given), settings, lambda done, of: steps.append((done, of)))
    assert drawn.shape == plate.shape and drawn.dtype == np.uint8 and drawn.std() > 0
    assert steps == [(1, 2), (2, 2)]
    assert np.array_equal(edit(editor, task(plate, **given), settings), drawn)
    if given:
        assert not np.array_equal(edit(editor, task(plate), settings), drawn)


@pytest.mark.parametrize("family", EDITOR_FAMILIES, ids=lambda family: family.name)
def test_the_table_says_what_the_pipelines_take(family: EditorFamily) -> None:
    import diffusers

    for way in ways(family):
        takes = family.pipeline(way)  # type: ignore[arg-type]
        assert takes is not None
        named = inspect.signature(getattr(diffusers, takes.name).__call__).parameters
        # Flux's negative prompt is read only by a second guidance, which doubles the time; its own is embedded.
        assert (
            ("negative_prompt" in named) == takes.negative or family.name.startswith("flux-") or family.name == "flux"
        )
        assert ("strength" in named) == takes.strength
        assert ("mask_image" in named) == (way == "mask")
        assert ("image_reference" in named) == (takes.reference == "image_reference")
        assert takes.guidance in named and "callback_on_step_end" in named


def test_the_index_decides_which_family(editors: Callable[[str], Path], toy_folder: Path, tmp_path: Path) -> None:
    for name in WRITERS:
        family = found(editors(name)).family.name
        assert family == {"sdxl-inpainting": "sdxl"}.get(name, name)
    assert find_editor(toy_folder) is None and not isinstance(find_model(str(toy_folder)), FoundEditor)
    with pytest.raises(Unavailable, match=r"it is FLUX\.1, which only"):
        locate(str(editors("flux")))
    other = shutil.copytree(editors("flux"), tmp_path / "other")
    index = json.loads((other / "model_index.json").read_text())
    (other / "model_index.json").write_text(json.dumps(index | {"_class_name": "SanaPipeline"}))
    with pytest.raises(Unavailable, match="it is a SanaPipeline, a family that is not known"):
        find_model(str(other))


@pytest.mark.parametrize("family", [one for one in EDITOR_FAMILIES if not one.learned], ids=lambda family: family.name)
def test_learning_with_it_is_refused_for_what_it_is(editors: Callable[[str], Path], family: EditorFamily) -> None:
    with pytest.raises(Unavailable, match="learning needs a model built like") as caught:
        load_backbone(str(editors(family.name)), "cpu")
    assert family.title in str(caught.value)


def test_a_distilled_model_draws_in_few_steps_without_guidance(editors: Callable[[str], Path], tmp_path: Path) -> None:
    assert (found(editors("flux2-klein")).steps, found(editors("flux2-klein")).guidance) == (4, 1.0)
    base = found(write_klein(tmp_path / "base", distilled=False))
    assert (base.steps, base.guidance) == (50, 4.0)
    turbo = shutil.copytree(editors("z-image"), tmp_path / "Z-Image-Turbo")
    assert (found(turbo).steps, found(turbo).guidance) == (9, 1.0) and found(editors("z-image")).steps == 50


@pytest.mark.parametrize("family", [f for f in EDITOR_FAMILIES if f.unet and f.masked], ids=lambda f: f.name)
def test_a_unet_takes_other_schedulers(
    editors: Callable[[str], Path], plate: np.ndarray, family: EditorFamily
) -> None:
    editor = load_editor(found(editors(family.name)), "mask", "cpu")
    own, drawn = editor.pipe.scheduler, []
    for sampler, few_steps in (("ddim", False), ("ddim", True), ("dpmpp_2m", False), ("lcm", True), ("tcd", True)):
        with scheduler_for(editor, sampler, few_steps):
            drawn.append(edit(editor, task(plate), EditSettings(3, 1.0)))
            first = int(editor.pipe.scheduler.timesteps[0])
            assert first == 999 if few_steps else True, "distilled models begin with pure noise"
        assert editor.pipe.scheduler is own
    assert len({one.tobytes() for one in drawn}) == 5


def test_flow_matching_keeps_its_scheduler(editors: Callable[[str], Path]) -> None:
    editor = load_editor(found(editors("flux")), "mask", "cpu")
    with scheduler_for(editor, "lcm", few_steps=True):
        assert type(editor.pipe.scheduler).__name__ == "FlowMatchEulerDiscreteScheduler"


def test_a_stop_comes_within_a_step(editors: Callable[[str], Path], plate: np.ndarray) -> None:
    editor = load_editor(found(editors("sd3")), "mask", "cpu")
    steps: list[int] = []
    with pytest.raises(Cancelled):
        edit(editor, task(plate), EditSettings(9, 2.0), lambda done, of: steps.append(done), lambda: len(steps) == 2)
    assert steps == [1, 2]


def test_what_is_not_finite_is_an_error(editors: Callable[[str], Path], plate: np.ndarray, tmp_path: Path) -> None:
    folder = shutil.copytree(editors("z-image"), tmp_path / "broken")
    change_weights(folder / "vae", lambda name, value: value * float("nan") if "conv_out" in name else value)
    with pytest.raises(InputError, match="it drew NaN or infinite ones in float32"):
        edit(load_editor(found(folder), "mask", "cpu"), task(plate), EditSettings(1, 1.0))


def change_weights(part: Path, change: Callable[..., object]) -> None:
    path = next(part.glob("*.safetensors"))
    changed = {name: change(name, value) for name, value in load_file(path).items()}
    save_file({k: v for k, v in changed.items() if v is not None}, path, metadata={"format": "pt"})  # type: ignore


def cut_off(folder: Path) -> None:
    path = next((folder / "transformer").glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1000])


def without_a_shard(folder: Path) -> None:
    weights = {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    (folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(weights))


def lacking_a_tensor(folder: Path) -> None:
    change_weights(folder / "transformer", lambda name, value: None if name.startswith("cap_embedder.1.w") else value)


def of_words_lacking_a_tensor(folder: Path) -> None:
    change_weights(folder / "text_encoder", lambda name, value: None if name == "norm.weight" else value)


def wrapped(folder: Path) -> None:
    path = next((folder / "transformer").glob("*.safetensors"))
    save_file({f"module.{k}": v for k, v in load_file(path).items()}, path, metadata={"format": "pt"})


def of_another_width(folder: Path) -> None:
    config = json.loads((folder / "transformer" / "config.json").read_text())
    (folder / "transformer" / "config.json").write_text(json.dumps(config | {"cap_feat_dim": 24}))


def without_a_part(folder: Path) -> None:
    shutil.rmtree(folder / "vae")


def of_foreign_code(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["os", "system"]}))


def of_a_newer_library(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"vae": ["diffusers", "AutoencoderOfTomorrow"]}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_off, r"transformer.*it is cut off: [\d,]+ of [\d,]+ bytes are there"),
        (without_a_shard, "1 of 1 shards are missing, the first is diffusion_pytorch_model-00001-of-00002"),
        (lacking_a_tensor, r"1 of 58 tensors are missing, the first is cap_embedder\.1\.weight"),
        (of_words_lacking_a_tensor, r"text_encoder: 1 of \d+ tensors are missing, the first is norm\.weight"),
        (wrapped, r"its tensors are called module\.\S+ where \S+ is expected"),
        (of_another_width, r"tensors have other shapes than its config\.json says, the first is cap_embedder"),
        (without_a_part, "vae: the folder is missing"),
        (of_foreign_code, "takes system from 'os'; only diffusers and transformers are loaded"),
        (of_a_newer_library, "the installed diffusers has no AutoencoderOfTomorrow; update diffusers"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_true_line(
    editors: Callable[[str], Path], tmp_path: Path, damage: Callable[[Path], None], words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = shutil.copytree(editors("z-image"), tmp_path / "Z")
    damage(folder)
    with pytest.raises(Unavailable, match=words) as caught:
        load_editor(found(folder), "mask", "cpu")
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value) and "fetch" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "the libraries speak past the one line"


@pytest.mark.thorough
def test_it_stays_warm_until_another_is_wanted(editors: Callable[[str], Path]) -> None:
    first: Editor = load_editor(found(editors("flux")), "mask", "cpu")
    assert load_editor(found(editors("flux")), "mask", "cpu") is first
    load_editor(found(editors("sd3")), "mask", "cpu")
    assert load_editor(found(editors("flux")), "mask", "cpu") is not first
