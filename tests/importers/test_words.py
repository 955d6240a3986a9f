"""What names of folders and files say, in several languages; what says nothing is not guessed."""

from __future__ import annotations

import pytest

from core.importers.words import role_of, stem_role, words_of

SAID = {
    "good": "良品 正常 无缺陷 양품 bueno buenas i.O. IO Gutteile fehlerfrei ohne_Fehler OK_2024 ok-parts good_images "
    "non-defective without-defects undamaged ok_front NODefect_images Negative gute_Teile piezas_buenas bonnes",
    "bad": "不良 不良品 不合格 欠陥 불량 defectuoso malas n.i.O. NIO Schlechtteile Fehler NG_2024 ng-parts "
    "defect_images with-defects damaged def_front Class2_def Positive not_ok nicht_ok schlechte_Teile mauvais defect1",
    "mask": "Masken máscaras 掩码 マスク train_lab groundTruthPngImg 38_gt_folder Mask_images Ground-Truth "
    "NG_annot mask1",
    "photo": "Bilder imágenes 图像 train_img Images",
    "overlay": "overlay heatmaps Visualization thumbnails",
}


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, names in SAID.items() for name in names.split()])
def test_a_folder_says_what_it_holds(role: str, name: str) -> None:
    assert role_of(name.replace("-", " ")) == role_of(name) == role


@pytest.mark.parametrize(
    "name", "normal_wear io_module S0000 kos01 img1 missing_cap x good_yield no_cap label1 标签".split()
)
def test_a_name_that_does_not_tell_is_not_guessed(name: str) -> None:
    assert role_of(name) is None


def test_the_name_of_a_whole_dataset_tells_nothing_of_its_photos() -> None:
    assert role_of("PCB Defect Dataset") is None and role_of("casting-defect-detection") is None


@pytest.mark.parametrize(
    ("stem", "said"),
    [("NG_003", "bad"), ("bolt_ok", "good"), ("not_ok_4", "bad"), ("IMG_0001", None), ("no_defect_3", "good")],
)
def test_a_file_name_tells_by_its_first_or_last_words(stem: str, said: str | None) -> None:
    assert stem_role(stem) == said


def test_words_are_apart_by_capitals_and_free_of_accents() -> None:
    assert words_of("NODefect_2 (Größe)") == ("no", "defect", "grosse")
