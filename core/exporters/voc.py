"""Pascal VOC segmentation: palette PNGs by class and by object, boxes in XML.

Images stay PNG, since JPEG would change the pixels under the masks. Objects are numbers in one picture, so
where two instances of an image overlap the later one lies on top; the class mask is their union either way.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pil

from core.errors import ExportError, InputError
from core.exporters.api import (
    SPLITS,
    DatasetFormat,
    DatasetItem,
    ExportOptions,
    ExportPlan,
    ItemContent,
    PlacedItem,
    Split,
    WrittenItem,
    images_in,
    not_a_dataset,
    write_file,
)
from core.exporters.sidecar import apply_sidecar
from core.given_files import MAX_TEXT, read_given
from core.images import isolated
from core.masks.voc_codes import CodedMask, VocCodes
from core.types import GOOD, Mask

_LAST = 254


class VocExporter(DatasetFormat):
    """``JPEGImages``, ``SegmentationClass``, ``SegmentationObject``, ``Annotations``, ``ImageSets/Segmentation``."""

    name = "voc"
    listed, asked = 6, 4
    title = "Pascal VOC segmentation"
    summary = "Palette masks by class and by object, boxes in XML; images are PNG."
    library = "numpy pillow"
    trains_on_anomalies = True
    has_val = True

    def check(self, items: Sequence[DatasetItem], out: Path, options: ExportOptions) -> None:
        labels = {item.label for item in items if not item.good}
        if len(labels) > _LAST:
            raise ExportError(f"voc: at most {_LAST} labels fit into a palette, got {len(labels)}; use coco")
        for item in items:
            if len(item.masks) > _LAST:
                raise ExportError(f"{item.name!r}: voc holds at most {_LAST} defects an image; use coco")

    def write(self, plan: ExportPlan, placed: PlacedItem, content: ItemContent) -> WrittenItem:
        stem, item = placed.stem, placed.item
        image = write_file(plan.folder, f"JPEGImages/{stem}.png", content.png)
        masks = () if item.good else content.masks
        objects = np.zeros(content.shape, np.uint8)
        for k, mask in enumerate(masks, 1):
            objects[mask] = k
        code = 0 if item.good else plan.labels.index(item.label) + 1
        classes = (objects > 0).astype(np.uint8) * np.uint8(code)
        path = write_file(plan.folder, f"SegmentationClass/{stem}.png", _palette_png(classes))
        write_file(plan.folder, f"SegmentationObject/{stem}.png", _palette_png(objects))
        write_file(plan.folder, f"Annotations/{stem}.xml", _annotation(plan, placed, content.shape, masks))
        overlap = sum(int(m.sum()) for m in masks) > int((objects > 0).sum())
        return WrittenItem(placed, image, path, frozenset({"overlap"} if overlap else ()))

    def finish(self, plan: ExportPlan, written: Sequence[WrittenItem]) -> list[str]:
        for split in SPLITS:
            stems = "".join(f"{w.placed.stem}\n" for w in written if w.placed.split == split)
            for task in ("Segmentation", "Main"):
                write_file(plan.folder, f"ImageSets/{task}/{split}.txt", stems)
        colours = palette()
        rows = [f"{name}:{','.join(map(str, colours[k]))}::\n" for k, name in enumerate(["background", *plan.labels])]
        write_file(plan.folder, "labelmap.txt", "# label:color_rgb:parts:actions\n" + "".join(rows))
        overlaps = sum("overlap" in w.losses for w in written)
        return [f"{overlaps} images have overlapping defects: in voc the later one lies on top"] * (overlaps > 0)

    def layout(self, plan: ExportPlan) -> str:
        return (
            "- `JPEGImages/NNNNNN.png`: images (PNG, lossless)\n"
            "- `SegmentationClass/NNNNNN.png`: palette masks, value = line in `labelmap.txt`, 0 = background\n"
            "- `SegmentationObject/NNNNNN.png`: palette masks, value = number of the defect in its image\n"
            "- `Annotations/NNNNNN.xml`: a box per defect\n"
            "- `ImageSets/Segmentation/<split>.txt`: which images are in which split\n"
        )

    def loader_script(self, plan: ExportPlan) -> str:
        return """from pathlib import Path

import numpy as np
from PIL import Image

root = Path(__file__).parent
for path in sorted((root / "ImageSets" / "Segmentation").glob("*.txt")):
    stems = path.read_text().split()
    images = (np.asarray(Image.open(root / "JPEGImages" / f"{stem}.png").convert("RGB")) for stem in stems)
    masks = (np.asarray(Image.open(root / "SegmentationClass" / f"{stem}.png")) for stem in stems)
    shapes = [(image.shape, int((mask > 0).sum())) for image, mask in zip(images, masks)]
    print(path.stem, len(shapes), "images", sum(area > 0 for _, area in shapes), "with defects")
"""

    def matches(self, path: Path) -> bool:
        return (path / "SegmentationClass").is_dir() and (path / "ImageSets" / "Segmentation").is_dir()

    def read(self, path: Path) -> list[DatasetItem]:
        if not self.matches(path):
            raise not_a_dataset(path, self.name, "SegmentationClass and ImageSets/Segmentation folders")
        codes = _codes(path)
        images = {p.stem: p for p in images_in(path / "JPEGImages")}
        found = {}
        for split in SPLITS:
            table = path / "ImageSets" / "Segmentation" / f"{split}.txt"
            for stem in table.read_text("utf-8").split() if table.is_file() else ():
                if stem not in images:
                    raise ExportError(f"{table}: image {stem!r} is not in JPEGImages; put it there or drop the line")
                found[stem] = _item(path, images[stem], split, codes)
        return apply_sidecar(
            path, [(images[stem].relative_to(path).as_posix(), found[stem]) for stem in sorted(found)]
        )


def palette() -> list[tuple[int, int, int]]:
    """The 256 colours of Pascal VOC: the bits of an index dealt to R, G and B, highest first."""
    colours = []
    for index in range(256):
        rgb, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                rgb[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colours.append((rgb[0], rgb[1], rgb[2]))
    return colours


_FLAT_PALETTE = bytes(v for colour in palette() for v in colour)


def _palette_png(values: npt.NDArray[np.uint8]) -> bytes:
    picture = Pil.fromarray(values)
    picture.putpalette(_FLAT_PALETTE)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _annotation(plan: ExportPlan, placed: PlacedItem, shape: tuple[int, int], masks: Sequence[Mask]) -> str:
    """VOC's XML; boxes count from 1 and include both ends."""
    objects = []
    for mask in masks:
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        corners = (("xmin", xs[0]), ("ymin", ys[0]), ("xmax", xs[-1]), ("ymax", ys[-1]))
        box = "".join(f"\n      <{name}>{int(value) + 1}</{name}>" for name, value in corners)
        objects.append(
            f"\n  <object>\n    <name>{placed.item.label}</name>\n    <pose>Unspecified</pose>\n"
            f"    <truncated>0</truncated>\n    <difficult>0</difficult>\n"
            f"    <bndbox>{box}\n    </bndbox>\n  </object>"
        )
    return (
        f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{placed.stem}.png</filename>\n"
        f"  <source>\n    <database>{plan.options.category}</database>\n  </source>\n"
        f"  <size>\n    <width>{shape[1]}</width>\n    <height>{shape[0]}</height>\n    <depth>3</depth>\n  </size>\n"
        f"  <segmented>{int(bool(masks))}</segmented>{''.join(objects)}\n</annotation>\n"
    )


def _codes(path: Path) -> VocCodes:
    table = path / "labelmap.txt"
    return VocCodes.read(read_given(table, MAX_TEXT).decode("utf-8", "replace") if table.is_file() else "")


def _item(path: Path, image: Path, split: Split, codes: VocCodes) -> DatasetItem:
    try:
        classes = _coded(path / "SegmentationClass" / f"{image.stem}.png")
        label = codes.label(classes.areas)
        if label is None:
            return DatasetItem(image.stem, image, GOOD, split=split)
        file = path / "SegmentationObject" / f"{image.stem}.png"
        masks = tuple(codes.masks(classes, _coded(file) if file.is_file() else None))
    except InputError as error:
        raise ExportError(f"{error} (put the mask back, or drop the image from ImageSets)") from error
    return DatasetItem(image.stem, image, label, None, masks, split)


def _coded(path: Path) -> CodedMask:
    return CodedMask(*isolated.class_codes(read_given(path, name=str(path)), str(path)), str(path))
