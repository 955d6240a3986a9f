"""Photos: read and write files, crop and paste, blend, and fill holes."""

from core.images.blend import alpha_blend, inner_alpha, poisson_blend
from core.images.context import ContextMargin, ContextRectangle
from core.images.crop import PhotoCrop, crop_around_mask
from core.images.decode import MAX_PIXELS
from core.images.file_limits import png_size
from core.images.fill.hole import fill_hole
from core.images.read import MIN_SIDE, ReadPhoto, mask_top_value, read_image, read_mask, read_photo
from core.images.write import (
    TEMP_PREFIX,
    atomic_write,
    cached_file,
    clean_temporary,
    is_grey,
    mask_png_bytes,
    png_bytes,
    read_png_text,
    soft_png_bytes,
    thumbnail_bytes,
)

__all__ = [
    "ContextMargin",
    "ContextRectangle",
    "MAX_PIXELS",
    "MIN_SIDE",
    "TEMP_PREFIX",
    "ReadPhoto",
    "PhotoCrop",
    "alpha_blend",
    "atomic_write",
    "clean_temporary",
    "fill_hole",
    "inner_alpha",
    "is_grey",
    "cached_file",
    "mask_png_bytes",
    "mask_top_value",
    "png_bytes",
    "png_size",
    "poisson_blend",
    "read_image",
    "read_mask",
    "read_photo",
    "read_png_text",
    "crop_around_mask",
    "soft_png_bytes",
    "thumbnail_bytes",
]
