"""Flawsmith's faces: the Gradio app and the command line. Both speak to core.api only."""
