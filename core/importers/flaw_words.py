"""Words that name a flaw, in several languages: a folder ``scratch`` holds defects, ``no_scratch`` good parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.importers.words import NEGATIONS, role_of, stem_role, words_of

Told = Literal["good", "bad"]

_FLAWS = frozenset(
    "break breaks broken fray frayed uneven bent pinhole pinholes mousebite mousebites blister blisters wrinkle "
    "wrinkles wrinkled discoloration discolored void voids bubble bubbles leak leaks dirty dusty worn "
    "scratch scratches scratched crack cracks cracked cracking dent dents dented stain stains stained burr burrs rust "
    "rusty corrosion corroded porosity blowhole blowholes crazing breakage chipped torn scuff scuffs pitting pitted "
    "delamination deformed deformation contamination contaminated misaligned missing "
    "kratzer riss risse delle dellen beule beulen rost fleck flecken bruch lunker abplatzer verschmutzung "
    "aranazo aranazos rayado grieta grietas abolladura abolladuras mancha manchas oxido rotura "
    "rayure rayures fissure fissures tache taches rouille cassure graffio graffi crepa ammaccatura ammaccature "
    "macchia macchie ruggine rottura trinca trincas arranhao arranhoes ferrugem kras krassen scheur scheuren "
    "rysa rysy pekniecie царапина царапины трещина трещины вмятина ржавчина".split()
)
_UNSPACED = tuple(
    "划痕 劃痕 划伤 刮痕 裂纹 裂紋 裂缝 凹陷 污渍 污点 锈 毛刺 气孔 キズ 傷 割れ 汚れ ヘコミ バリ 錆 "
    "스크래치 균열 찍힘 얼룩".split()
)


def told_by(folder: str) -> Told | None:
    """Whether a folder says that its parts are good or bad, by those words or by a flaw's name."""
    role = role_of(folder)
    return role if role == "good" or role == "bad" else _flaw(folder)


def told_by_stem(stem: str) -> Told | None:
    """The same of a file's own name, by its first or last words: ``NG_003``, ``scratch_003``, ``003_no_scratch``."""
    if said := stem_role(stem):
        return said
    words = words_of(stem)
    before = [word for word in (*words[:1], *words[-2:-1]) if word in NEGATIONS]
    if flaw_in(stem):
        return "bad"
    return "good" if before and any(_flaw(word) for word in (*words[1:2], *words[-1:])) else None


def flaw_in(stem: str) -> str | None:
    """The flaw that a file's own name begins or ends with, None where it names none or says that there is none."""
    words = words_of(stem)
    if words and _flaw(words[0]) == "bad":
        return words[0]
    return words[-1] if len(words) > 1 and _flaw(words[-1]) == "bad" and words[-2] not in NEGATIONS else None


def innermost(folders: Sequence[str]) -> tuple[int, Told] | None:
    """The last folder that tells good from bad, by its place, and what it says."""
    for place in range(len(folders) - 1, -1, -1):
        if told := told_by(folders[place]):
            return place, told
    return None


def _flaw(name: str) -> Told | None:
    words = set(words_of(name))
    if words & _FLAWS:
        return "good" if words & NEGATIONS else "bad"
    if any(word.startswith("un") and word[2:] in _FLAWS for word in words):
        return "good"
    return "bad" if not name.isascii() and any(word in name for word in _UNSPACED) else None
