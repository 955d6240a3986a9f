"""Datasets out and in: ``export`` writes one, ``read`` reads it back, ``detect`` tells the format of a folder."""

from core.exporters.api import ExportOptions, Format, Item, Report, read_options
from core.exporters.export import FORMATS, detect, export, format_named, preview, read

__all__ = [
    "FORMATS",
    "ExportOptions",
    "Format",
    "Item",
    "Report",
    "detect",
    "export",
    "format_named",
    "preview",
    "read",
    "read_options",
]
