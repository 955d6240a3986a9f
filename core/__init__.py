"""Flawsmith's core: photos in, image+mask pairs out. No module here imports the app."""

__version__ = "0.1.0"
