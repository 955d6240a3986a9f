"""Inpainting and editing pipelines of diffusers as black boxes: a photo, a mask and words in, a picture out.

families.py     which pipelines there are and what each takes; needs no torch
loading.py      a folder as an Editor, or one line about what is wrong with it
schedulers.py   another scheduler for a U-Net
editing.py      a window drawn by an Editor, with progress and cancel
"""
