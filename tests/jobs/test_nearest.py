"""The photo of a good part that is most like a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.api import Workbench
from core.errors import Cancelled
from core.features.extract import available

pytestmark = pytest.mark.skipif(available() is not None, reason="the packaged features are not installed")


def test_the_nearest_photo_is_found_and_new_photos_count(
    tmp_path: Path, photo_folder: Path, part_photos: list[np.ndarray]
) -> None:
    with Workbench.create(tmp_path / "project", "plates") as bench:
        bench.photos.import_images(photo_folder)
        material = bench.studio._product_data
        with pytest.raises(Cancelled):
            material.nearest(part_photos[0], lambda: True)
        for photo in part_photos[:3]:
            found = material.nearest(np.clip(photo.astype(int) + 3, 0, 255).astype(np.uint8))
            assert (found.pixels == photo).all()
        assert (bench.project.cache_dir / "reference.npz").is_file()
