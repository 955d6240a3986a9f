"""What folders are called: good, bad, masks, photos, parts of a split; and labels that every format can hold."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from core.types import GOOD, RESERVED_LABELS, check_label

Role = Literal["good", "bad", "mask", "photo", "train", "validation", "test", "overlay"]

_NAMES: dict[str, Role] = {}
"""Whole names, without what separates their words."""
for _role, _words in {
    "good": "good ok normal normals pass passed defectfree nodefect nodefects nondefective io gut gutteil gutteile "
    "negative negatives fehlerfrei inordnung bueno buenos buena buenas correcto correctos correcta correctas bon bons "
    "bonne bonnes buono buoni buona buone conforme conformes bom boa bons boas undamaged intact healthy flawless "
    "clean neg dobre dobry goed goede goedgekeurd vadmentes jo iyi saglam bune bun godkanda godkand godkant godkendt "
    "fejlfri feilfri hyva hyvat ehja ehjat baik bagus aprobado aprobados aprobada aprobadas aprovado aprovados "
    "aprovada aprovadas conformi accept accepted accepts approved годные годный годен норма исправные хорошие "
    "добрі καλα καλά سليم جيد",
    "bad": "bad ng ko nok nio anomaly anomalies anomalous abnormal abnormals defect defects defective def fail failed "
    "faulty fault faults damaged damage positive positives reject rejects rejected scrap schlecht schlechtteil "
    "schlechtteile fehler fehlerhaft fehlerteile defekt defekte ausschuss mangelhaft malo malos mala malas defecto "
    "defectos defectuoso defectuosos defectuosa defectuosas rechazado rechazados rechazada rechazadas danado danados "
    "mauvais mauvaise mauvaises defaut defauts defectueux rebut rebuts difetto difetti difettoso difettosi scarto "
    "scarti ruim ruins defeito defeitos defeituoso defeituosos wada wady zle slecht "
    "vadne chybne hibas hatali kusurlu bozuk uszkodzone uszkodzony afgekeurd underkanda underkand underkant fejl "
    "feil kasseret vialliset viallinen viat cacat rusak reprobado reprobados reprobada reprobadas reprovado "
    "reprovados reprovada reprovadas defecte брак дефект дефекты бракованные погані ελαττωματικα ελαττωματικά "
    "معيب تالف pos anomalia anomalias anomalie",
    "mask": "mask masks groundtruth groundtruths gt gts label labels annotation annotations segmentation "
    "segmentations segmentationclass segmentationobject seg bin maske masken mascara mascaras masque masques "
    "maschera maschere mascheres masker maskers maska maski masky маска маски",
    "photo": "image images img imgs photo photos picture pictures rgb jpegimages data input foto fotos bild bilder "
    "aufnahmen imagen imagenes imagem imagens immagine immagini obraz obrazy 图像 图片 照片 画像 写真 이미지 사진",
    "train": "train training 训练 训练集 訓練 學習 学習 学習用 학습 훈련",
    "validation": "val valid validation dev 验证 验证集 驗證 検証 検証用 검증",
    "test": "test testing testpublic eval 测试 测试集 測試 測試集 テスト テスト用 評価 테스트 평가",
    "overlay": "overlay overlays visualization visualizations visualisation visualisations vis heatmap heatmaps "
    "anomalymap anomalymaps predict prediction predictions preview previews thumbnail thumbnails thumbs",
}.items():
    _NAMES |= dict.fromkeys(_words.split(), _role)  # type: ignore[arg-type]

_UNNUMBERED = frozenset({"pos", "neg", "clean"})
"""Names that say nothing with a number: ``pos1`` is a position."""

_GOOD_WORDS = frozenset(
    "good ok normal gut gute guter gutes guten pass passed fehlerfrei fehlerfreie undamaged intact intakt gutteil "
    "gutteile flawless bueno buenos buena buenas correcto correctos correcta correctas bon bons bonne bonnes buoni "
    "buone boas conforme conformes conformi годные годный годен хорошие исправные".split()
)
_BAD_WORDS = frozenset(
    "bad ng nok nio anomaly anomalies anomalous abnormal defect defects defective def fail failed faulty damaged "
    "reject rejects rejected schlecht schlechte schlechtes schlechten schlechtteil schlechtteile fehler fehlerhaft "
    "fehlerhafte defekt defekte ausschuss defecto defectos defectuoso defectuosos defectuosa defectuosas malo malos "
    "mala malas defaut defauts mauvais mauvaise mauvaises difetto difetti difettoso difettosi defeito defeitos".split()
)
NEGATIONS = frozenset(
    "no non not without free ohne kein keine keinen nicht frei sin sans senza sem nao un не без".split()
)
"""Words that turn what stands beside them round."""
_FILLING = frozenset(
    "front back top bottom side left right view cam camera image images img imgs photo photos picture pictures part "
    "parts piece pieces sample samples product products train test val set all only new old raw class crop crops unit "
    "units item items dir condition teil teile bilder bild pieza piezas imagenes file files the of and png tr ts "
    "jpg pezzi pecas".split()
)
_MASK_WORDS = frozenset("mask masks gt groundtruth maske masken mascara mascaras".split())
_WEAK_MASK_WORDS = frozenset(
    "label labels lab annotation annotations annot anno ann seg segmentation segmentations semantic bin".split()
)
_COLLECTION = frozenset("dataset datasets detection classification inspection benchmark database master".split())
"""Words of a whole dataset's name, which tells of what it holds and not how its photos are."""
_UNSPACED_BAD = tuple(
    "不良 不合格 非正常 缺陷 瑕疵 异常 異常 欠陥 불량 결함 เสีย ชำรุด ตำหนิ ผิดปกติ ไม่ดี ไม่ผ่าน lỗi hỏng".split()
)
_UNSPACED_GOOD = tuple("良品 合格 正常 良好 양품 정상 ดี ผ่าน ปกติ tốt".split())
_UNSPACED_NO = tuple("无 無 没有 ไม่มี không".split())
_UNSPACED_MASK = ("掩码", "掩膜", "蒙版", "遮罩", "标注", "マスク", "마스크")


@lru_cache(4096)
def role_of(folder: str) -> Role | None:
    """What a folder of this name holds; None where the name does not tell.

    A name of several words says "good" only where its other words say nothing, so that ``normal_wear`` is a defect's;
    it says "bad" beside any other word, and a negation turns either round.
    """
    words = words_of(folder)
    joined = "".join(words)
    numbered = bool(re.search(r"\d", folder))
    found = _NAMES.get(joined)
    if found and (not numbered or joined not in _UNNUMBERED and (found in ("good", "bad") or joined in _MASK_WORDS)):
        return found
    if "groundtruth" in joined or _MASK_WORDS & set(words):
        return "mask"
    rest = set(words) - _FILLING
    if not numbered and not rest and any(_NAMES.get(word) == "photo" for word in words):
        return "photo"
    plain = rest - _WEAK_MASK_WORDS - _GOOD_WORDS - _BAD_WORDS
    if not numbered and rest & _WEAK_MASK_WORDS and not plain and _FILLING & set(words) <= _SPLITS:
        return "mask"
    return _unspaced_role(folder) or _worded_role(words)


_SPLITS = frozenset("train test val all set tr ts dir".split())


def _worded_role(words: tuple[str, ...]) -> Role | None:
    """Good or bad by single words, each turned round by a negation beside it."""
    said = set(words)
    if said & _COLLECTION:
        return None
    negated = bool(said & NEGATIONS)
    rest = {w for w in said - _FILLING - NEGATIONS if len(w) > 1}
    if said & _BAD_WORDS:
        return "good" if negated and rest <= _BAD_WORDS else "bad"
    if said & _GOOD_WORDS and rest <= _GOOD_WORDS:
        return "bad" if negated else "good"
    return None


_STEM_WORDS = _GOOD_WORDS | _BAD_WORDS | NEGATIONS


def stem_role(stem: str) -> Literal["good", "bad"] | None:
    """What a file's own name says of its photo by its first or last words: ``NG_003`` or ``bolt_ok``."""
    words = words_of(stem)
    told = next((w for w in (words[:2], words[:1], words[-2:], words[-1:]) if w and set(w) <= _STEM_WORDS), ())
    role = _worded_role(told)
    return role if role == "good" or role == "bad" else None


def _unspaced_role(folder: str) -> Role | None:
    """Chinese, Japanese, Korean and Thai names have no blanks between their words, and other scripts have marks."""
    if folder.isascii():
        return None
    folder = unicodedata.normalize("NFC", folder.casefold())
    if any(word in folder for word in _UNSPACED_MASK):
        return "mask"
    if any(word in folder for word in _UNSPACED_BAD):
        return "good" if any(word in folder for word in _UNSPACED_NO) else "bad"
    return "good" if any(word in folder for word in _UNSPACED_GOOD) else None


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in small letters without accents or numbers: ``NODefect_2 (alt)`` is no, defect, alt."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", unicodedata.normalize("NFKC", name))
    plain = "".join(unicodedata.normalize("NFD", c)[0] if c < "\u0250" else c for c in text.casefold())
    return tuple(re.findall(r"[^\W\d_]+", plain))


_COUNTED = frozenset(
    "line lot batch hall shift day week month run series serie los charge schicht tag halle linie lote lotes turno "
    "linea lotto cam camera cams kamera station machine maschine maquina no nr folder ordner session s p".split()
)


def is_counted(folder: str) -> bool:
    """Whether a folder's name is a date, a number or a counter (``2025-03-01``, ``lot 12``, ``cam1``): no label."""
    return bool(re.search(r"\d", folder)) and set(words_of(folder)) <= _COUNTED


def is_filling(folder: str) -> bool:
    """Whether a folder's name has only words that say nothing of its parts (``all parts``, ``camera 2``)."""
    return set(words_of(folder)) <= _FILLING


def photo_label(photo: Sequence[str], mask: Sequence[str] = ()) -> str:
    """The label that folders name: the innermost that is no part of a layout, and on the mask's way too if given."""
    shared = {folder.casefold() for folder in mask}
    named = [f for f in photo if role_of(f) is None and not is_counted(f) and (not mask or f.casefold() in shared)]
    return named[-1] if named else "defect"


def safe_label(raw: str) -> str:
    """``raw`` as a label that every dataset format can hold: "Copper Hole" becomes "copper_hole"."""
    plain = unicodedata.normalize("NFKD", raw.casefold()).encode("ascii", "ignore").decode()
    clean = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:64].strip("_")
    if not clean:
        clean = f"defect_{hashlib.sha256(raw.encode('utf-8', 'replace')).hexdigest()[:6]}"
    if clean in (GOOD, "ground_truth") or clean in RESERVED_LABELS:
        clean = f"{clean}_defect"
    return check_label(clean)
