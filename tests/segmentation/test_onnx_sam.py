"""An encoder and a decoder in ONNX answer clicks: a toy pair in the form of segment-anything's export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import Unavailable
from core.segmentation import onnx_sam, segmenters
from core.segmentation.onnx_sam import OnnxSegmenter, onnx_folders
from core.segmentation.segmenter import Click

SIDE = 64
RADII = (12.0, 8.0, 4.0)


def toy_pair(folder: Path) -> Path:
    """The encoder gives the mean colour of cells; the decoder finds discs around the first point, in input pixels."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT

    def saved(name: str, nodes: list, inputs: dict, outputs: dict, constants: dict) -> None:
        as_info = lambda given: [helper.make_tensor_value_info(n, floats, shape) for n, shape in given.items()]  # noqa: E731
        held = [onnx.numpy_helper.from_array(value, n) for n, value in constants.items()]
        graph = helper.make_graph(nodes, name, as_info(inputs), as_info(outputs), held)
        opset = helper.make_opsetid("", 17)
        onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), folder / f"toy.{name}.onnx")

    folder.mkdir(parents=True)
    pool = helper.make_node("AveragePool", ["pixels"], ["image_embeddings"], kernel_shape=[4, 4], strides=[4, 4])
    saved("encoder", [pool], {"pixels": [1, 3, SIDE, SIDE]}, {"image_embeddings": [1, 3, 16, 16]}, {})
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32) + 0.5
    nodes = [
        helper.make_node("Gather", ["point_coords", "first"], ["point"], axis=1),
        helper.make_node("Sub", ["grid", "point"], ["offset"]),
        helper.make_node("ReduceL2", ["offset"], ["far"], axes=[-1], keepdims=0),
        helper.make_node("Sub", ["radii", "far"], ["within"]),
        helper.make_node("Mul", ["within", "steep"], ["low_res_masks"]),
        helper.make_node("Identity", ["ranks"], ["iou_predictions"]),
    ]
    inputs = {
        "image_embeddings": [1, 3, 16, 16], "point_coords": [1, "n", 2], "point_labels": [1, "n"],
        "mask_input": [1, 1, SIDE, SIDE], "has_mask_input": [1], "orig_im_size": [2],
    }  # fmt: skip
    constants = {
        "first": np.array(0), "grid": np.stack([xs, ys], -1)[None], "ranks": np.array([[0.7, 0.9, 0.8]], np.float32),
        "steep": np.array(10, np.float32), "radii": np.array(RADII, np.float32).reshape(1, 3, 1, 1),
    }  # fmt: skip
    saved("decoder", nodes, inputs, {"low_res_masks": [1, 3, SIDE, SIDE], "iou_predictions": [1, 3]}, constants)
    return folder


@pytest.mark.parametrize("shape", [(120, 200), (200, 90)])
def test_clicks_land_where_they_are_on_the_photo(tmp_path: Path, shape: tuple[int, int]) -> None:
    segmenter = OnnxSegmenter(toy_pair(tmp_path / "pair"))
    assert segmenter.available() is None
    x, y = shape[1] * 0.6, shape[0] * 0.3
    found = segmenter.prepare(np.zeros((*shape, 3), np.uint8)).predict([Click(x, y)])
    assert [c.score for c in found] == pytest.approx([0.9, 0.8, 0.7]), "best first"
    zoom = max(shape) / SIDE
    for candidate, radius in zip(found, (RADII[1], RADII[2], RADII[0]), strict=True):
        rows, columns = np.nonzero(candidate.mask)
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=zoom)
        assert candidate.area == pytest.approx(np.pi * (radius * zoom) ** 2, rel=0.1)


def test_a_box_keeps_the_mask_inside_and_a_grid_finds_regions(tmp_path: Path) -> None:
    segmenter, photo = OnnxSegmenter(toy_pair(tmp_path / "pair")), np.zeros((100, 100, 3), np.uint8)
    for candidate in segmenter.prepare(photo).predict([Click(50, 50)], (45.0, 45.0, 80.0, 80.0)):
        assert not candidate.mask[:45].any() and not candidate.mask[:, :45].any() and candidate.mask[50, 50]
    steps: list[tuple[int, int]] = []
    regions = segmenter.regions(photo, lambda *step: steps.append(step))
    assert regions and steps[-1][0] == steps[-1][1]


def test_what_is_missing_or_foreign_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = toy_pair(tmp_path / "models" / "pair")
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "models"))
    assert onnx_folders() == [pair] and segmenters()["onnx:pair"].available() is None
    foreign = OnnxSegmenter(toy_pair(tmp_path / "foreign"))
    (tmp_path / "foreign" / "toy.decoder.onnx").write_bytes((tmp_path / "foreign" / "toy.encoder.onnx").read_bytes())
    with pytest.raises(Unavailable, match="the decoder takes pixels, not image_embeddings"):
        foreign.prepare(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "foreign" / "toy.encoder.onnx").write_bytes(b"<html>")
    with pytest.raises(Unavailable, match="no ONNX file"):
        OnnxSegmenter(tmp_path / "foreign").prepare(np.zeros((8, 8, 3), np.uint8))


def test_without_onnxruntime_the_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_sam, "find_spec", lambda name: None)
    assert "pip install onnxruntime" in str(OnnxSegmenter(tmp_path).available())
