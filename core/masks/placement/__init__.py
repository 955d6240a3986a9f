"""Where a defect may lie, and how large it is: from a label and a photo to masks."""
