"""Reading: what every format gives, and one clear line for every bad file."""

import io
import struct
import zlib
from importlib.util import find_spec

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile

from core.errors import ImageError, MaskError
from core.images import ReadPhoto, is_grey, read_image, read_mask, read_photo

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (40, 52, 3), np.uint8)
RAMP = np.linspace(312, 4019, 40 * 52).reshape(40, 52).astype(np.uint16)


def pil(image: PIL.Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def tiff(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def picture() -> PIL.Image.Image:
    return PIL.Image.fromarray(COLOUR)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_png(width: int, height: int) -> bytes:
    """A header that promises a gigantic picture, and no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_lossless_formats_are_read_exactly(format: str) -> None:
    photo = read_photo(pil(picture(), format), "part")
    assert np.array_equal(photo.pixels, COLOUR)
    assert photo.notes == () and not photo.grey and photo.name == "part"
    assert np.array_equal(read_image(photo.data), COLOUR)


def test_lossless_webp_is_read_exactly() -> None:
    assert np.array_equal(read_image(pil(picture(), "WEBP", lossless=True)), COLOUR)


@pytest.mark.parametrize(("format", "ext"), [("PNG", ".png"), ("JPEG", ".jpg")])
def test_what_a_browser_shows_exactly_keeps_its_bytes(format: str, ext: str) -> None:
    data = pil(picture(), format)
    photo = read_photo(data)
    assert photo.data == data and photo.ext == ext


CONVERTED = {
    "palette": (pil(picture().convert("P"), "PNG"), "palette"),
    "cmyk": (pil(picture().convert("CMYK"), "JPEG"), "CMYK"),
    "one bit": (pil(picture().convert("1"), "PNG"), "1-bit"),
    "16-bit grey PNG": (pil(PIL.Image.fromarray(RAMP), "PNG"), "12-bit range"),
    "16-bit colour PNG": (cv2.imencode(".png", np.dstack([RAMP, RAMP, RAMP * 4]))[1].tobytes(), "14-bit range"),
    "16-bit tiled TIFF": (tiff(np.dstack([RAMP] * 3), photometric="rgb", tile=(16, 16)), "12-bit range"),
    "16-bit LZW TIFF": (
        cv2.imencode(".tif", np.dstack([RAMP] * 3), [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1].tobytes(),
        "12-bit range",
    ),
    "16-bit planar TIFF": (
        tiff(np.stack([RAMP] * 3), photometric="rgb", planarconfig="separate"),
        "12-bit range",
    ),
    "float TIFF": (tiff((RAMP / 5000).astype(np.float32)), "from 0..1"),
    "thermal": (tiff(RAMP // 8 + 30000), "the photo's own range"),
    "foreign profile": (pil(picture(), "JPEG", icc_profile=b"some printer" * 20), "profile ignored"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_conversions_are_said_and_kept_as_png(case: str) -> None:
    data, fragment = CONVERTED[case]
    photo = read_photo(data)
    assert any(fragment in note for note in photo.notes), photo.notes
    assert photo.ext == ".png" and np.array_equal(read_image(photo.data), photo.pixels)
    assert photo.pixels.shape == (40, 52, 3) and photo.pixels.std() > 10


@pytest.mark.parametrize("case", ["16-bit grey PNG", "16-bit tiled TIFF", "float TIFF", "16-bit LZW TIFF"])
def test_depth_is_scaled_and_not_cut(case: str) -> None:
    top = 5000 if "float" in case else 4095
    wanted = np.rint(RAMP * (255 / top))
    assert np.abs(read_image(CONVERTED[case][0])[..., 0] - wanted).max() <= 1


def test_two_exposures_of_one_camera_keep_their_ratio() -> None:
    bright, dark = (read_image(tiff(array))[..., 0].astype(float) for array in (RAMP, RAMP // 2 + RAMP // 4))
    assert np.abs(dark - bright * 0.75).max() <= 2


def test_values_that_are_no_number_are_said() -> None:
    array = (RAMP / 5000).astype(np.float32)
    array[0, :3] = np.nan
    assert any("3 values" in note for note in read_photo(tiff(array)).notes)


def test_alpha_is_laid_over_white() -> None:
    alpha = np.full((40, 52), 255, np.uint8)
    alpha[:20], alpha[20:30] = 0, 128
    photo = read_photo(pil(PIL.Image.fromarray(np.dstack([COLOUR, alpha])), "PNG"))
    assert (photo.pixels[:20] == 255).all() and np.array_equal(photo.pixels[30:], COLOUR[30:])
    half = 255 + (COLOUR[20:30].astype(float) - 255) * 128 / 255
    assert np.abs(photo.pixels[20:30] - half).max() <= 1
    assert photo.notes == ("alpha dropped over white",)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_exif_rotation_is_applied(orientation: int, format: str) -> None:
    image = picture()
    exif = image.getexif()
    exif[274] = orientation
    photo = read_photo(pil(image, format, exif=exif))
    turned = {
        2: COLOUR[:, ::-1],
        3: COLOUR[::-1, ::-1],
        4: COLOUR[::-1],
        5: COLOUR.swapaxes(0, 1),
        6: np.rot90(COLOUR, -1),
        7: COLOUR[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(COLOUR, 1),
    }
    assert np.array_equal(photo.pixels, turned[orientation])
    assert photo.notes == ("rotated by EXIF",) and np.array_equal(read_image(photo.data), photo.pixels)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_rotation_of_16_bit_files_agrees_with_that_of_8_bit_files(orientation: int) -> None:
    deep = read_image(tiff(RAMP, extratags=[(274, "H", 1, orientation, True)]))
    eight = np.rint(RAMP * (255 / 4095)).astype(np.uint8)
    shallow = read_image(tiff(eight, extratags=[(274, "H", 1, orientation, True)]))
    assert deep.shape == shallow.shape and np.abs(deep.astype(int) - shallow).max() <= 1


def test_grey_is_seen() -> None:
    photo = read_photo(pil(picture().convert("L"), "PNG"))
    assert photo.grey and is_grey(photo.pixels)


def frames() -> dict[str, object]:
    return {"save_all": True, "append_images": [picture().rotate(90), picture().rotate(180)]}


def test_a_phone_photo_with_more_pictures_inside_gives_its_first() -> None:
    photo = read_photo(pil(picture(), "MPO", **frames()))
    assert photo.notes == ("first of 3 pictures in the file",) and photo.ext == ".jpg"


PNG, JPEG = pil(picture(), "PNG"), pil(picture(), "JPEG")
BAD = {
    "empty": (b"", "empty (0 bytes)"),
    "text": (b"not a picture at all", "not an image"),
    "web page": (b"<!DOCTYPE html><html>", "a web page"),
    "pdf": (b"%PDF-1.7 ....", "a PDF"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "a HEIC"),
    "svg": (b"<svg xmlns='x'></svg>", "an SVG"),
    "truncated PNG": (PNG[: len(PNG) // 2], "the PNG is truncated"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "the JPEG is truncated"),
    "truncated BMP": (pil(picture(), "BMP")[:-500], "the BMP is truncated"),
    "truncated TIFF": (pil(picture(), "TIFF")[:-500], "the TIFF is truncated"),
    "truncated 16-bit TIFF": (tiff(RAMP)[:-1500], "the TIFF is truncated"),
    "truncated WebP": (pil(picture(), "WEBP")[:-300], "the WebP is truncated"),
    "PNG signature only": (b"\x89PNG\r\n\x1a\n", "the PNG is truncated"),
    "flipped byte": (PNG[:100] + bytes([PNG[100] ^ 255]) + PNG[101:], "the PNG is damaged"),
    "animated GIF": (pil(picture(), "GIF", **frames()), "animated GIF of 3 frames"),
    "animated WebP": (pil(picture(), "WEBP", **frames()), "animated WEBP of 3 frames"),
    "animated PNG": (pil(picture(), "PNG", **frames()), "animated PNG of 3 frames"),
    "TIFF pages": (pil(picture(), "TIFF", **frames()), "a TIFF of 3 pages"),
    "16-bit TIFF pages": (tiff(np.stack([RAMP] * 4), photometric="minisblack"), "a TIFF of 4 pages"),
    "five channels": (tiff(np.dstack([RAMP] * 5), photometric="minisblack", planarconfig="contig"), "5"),
    "no finite number": (tiff(np.full((40, 40), np.nan, np.float32)), "no pixel holds a finite number"),
    "too small": (pil(picture().resize((15, 100)), "PNG"), "at least 16 pixels a side, got 15x100"),
    "bomb": (huge_png(20_000, 15_000), "20000x15000 is above the limit of 200 megapixels"),
    "great bomb": (huge_png(60_000, 60_000), "above the limit of 200 megapixels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_give_one_clear_line(case: str) -> None:
    data, fragment = BAD[case]
    with pytest.raises(ImageError) as caught:
        read_photo(data, "part 7.png")
    line = str(caught.value)
    assert line.startswith("part 7.png: ") and fragment in line and "\n" not in line and ";" in line


def test_a_missing_file_and_a_folder_are_named(tmp_path) -> None:
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(ImageError, match=f"{path.name}: cannot be opened"):
            read_photo(path)


def test_the_size_limit_is_an_argument() -> None:
    with pytest.raises(ImageError, match="52x40 is above the limit of 0.002 megapixels"):
        read_photo(PNG, max_pixels=2000)
    assert read_photo(PNG, max_pixels=2080).pixels.shape == (40, 52, 3)


@pytest.mark.parametrize("seed", range(40))
def test_random_damage_never_escapes_the_tree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    originals = [PNG, JPEG, pil(picture(), "TIFF"), tiff(RAMP), pil(picture(), "WEBP"), pil(picture(), "BMP")]
    data = bytearray(originals[seed % len(originals)])
    for _ in range(6):
        data[rng.integers(len(data) if seed % 2 else 60)] = rng.integers(256)
    try:
        assert isinstance(read_photo(bytes(data)), ReadPhoto)
    except ImageError as error:
        assert "\n" not in str(error)


MASK = np.zeros((24, 30), np.bool_)
MASK[5:11, 7:20] = True


def mask_files() -> dict[str, bytes]:
    grey = MASK.astype(np.uint8)
    palette = PIL.Image.fromarray(grey).convert("P")
    palette.putpalette([0, 0, 0, 200, 0, 0] + [0] * 762)
    strokes = np.dstack([np.zeros((24, 30, 3), np.uint8), grey * 255])
    red = np.dstack([grey * 255, grey * 0, grey * 0])
    return {
        "0 and 255": pil(PIL.Image.fromarray(grey * 255), "PNG"),
        "0 and 1": pil(PIL.Image.fromarray(grey), "PNG"),
        "one bit": pil(PIL.Image.fromarray(MASK), "PNG"),
        "16 bits": pil(PIL.Image.fromarray(grey.astype(np.uint16) * 7), "PNG"),
        "palette": pil(palette, "PNG"),
        "red": pil(PIL.Image.fromarray(red), "PNG"),
        "black strokes on nothing": pil(PIL.Image.fromarray(strokes), "PNG"),
        "white strokes on nothing": pil(PIL.Image.fromarray(np.dstack([strokes[..., 3]] * 4)), "PNG"),
        "colour with alpha": pil(PIL.Image.fromarray(np.dstack([red, np.full((24, 30), 255, np.uint8)])), "PNG"),
        "float": tiff(MASK.astype(np.float32)),
    }


@pytest.mark.parametrize("case", mask_files())
def test_masks_in_every_form(case: str) -> None:
    assert np.array_equal(read_mask(mask_files()[case], (24, 30)), MASK)


def test_a_jpeg_mask_is_not_widened_by_its_ringing() -> None:
    data = pil(PIL.Image.fromarray(MASK.astype(np.uint8) * 255), "JPEG", quality=60)
    assert np.count_nonzero(read_mask(data) != MASK) <= 4


@pytest.mark.parametrize(("form", "options"), [("JPEG", {"quality": 70}), ("WEBP", {"quality": 50})])
@pytest.mark.parametrize("value", [100, 180, 255])
def test_a_lossy_mask_is_cut_between_its_two_clusters(form: str, options: dict, value: int) -> None:
    data = pil(PIL.Image.fromarray(MASK.astype(np.uint8) * np.uint8(value)), form, **options)
    assert np.count_nonzero(read_mask(data) != MASK) <= 6


def test_every_id_of_a_label_map_is_drawn_and_void_is_not() -> None:
    ids = np.zeros((24, 30), np.uint8)
    ids[5:11, 7:13], ids[5:11, 13:20] = 1, 3
    assert np.array_equal(read_mask(pil(PIL.Image.fromarray(ids), "PNG")), MASK)
    voided = ids.copy()
    voided[4, 6:21] = 255
    assert np.array_equal(read_mask(pil(PIL.Image.fromarray(voided), "PNG")), MASK)
    indexed = PIL.Image.fromarray(np.where(ids > 0, 2, 0).astype(np.uint8) + np.uint8(255) * (voided == 255))
    indexed.putpalette([40, 90, 40, 255, 0, 0, 0, 0, 0] + [9, 8, 7] * 253)
    assert np.array_equal(read_mask(pil(indexed, "PNG")), MASK)


def test_soft_rims_and_a_background_that_is_nearly_black() -> None:
    soft = np.zeros((24, 30), np.uint8)
    soft[4:12, 6:21] = 90
    soft[MASK] = 255
    assert np.array_equal(read_mask(pil(PIL.Image.fromarray(soft), "PNG")), MASK)
    near = np.where(MASK, 250, 3).astype(np.uint8)
    assert np.array_equal(read_mask(pil(PIL.Image.fromarray(near), "PNG")), MASK)


def test_alpha_that_is_zero_everywhere_is_ignored() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 30, 3), np.uint8)
    photo = read_photo(pil(PIL.Image.fromarray(np.dstack([rgb, np.zeros((24, 30), np.uint8)])), "PNG"), "a.png")
    assert np.array_equal(photo.pixels, rgb) and "alpha is 0 everywhere and was ignored" in photo.notes


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(MaskError, match="expected the photo's 31x24 pixels, got 30x24"):
        read_mask(mask_files()["0 and 1"], (24, 31))


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="here they can be decoded")
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_packed_pixels_are_told_as_such(bits: int) -> None:
    pixels = bytes(32 * 32 * bits // 8)
    tags = [
        (256, 4, 1, 32), (257, 4, 1, 32), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
        (277, 3, 1, 1), (278, 4, 1, 32), (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    with pytest.raises(ImageError, match=f"packed, {bits} bits each.*save the TIFF with 16 bits"):
        read_photo(b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory, "camera.tif")
