"""Words to boxes through any zero-shot detector's folder: OWLv2's real layout at toy width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, InputError, Unavailable
from core.segmentation.word_detector import (
    WordBox,
    WordDetector,
    _distinct,
    detector_folders,
    missing_detector,
    split_words,
)

torch = pytest.importorskip("torch")


def toy_owlv2(folder: Path) -> Path:
    """OWLv2 with random weights and a tokenizer of single letters."""
    import json

    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
    vocabulary = {token: i for i, token in enumerate(["!", *letters, "<|startoftext|>", "<|endoftext|>"])}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="!")
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(1)
    model = transformers.Owlv2ForObjectDetection(
        transformers.Owlv2Config(
            text_config=tower | {"vocab_size": len(vocabulary), "max_position_embeddings": 16, "pad_token_id": 0,
                                 "bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1},
            vision_config=tower | {"image_size": 64, "patch_size": 16},
            projection_dim=16,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    images = transformers.Owlv2ImageProcessor(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_owlv2(tmp_path_factory.mktemp("models") / "toy-owl")


def test_each_word_gets_boxes_on_the_photo(folder: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8)
    steps: list[tuple[int, int]] = []
    found = WordDetector(folder).find(photo, ["nut", "bolt"], 0.0, lambda *step: steps.append(step))
    assert found and {f.word for f in found} <= {"nut", "bolt"} and steps == [(1, 2), (2, 2)]
    for one in found:
        x0, y0, x1, y1 = one.box_xyxy
        assert 0 <= x0 < x1 <= 90 and 0 <= y0 < y1 <= 60 and 0 <= one.score <= 1
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    assert WordDetector(folder).find(photo, ["nut"], 1.1) == []
    with pytest.raises(Cancelled):
        WordDetector(folder).find(photo, ["nut"], cancelled=lambda: True)


def test_what_is_missing_is_said_and_what_is_there_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "none"))
    assert detector_folders() == [] and "grounding-dino" in str(missing_detector())
    monkeypatch.setenv("FLAWSMITH_MODELS", str(folder.parent))
    assert detector_folders() == [folder] and missing_detector() is None
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "owlv2"}')
    with pytest.raises(Unavailable, match="cannot be read"):
        WordDetector(broken).find(np.zeros((8, 8, 3), np.uint8), ["nut"])


def test_words_are_split_at_commas_and_told_once() -> None:
    assert split_words(" washer, hex  nut,\nwasher,, bolt ") == ["washer", "hex nut", "bolt"]
    with pytest.raises(InputError, match="name what to look for"):
        split_words(" , ")
    with pytest.raises(InputError, match="at most 20, got 21"):
        split_words(",".join(f"w{i}" for i in range(21)))


def test_a_thing_found_by_two_words_keeps_the_better_one() -> None:
    near = [
        WordBox("nut", (0, 0, 10, 10), 0.4),
        WordBox("bolt", (1, 0, 11, 10), 0.6),
        WordBox("nut", (30, 0, 40, 9), 0.3),
    ]
    assert [(f.word, f.score) for f in _distinct(near)] == [("bolt", 0.6), ("nut", 0.3)]
