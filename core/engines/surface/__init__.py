"""What the engines know of a surface: its noise, its patches, looks of damage, and real defects carried over to it."""
