"""One shard of a batch as a folder: images, masks, recipes, and the checksum of each file.

::

    shard.json                which shard of which batch, and of what inputs
    images/0000007.png        sample 7, its recipe inside
    masks/0000007.png         its mask
    maps/0000007-*.png        soft maps, masks of instances, further pictures
    samples/0000007.json      recipe, scores, checksums; written last, so what it lists is whole
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.errors import InputError
from core.given_files import MAX_TEXT, read_given
from core.images import atomic_write
from core.jobs.packed_sample import PackedSample
from core.stored import StoredFormat, plain_record, read_record
from core.types import Kind

FORMAT = StoredFormat("shard")
SAMPLE_FORMAT = StoredFormat("shard's sample")
CARD = "shard.json"
_SAMPLES = "samples"

FileRole = Literal["image", "mask", "attention", "instance", "component", "unrefined", "picture"]


@dataclass(frozen=True)
class Shard:
    """Shard ``index`` of ``count``, 1 to ``count``."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``"2/8"``; InputError for anything else."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise InputError(f"shard {text!r}: expected i/n with i from 1 to n, for example 2/8")
        return cls(int(index), int(count))

    def indices(self, total: int) -> range:
        """The indices of its samples in a batch of ``total``: a run of neighbours, as long as that of every other."""
        return range(total * (self.index - 1) // self.count, total * self.index // self.count)

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True)
class ShardCard:
    """What ``shard.json`` holds. ``inputs`` is the digest that core.jobs.batch_digest tells of."""

    index: int
    count: int
    batch: Mapping[str, Any]
    inputs: str
    version: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shard(self) -> Shard:
        """Which one of how many."""
        return Shard(self.index, self.count)


@dataclass(frozen=True)
class ShardFile:
    """A PNG of a sample: ``file`` is relative to the shard's folder, ``name`` tells components and pictures apart."""

    role: FileRole
    file: str
    sha256: str
    name: str = ""


@dataclass(frozen=True)
class ShardSample:
    """What ``samples/NUMBER.json`` holds of a sample; ``descriptor`` is base64. See PackedSample for the rest."""

    normal_id: str
    label: str
    kind: Kind
    engine: str
    seed: int
    recipe: str
    descriptor: str
    scores: Mapping[str, float]
    files: tuple[ShardFile, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


class ShardFolder:
    """Writes and reads the folder of one shard."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def card(self) -> ShardCard:
        """The shard's card; InputError if the folder is no shard, or a newer Flawsmith's."""
        path = self.path / CARD
        if not path.is_file():
            raise InputError(f"{self.path}: expected the folder of a shard, found no {CARD}; give what --out named")
        card = read_record(ShardCard, FORMAT.parse(read_given(path, MAX_TEXT), str(path)), str(path))
        if not 1 <= card.index <= card.count:
            raise InputError(f"{path}: expected shard 1 to {card.count} of {card.count}, got {card.index}")
        return card

    def start(self, card: ShardCard) -> None:
        """Make the folder and its card; InputError if it holds another shard, or anything else."""
        if (self.path / CARD).is_file():
            if (other := self.card()) != card:
                what = f"shard {other.shard}" if other.batch == card.batch else "a shard of another batch"
                if (other.batch, other.shard) == (card.batch, card.shard):
                    what = "this shard, made of other photos, concepts or another version"
                raise InputError(f"{self.path}: holds {what}; choose another folder, or delete it and begin anew")
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise InputError(f"{self.path}: expected a new or empty folder for the shard; choose another one")
        for name in ("images", "masks", "maps", _SAMPLES):
            (self.path / name).mkdir(parents=True, exist_ok=True)
        _write_json(self.path / CARD, FORMAT.stamped(plain_record(card)))

    def done(self) -> set[int]:
        """Indices of the samples that are there or were given up."""
        return {int(path.stem) for path in (self.path / _SAMPLES).glob("*.json") if path.stem.isdecimal()}

    def write(self, index: int, packed: PackedSample) -> None:
        """Store a sample; it counts once its JSON is there."""
        files = []
        for role, name, file, data in _pictures(index, packed):
            atomic_write(self.path / file, data)
            files.append(ShardFile(role, file, hashlib.sha256(data).hexdigest(), name))
        record = ShardSample(
            packed.normal_id, packed.label, packed.kind, packed.engine, packed.seed, packed.recipe_json,
            base64.b64encode(packed.descriptor).decode("ascii"), dict(packed.scores), tuple(files),
        )  # fmt: skip
        _write_json(self._json(index), SAMPLE_FORMAT.stamped(plain_record(record)))

    def give_up(self, index: int, reason: str) -> None:
        """Store that nothing came of a sample, and why."""
        _write_json(self._json(index), SAMPLE_FORMAT.stamped({"given_up": reason}))

    def read(self, index: int) -> PackedSample | str:
        """A sample, each file compared with its checksum, or why it was given up; InputError if it is damaged."""
        path = self._json(index)
        raw = SAMPLE_FORMAT.parse(read_given(path, MAX_TEXT), str(path))
        if "given_up" in raw:
            return str(raw["given_up"])
        record = read_record(ShardSample, raw, str(path))
        by_role: dict[FileRole, dict[str, bytes]] = {}
        for item in record.files:
            by_role.setdefault(item.role, {})[item.name] = self._checked(item)
        if any("" not in by_role.get(role, {}) for role in ("image", "mask")):
            raise InputError(f"{path}: expected an image and a mask, it lists {', '.join(by_role) or 'nothing'}")
        if not all(map(math.isfinite, record.scores.values())):
            raise InputError(f"{path}: expected finite scores; delete it and make the sample again")
        return PackedSample(
            by_role["image"][""], by_role["mask"][""], record.normal_id, record.label, record.kind, record.engine,
            record.seed, record.recipe, _descriptor_bytes(record.descriptor, path), scores=record.scores,
            attention_png=by_role.get("attention", {}).get(""),
            instance_pngs=tuple(by_role.get("instance", {}).values()),
            component_pngs=by_role.get("component", {}),
            unrefined_png=by_role.get("unrefined", {}).get(""),
            picture_pngs=by_role.get("picture", {}),
        )  # fmt: skip

    def _checked(self, item: ShardFile) -> bytes:
        path = self.path / item.file
        if "\0" in item.file or not path.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{self.path}: it names a file outside the shard ({item.file!r}); make the shard again")
        if not os.path.isfile(path):  # not so for a name that is too long, where Path.is_file raises
            raise InputError(f"{path}: is missing; make the shard again, what is whole is not made twice")
        data = read_given(path)
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise InputError(f"{path}: is not what was written (its checksum differs); delete it and make it again")
        return data

    def _json(self, index: int) -> Path:
        return self.path / _SAMPLES / f"{index:07d}.json"


def _descriptor_bytes(text: str, path: Path) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InputError(
            f"{path}: its descriptor is damaged ({error}); delete it and make the sample again"
        ) from error


def _pictures(index: int, packed: PackedSample) -> Iterator[tuple[FileRole, str, str, bytes]]:
    """Role, name, file and bytes of each picture of a sample."""
    yield "image", "", f"images/{index:07d}.png", packed.image_png
    yield "mask", "", f"masks/{index:07d}.png", packed.mask_png
    if packed.attention_png is not None:
        yield "attention", "", f"maps/{index:07d}-attention.png", packed.attention_png
    if packed.unrefined_png is not None:
        yield "unrefined", "", f"maps/{index:07d}-unrefined.png", packed.unrefined_png
    instances = {str(k): png for k, png in enumerate(packed.instance_pngs)}
    named: tuple[tuple[FileRole, Mapping[str, bytes]], ...] = (
        ("instance", instances),
        ("component", packed.component_pngs),
        ("picture", packed.picture_pngs),
    )
    for role, pictures in named:
        for k, (name, png) in enumerate(pictures.items()):  # a component's name need not be a file's
            yield role, name, f"maps/{index:07d}-{role}-{k}.png", png


def _write_json(path: Path, raw: Mapping[str, Any]) -> None:
    atomic_write(path, json.dumps(raw, ensure_ascii=False).encode())
