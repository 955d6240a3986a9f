"""Which mask belongs to which photo, by the many ways in which people name them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from core.errors import InputError
from core.images import isolated
from core.importers.shown_defect import photo_that_shows
from core.importers.source_entry import IMAGE_SUFFIXES, SourceEntry
from core.importers.words import Role, role_of

_WORDS = (
    "mask|masks|gt|ground[ _-]?truth|label|labels|bin|seg|segm|segmentation|defect|annotation|annotations|manual|roi|"
    "maske|mascara|m\u00e1scara|masque|maschera|lab|labelids?|\u63a9\u7801|\u63a9\u819c|\u6807\u6ce8|\u8499\u7248|\u30de\u30b9\u30af|\ub9c8\uc2a4\ud06c"
)
_ENDING = re.compile(
    rf"(?P<photo>.+?)[ _.-]*[ _.(-](?:(?:anomaly|defect|segmentation|gt)[ _.-]?)?(?P<word>{_WORDS}|m|bw|binary|lbl)"
    rf"(?:[ _.-](?:{_WORDS}))?\)?(?:[ _.-]?\(?\d+\)?)*",
    re.IGNORECASE,
)
_BEGINNING = re.compile(rf"(?P<word>{_WORDS})[ _.-](?P<photo>.+)", re.IGNORECASE)
_CAMEL = re.compile(r"(?P<photo>.*[a-z\d])(?P<word>Mask|GT|Label|Seg)")
_NUMBER = re.compile(r"(?P<photo>.+?)[ _.-]\d{1,4}")
_SURE = frozenset({"mask", "masks", "gt", "maske", "mascara", "m\u00e1scara", "masque", "maschera"})
_BARE_PHOTO = frozenset({"image", "img", "photo", "picture", "rgb", "foto", "bild", "input", "original", "raw"})
"""What the only photo of a folder of its own may be called."""
_PREFIX = re.compile(rf"(?:{_WORDS}|img|imgs|image|images|photo|photos|foto|fotos|bild|bilder|pic|picture|rgb|frame)")
_FIRST_CHANNEL = re.compile(r"(?P<photo>.+)_0000")
"""nnU-Net numbers the channels of a photo; its mask has no number."""
_LABEL_STUDIO = re.compile(r"task-\d+-annotation-.+")
"""Label Studio's PNG files of brushes: they name the task and not the photo."""
_SPLIT = ("train", "validation", "test")
_PROBED = 8
"""Photos with a picture of the same stem beside them that are opened per folder, to see whether it is a mask."""

NO_PHOTO = "a mask without a photo"
_NO_NAME = "a mask that names a task and not its photo"

Where = tuple[str, ...]


@dataclass
class Pairing:
    """``masks`` by the name of their photo; ``orphans`` are masks without one, each with the reason."""

    masks: dict[str, list[SourceEntry]] = field(default_factory=lambda: defaultdict(list))
    orphans: list[tuple[SourceEntry, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_orphan(reason: str) -> bool:
    """Whether a file was left out for ``reason`` because its photo was not found."""
    return reason.startswith((NO_PHOTO, _NO_NAME))


def in_mask_folder(entry: SourceEntry) -> bool:
    """Whether a folder on its way says that it holds masks."""
    return any(role_of(folder) == "mask" for folder in entry.folders)


def split_masks(images: Sequence[SourceEntry]) -> tuple[list[SourceEntry], list[SourceEntry]]:
    """Photos and masks: by folder, by a name like another's with ``_mask``, or by a flat twin of the same stem."""
    here: set[tuple[Where, str]] = set()
    masks: list[SourceEntry] = []
    open_question: list[SourceEntry] = []
    for entry in images:
        if in_mask_folder(entry):
            masks.append(entry)
        else:
            here |= {(entry.folded, entry.stem.casefold()), (entry.folded, entry.file.casefold())}
            open_question.append(entry)
    shared = {where for where, count in Counter(e.folded for e in open_question).items() if where and count > 1}
    named = {e.name for e in open_question if _is_named_mask(e, here) or _is_bare_mask(e, shared)}
    named |= _flat_twins([e for e in open_question if e.name not in named])
    return [e for e in open_question if e.name not in named], masks + [e for e in open_question if e.name in named]


def _is_named_mask(entry: SourceEntry, here: set[tuple[Where, str]]) -> bool:
    for pattern in (_ENDING, _BEGINNING, _CAMEL):
        match = pattern.fullmatch(entry.stem)
        if match is None:
            continue
        photo, is_sure = match["photo"].casefold(), match["word"].casefold() in _SURE
        if (entry.folded, photo) in here:
            return is_sure or is_flat(entry)
        if is_sure and (less := _less_last_word(photo)) and (entry.folded, less) in here:
            return True
    return _LABEL_STUDIO.fullmatch(entry.stem) is not None


def _less_last_word(stem: str) -> str:
    """``7`` of ``7_scratch``, whose mask says what it shows; "" of a single word."""
    return re.split(r"[ _.-]+[^\W\d_]+$", stem)[0] if re.search(r"[ _.-][^\W\d_]+$", stem) else ""


def _is_bare_mask(entry: SourceEntry, shared: set[Where]) -> bool:
    """Whether it is called ``mask`` and no more, beside the photo of a folder of its own."""
    return entry.folded in shared and entry.stem.casefold().rstrip("0123456789_- ") in _SURE


def _flat_twins(entries: Sequence[SourceEntry]) -> set[str]:
    """Of two pictures of one stem, those that are flat while the other is not; a few per folder are opened."""
    twins: dict[tuple[Where, str], list[SourceEntry]] = defaultdict(list)
    for entry in entries:
        twins[(entry.folded, entry.stem.casefold())].append(entry)
    by_folder: dict[tuple[Where, frozenset[str]], list[list[SourceEntry]]] = defaultdict(list)
    for (where, _), group in twins.items():
        if len(group) == 2 and group[0].suffix != group[1].suffix:
            by_folder[(where, frozenset(e.suffix for e in group))].append(group)
    found: set[str] = set()
    for pairs in by_folder.values():
        for suffix in {e.suffix for e in pairs[0]}:
            mine = [next(e for e in pair if e.suffix == suffix) for pair in pairs]
            others = [next(e for e in pair if e.suffix != suffix) for pair in pairs]
            if all(map(is_flat, mine[:_PROBED])) and not any(map(is_flat, others[:_PROBED])):
                found |= {e.name for e in mine}
    return found


def is_flat(entry: SourceEntry) -> bool:
    """Whether a picture has but a few flat values, as masks do; False for what cannot be read."""
    from core.images.looks import is_flat as flat_pixels

    try:
        return flat_pixels(isolated.read_photo(entry.load(), entry.name).pixels)
    except InputError:
        return False


def pair_masks(photos: Sequence[SourceEntry], masks: Sequence[SourceEntry], *, anywhere: bool = False) -> Pairing:
    """The masks of each photo, by place and name; what is ambiguous is left an orphan.

    ``anywhere``: a mask may lie in a folder of any name, since a person said that it is one.
    """
    by_key: dict[tuple[Where, str], list[SourceEntry]] = defaultdict(list)
    by_bare: dict[tuple[Where, str], list[SourceEntry]] = defaultdict(list)
    by_stem: dict[str, list[SourceEntry]] = defaultdict(list)
    by_place: dict[Where, list[SourceEntry]] = defaultdict(list)
    for photo in photos:
        by_place[_place(photo)].append(photo)
        for where in _places(photo):
            by_key[(where, photo.stem.casefold())].append(photo)
            by_key[(where, photo.file.casefold())].append(photo)
            if match := _FIRST_CHANNEL.fullmatch(photo.stem.casefold()):
                by_key[(where, match["photo"])].append(photo)
            if (bare := _without_words(photo)) != photo.stem.casefold():
                by_bare[(where, bare)].append(photo)
        by_stem[photo.stem.casefold()].append(photo)
    claims: dict[tuple[str, ...], list[SourceEntry]] = defaultdict(list)
    groups: dict[tuple[str, ...], list[SourceEntry]] = {}
    result = Pairing()
    for mask in masks:
        group = (
            _photos_of(mask, by_key, by_stem, anywhere)
            or _bare_photos_of(mask, by_bare, by_key)
            or _photo_of_own_folder(mask, by_place)
        )
        if not group:
            result.orphans.append((mask, NO_PHOTO))
            continue
        key = tuple(photo.name for photo in group)
        groups[key] = group
        claims[key].append(mask)
    for key, group in groups.items():
        _deal(group, claims[key], result)
    _deal_unnamed(photos, result)
    return result


def _deal_unnamed(photos: Sequence[SourceEntry], result: Pairing) -> None:
    """Masks that Label Studio named by task: those of a folder's only one go to the only photo without a mask.

    Where several photos there have none, it is the one that shows a defect under the mask, which a note tells.
    """
    unnamed = [(m, reason) for m, reason in result.orphans if _LABEL_STUDIO.fullmatch(m.stem)]
    if not unnamed:
        return
    left = [(m, reason) for m, reason in result.orphans if not _LABEL_STUDIO.fullmatch(m.stem)]
    bare: dict[Where, list[SourceEntry]] = defaultdict(list)
    for photo in photos:
        if not result.masks.get(photo.name):
            bare[photo.folded].append(photo)
    tasks: dict[tuple[Where, str], list[SourceEntry]] = defaultdict(list)
    for mask, _ in unnamed:
        tasks[mask.folded, mask.stem.partition("-annotation-")[0].casefold()].append(mask)
    for (where, task), masks in tasks.items():
        alone = [w for w, _ in tasks].count(where) == 1
        owner = _owner(masks[0], bare[where]) if alone else None
        if owner is not None:
            result.masks[owner.name] += masks
            if len(bare[where]) > 1:
                result.notes.append(
                    f"{masks[0].name} names a task and no photo: it is laid on {owner.file}, which shows a defect "
                    f"there; look whether it fits ({len(bare[where]) - 1} other photos have no mask either)"
                )
        else:
            reason = f"{_NO_NAME} ({task}); export JSON from Label Studio, or name it as its photo"
            left += [(mask, reason) for mask in masks]
    result.orphans = left


def _owner(mask: SourceEntry, bare: Sequence[SourceEntry]) -> SourceEntry | None:
    return bare[0] if len(bare) == 1 else photo_that_shows(mask, bare)


def _photos_of(
    mask: SourceEntry,
    by_key: dict[tuple[Where, str], list[SourceEntry]],
    by_stem: dict[str, list[SourceEntry]],
    anywhere: bool,
) -> list[SourceEntry]:
    for where in _places(mask):
        for stem in _stems(mask):
            if group := by_key.get((where, stem)):
                return group
        if where and (group := by_key.get((where[:-1], where[-1]))):
            return group
    if anywhere or in_mask_folder(mask):
        for stem in _stems(mask):
            if len(by_stem.get(stem, ())) == 1:
                return by_stem[stem]
    return []


def _bare_photos_of(
    mask: SourceEntry,
    by_bare: dict[tuple[Where, str], list[SourceEntry]],
    by_key: dict[tuple[Where, str], list[SourceEntry]],
) -> list[SourceEntry]:
    """The only photo of the same number where both names begin with a word: ``img_7`` and ``mask7``."""
    bare = _without_words(mask)
    for where in _places(mask):
        group = by_bare.get((where, bare)) or by_key.get((where, bare)) or []
        if len(group) == 1:
            return group
    return []


def _photo_of_own_folder(mask: SourceEntry, by_place: dict[Where, list[SourceEntry]]) -> list[SourceEntry]:
    """The photo that has a folder of its own, called like it or like any photo: ``7/image.png``, ``7/masks/a.png``."""
    where = _place(mask)
    there = by_place.get(where, []) if where and role_of(where[-1]) in (None, "bad") else []
    stem = there[0].stem.casefold() if len(there) == 1 else ""
    return there if stem and (stem == where[-1] or stem in _BARE_PHOTO) else []


def _place(entry: SourceEntry) -> Where:
    return tuple(f for f, role in _with_roles(entry) if role not in ("mask", "photo"))


def _with_roles(entry: SourceEntry) -> list[tuple[str, Role | None]]:
    """Its folders in small letters, each with its role, which capitals may tell (``labelsTr``)."""
    return [(f, role_of(named)) for f, named in zip(entry.folded, entry.folders, strict=True)]


def _without_words(entry: SourceEntry) -> str:
    """The stem less a word for masks or photos before its number, where one is left."""
    match = re.fullmatch(rf"{_PREFIX.pattern}[ _.-]?(?P<rest>\d.*)", entry.stem.casefold())
    return match["rest"] if match else entry.stem.casefold()


def _places(entry: SourceEntry) -> Iterator[Where]:
    """Where it lies, less the folders that only say what it is; then less those of a split, and those that say bad.

    So the mask of ``ng/dent/1.png`` may be ``masks/dent/1.png``.

    First with what a folder of masks says beside that: the masks of ``dent`` may lie in ``dent_masks``.
    """
    known = _with_roles(entry)
    told = tuple(
        left for f, role in known if role != "photo" and (left := _less_mask_word(f) if role == "mask" else f)
    )
    kept = [(f, role) for f, role in known if role not in ("mask", "photo")]
    if len(told) > len(kept):
        yield told
    shorter = (tuple(f for f, role in kept if role not in roles) for roles in ((), _SPLIT, (*_SPLIT, "bad")))
    yield from dict.fromkeys(shorter)


def _less_mask_word(folder: str) -> str:
    """A folder's name less a word for masks at its beginning or end; "" where nothing is left."""
    return re.sub(rf"(?:^|[ _.-]+)(?:{_WORDS})$|^(?:{_WORDS})[ _.-]+", "", folder)


def _stems(mask: SourceEntry) -> Iterable[str]:
    """What its photo may be called, the likeliest first."""
    stem = mask.stem.casefold()
    found = [stem]
    for pattern in (_ENDING, _BEGINNING):
        if match := pattern.fullmatch(stem):
            found.append(match["photo"])
            if match["word"] in _SURE and (less := _less_last_word(match["photo"])):
                found.append(less)
    if match := _CAMEL.fullmatch(mask.stem):
        found.append(match["photo"].casefold())
    for suffix in IMAGE_SUFFIXES:
        if stem.endswith(suffix):
            found.append(stem.removesuffix(suffix))
    if in_mask_folder(mask) and (match := _NUMBER.fullmatch(stem)):
        found.append(match["photo"])
    return dict.fromkeys(found)


def _deal(photos: Sequence[SourceEntry], masks: Sequence[SourceEntry], result: Pairing) -> None:
    """Photos of one stem: each takes the masks of its own extension, and one left takes the one left."""
    if len(photos) == 1:
        result.masks[photos[0].name] += masks
        return
    left: list[SourceEntry] = []
    for mask in masks:
        alike = [p for p in photos if p.suffix == mask.suffix]
        if len(alike) == 1:
            result.masks[alike[0].name].append(mask)
        else:
            left.append(mask)
    bare = [p for p in photos if p.name not in result.masks]
    if len(left) == len(bare) == 1:
        result.masks[bare[0].name].append(left[0])
        return
    names = " or ".join(p.file for p in photos)
    result.orphans += [(m, f"it may belong to {names}; name it as one of them with its extension") for m in left]
