"""The mask canvas: a Gradio component in plain JavaScript, and the JSON it speaks."""
