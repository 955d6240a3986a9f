"""The review board: thumbnails, comparison with the photo, verdicts; all of it answers keys at once."""
