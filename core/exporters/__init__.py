"""Datasets out and in: ``export`` writes one, ``read_dataset`` reads it back, ``detect_format`` tells the format of a
folder."""

from core.exporters.api import DatasetFormat, DatasetItem, ExportOptions, ExportReport, read_options
from core.exporters.export import FORMATS, detect_format, export, format_named, preview_export, read_dataset

__all__ = [
    "FORMATS",
    "ExportOptions",
    "DatasetFormat",
    "DatasetItem",
    "ExportReport",
    "detect_format",
    "export",
    "format_named",
    "preview_export",
    "read_dataset",
    "read_options",
]
