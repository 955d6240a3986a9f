"""Features of a pretrained network, and the index of the good photos that are most like a picture."""
