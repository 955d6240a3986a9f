"""How the names in a zip are written: old packers use the code page of their system and do not say which."""

from __future__ import annotations

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence

from core.importers.source_entry import printable

_UTF8_FLAG = 0x800
_UNICODE_PATH = 0x7075
_LATIN = ("cp437", "cp850", "cp1252")
_WIDE = ("gbk", "cp949")
"""Codings of many more characters, which nearly all bytes can be read in; asked last."""
_COMMON_LATIN = frozenset("äöüßéèàñçáíóúâêôåæøÄÖÜÉÀÑÇÁÅØ")
_SIGNS = frozenset("–—’°²³½·")
_COMMON_HANGUL = frozenset(
    "이다는에의가을를하고은지나도기사리로서한어자시그해아인대정수부스라장전보제일주동문안구상신여원비유미공조국성"
    "선물화과실세관반불량양품결함오염찍힘크랙검표면내외형색위치번호파손균열흠점선들중만내용생각소재료금속판유리회차"
    "카메진촬영결과정상불합격험학습데이터폴더무연마모트드레프린트큰작없음있습니게며면와음으적것거야너네우저경계단"
    "분석운방법산업체품질출입력모델개발중간최종후앞뒤좌우새복바탕화명목록환변출"
)
"""Syllables that Korean names of files are made of; every second one of a Korean name is among them."""


def readable_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """The name of each file of a zip with ``/`` between folders, in the coding that fits all of them best."""
    coding = _coding_of([_raw(info) for info in infos if not info.flag_bits & _UTF8_FLAG])
    return [printable(_name(info, coding).replace("\\", "/")) for info in infos]


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The bytes of a name without the UTF-8 flag, which ``zipfile`` reads as code page 437."""
    return info.orig_filename.encode("cp437", "replace")


def _name(info: zipfile.ZipInfo, coding: str) -> str:
    if info.flag_bits & _UTF8_FLAG:
        return info.filename
    return _unicode_path(info) or _raw(info).decode(coding, "replace").partition("\0")[0]


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in UTF-8 that Info-ZIP, WinRAR and others keep beside the old one; None where it belongs to another."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            if struct.unpack("<I", field[1:5])[0] != zlib.crc32(_raw(info)):
                return None
            return field[5:].decode("utf-8", "replace")
    return None


def _coding_of(names: Sequence[bytes]) -> str:
    """The coding of ``names``, which one packer wrote; UTF-8 where they are plain ASCII."""
    odd = [name for name in names if not name.isascii()]
    if not odd or _read(odd, "utf-8") is not None:
        return "utf-8"
    if (japanese := _read(odd, "shift_jis")) is not None and _looks_japanese(japanese):
        return "shift_jis"
    if (korean := _read(odd, "euc_kr")) is not None and _looks_korean(korean):
        return "euc_kr"
    chinese = [c for c in ("gb2312", "big5") if (text := _read(odd, c)) is not None and _stands_together(text)]
    if chinese:
        return max(chinese, key=lambda coding: _common_share(odd, coding))
    wide = [c for c in _WIDE if (text := _read(odd, c)) is not None and _stands_together(text)]
    return wide[0] if wide else max(_LATIN, key=lambda coding: _latin_score(odd, coding))


def _read(names: Sequence[bytes], coding: str) -> str | None:
    """All names in one text; None where they cannot be read in ``coding``."""
    try:
        return "\n".join(name.decode(coding) for name in names)
    except UnicodeDecodeError:
        return None


def _stands_together(text: str) -> bool:
    """Whether characters beyond ASCII stand in words of their own: an umlaut misread stands alone between letters."""
    runs = list(re.finditer(r"[^\x00-\x7f]+", text))
    alone = [
        run
        for run in runs
        if len(run[0]) == 1
        and re.search(r"[A-Za-z]", text[max(0, run.start() - 1) : run.start()] + text[run.end() :][:1])
    ]
    letters = re.sub(r"[\x00-\x7f]", "", text)
    ideographs = sum(unicodedata.name(c, "").startswith(("CJK", "HANGUL", "HIRAGANA", "KATAKANA")) for c in letters)
    return 2 * len(alone) < len(letters) and 2 * ideographs > len(letters)


def _looks_japanese(text: str) -> bool:
    """Kana or the commoner half of the ideographs, and few of the half-wide kana, which any bytes become."""
    kana = len(re.findall(r"[\u3041-\u30ff]", text))
    half = len(re.findall(r"[\uff61-\uff9f]", text))
    ideographs = re.findall(r"[\u4e00-\u9fff]", text)
    common = sum(c.encode("shift_jis")[0] < 0x98 for c in ideographs)
    told = kana + common > 0 and 4 * half <= kana + len(ideographs) and 2 * common >= len(ideographs)
    return told and _stands_together(text)


def _looks_korean(text: str) -> bool:
    syllables = re.findall(r"[\uac00-\ud7a3]", text)
    return 2 * sum(s in _COMMON_HANGUL for s in syllables) >= max(1, len(syllables)) and _stands_together(text)


def _common_share(names: Sequence[bytes], coding: str) -> float:
    """The share of ideographs in the half of a Chinese character set that is in daily use."""
    last = {"gb2312": 0xD7, "big5": 0xC6}[coding]
    leads = [c.encode(coding)[0] for c in _read(names, coding) or "" if c >= "\u4e00"]
    return sum(lead <= last for lead in leads) / max(1, len(leads))


def _latin_score(names: Sequence[bytes], coding: str) -> float:
    """How many of the bytes beyond ASCII become letters of Western words, capitals not among small letters."""
    text = "\n".join(name.decode(coding, "replace") for name in names)
    score = 0.0
    for at, letter in enumerate(text):
        if letter.isascii():
            continue
        misplaced = letter.isupper() and text[at - 1 : at].islower()
        lonely = not (text[at - 1 : at] + text[at + 1 : at + 2]).strip("/_- .1234567890")
        if letter.isalpha() and "LATIN" in unicodedata.name(letter, "") and not misplaced and not lonely:
            score += 1.0 if letter in _COMMON_LATIN else 0.5
        elif letter in _SIGNS:
            score += 0.25
    return score
