"""Learned concepts on disk: ``<folder>/<id>/concept.json``, ``weights.safetensors`` and preview PNGs.

A concept is written into a folder of another name which then takes its own, so that what is listed is whole. Listing
needs no torch; only tensors do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError, NewerFormat, NotFound, Unavailable
from core.images import TEMP_PREFIX, atomic_write
from core.store.files import cannot_write, sync_folder
from core.stored import StoredFormat, plain_record, read_record
from core.training.concept_config import ConceptConfig

if TYPE_CHECKING:
    from torch import Tensor

    from core.diffusion.backbone import Backbone

MANIFEST, WEIGHTS = "concept.json", "weights.safetensors"
FORMAT = StoredFormat("concept")
NEWEST = "newest"
"""What an engine's ``concept`` setting says by default."""

_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,95}")
_FINGERPRINT_WEIGHTS = ("conv_in.weight", "conv_out.weight", "position_embedding.weight", "final_layer_norm.weight")
"""Parameters whose values tell one trained model from another; adapters and placeholder words leave them alone."""
_FINGERPRINT_CONFIG = (
    "in_channels", "sample_size", "block_out_channels", "cross_attention_dim", "attention_head_dim",
    "hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings",
)  # fmt: skip


@dataclass(frozen=True)
class Concept:
    """What is known of a learned concept without its tensors.

    ``label`` is the anomaly's; "" where several were learned together, which ``labels`` names. ``backbone`` is the
    model's name and ``fingerprint`` its identity, ``created`` UTC in ISO format, ``config`` what was noted of its
    learning, ``notes`` what a person is told; ``extra`` are keys of a newer version.
    """

    id: str
    engine: str
    label: str
    title: str
    backbone: str
    fingerprint: str
    created: str
    config: ConceptConfig = ConceptConfig()
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise InputError(f"concept id {self.id!r}: expected 1 to 96 of a-z, 0-9, _, . and -")

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that was learned."""
        return (self.label,) if self.label else self.config.labels

    @property
    def groups(self) -> dict[str, str]:
        """What has words of its own → its label, in order: the labels themselves, or clusters that are finer."""
        return dict(self.config.groups) or {one: one for one in self.labels}


def new_concept_id(label: str, *parts: str | bytes) -> str:
    """An id for a concept of ``label``: its name, and 8 digits of the sha256 of ``parts``."""
    digest = hashlib.sha256(b"\0".join(p.encode() if isinstance(p, str) else p for p in parts))
    return f"{label or 'all'}-{digest.hexdigest()[:8]}"


def utc_now() -> str:
    """The time, UTC, as ``Concept.created`` has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def save_concept(
    folder: Path, concept: Concept, tensors: Mapping[str, Tensor], pictures: Mapping[str, bytes] | None = None
) -> Path:
    """Write a concept under ``folder`` and return its own folder; one of the same id is replaced.

    ``pictures`` are PNGs by name. StoreError if the disk is full or refuses; then nothing has changed.
    """
    from safetensors.torch import save

    weights = save({k: v.detach().float().cpu().contiguous() for k, v in tensors.items()}, {"format": "flawsmith"})
    files = {WEIGHTS: weights, **{f"{name}.png": png for name, png in (pictures or {}).items()}}
    files[MANIFEST] = _json(concept)
    place = folder / concept.id
    temporary = folder / f"{TEMP_PREFIX}{secrets.token_hex(6)}"
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            atomic_write(temporary / name, data)
        _move_into_place(temporary, place)
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place


def _move_into_place(temporary: Path, place: Path) -> None:
    if not place.exists():
        os.replace(temporary, place)
        return
    aside = place.with_name(f"{TEMP_PREFIX}{secrets.token_hex(6)}")
    os.replace(place, aside)
    os.replace(temporary, place)
    shutil.rmtree(aside, ignore_errors=True)


def load_concept(path: Path) -> tuple[Concept, dict[str, Tensor]]:
    """A concept and its tensors, float32 on the CPU, from its own folder. NotFound, or Unavailable if it is broken."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    concept = read_manifest(path)
    try:
        return concept, load((path / WEIGHTS).read_bytes())
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"concept {concept.id}: its weights cannot be read ({error}); learn it again") from error


def read_manifest(path: Path) -> Concept:
    """The concept in a folder, without its tensors. NotFound; Unavailable if its card is broken; NewerFormat."""
    card = path / MANIFEST
    try:
        there = card.stat()
        return _parsed(card, there.st_ino, there.st_mtime_ns, there.st_size)
    except FileNotFoundError:
        raise NotFound(f"concept {path.name!r}: there is none in {path.parent}; `launch.py learn` makes one") from None
    except OSError as error:
        raise Unavailable(f"{card}: it cannot be read ({error.strerror}); check the folder's rights") from error
    except InputError as error:
        raise Unavailable(f"{error}; the concept cannot be read, learn it again") from error


def _json(concept: Concept) -> bytes:
    """What read_manifest reads."""
    plain = FORMAT.stamped({**plain_record(concept), "config": concept.config.plain()})
    return json.dumps(plain, indent=1, sort_keys=True).encode()


@lru_cache(maxsize=1024)
def _parsed(card: Path, *identity: int) -> Concept:
    """A card's concept. Cards are replaced, never written into, so that ``identity`` tells one file from the next."""
    raw = FORMAT.parse(card.read_bytes(), str(card))
    if not isinstance(config := raw.get("config", {}), dict):
        raise InputError(f"{card}: 'config': expected a JSON object")
    return read_record(Concept, {**raw, "config": ConceptConfig.read(config, f"{card}: config")}, str(card))


def list_concepts(folder: Path | None, engine: str | None = None, label: str | None = None) -> list[Concept]:
    """The concepts under ``folder``, newest first, perhaps only those of an engine or with a label among theirs."""
    if folder is None or not folder.is_dir():
        return []
    wanted = (c for c in _scan(folder)[0] if engine in (None, c.engine) and (label is None or label in c.labels))
    return sorted(wanted, key=lambda c: (c.created, c.id), reverse=True)


def unread_concepts(folder: Path | None) -> list[str]:
    """Why concepts under ``folder`` are not listed, a line each: broken, or of a newer Flawsmith."""
    return _scan(folder)[1] if folder is not None else []


def _scan(folder: Path) -> tuple[list[Concept], list[str]]:
    """The concepts under ``folder``, and why others cannot be read: one broken card must not hide the others."""
    found, unread = [], []
    for card in sorted(folder.glob(f"*/{MANIFEST}")):
        if not card.parent.name.startswith(TEMP_PREFIX):
            try:
                found.append(read_manifest(card.parent))
            except NotFound:  # deleted meanwhile
                continue
            except (NewerFormat, Unavailable) as error:
                unread.append(str(error))
    return found, unread


def newest_concept(folder: Path | None, engine: str, label: str | None = None) -> Concept:
    """The newest concept of an engine (and label); NotFound says how to learn one."""
    found = list_concepts(folder, engine, label)
    if found:
        return found[0]
    there = sorted({name for c in list_concepts(folder, engine) for name in c.labels})
    others = f" (learned: {', '.join(there)})" if there else ""
    others += "".join(f" ({line})" for line in unread_concepts(folder)[:1])
    option = f" --label {label}" if label else ""
    what = f" for label {label!r}" if label else ""
    raise NotFound(
        f"{engine}: nothing has been learned{what} in this project{others}; "
        f"run `launch.py learn PROJECT --engine {engine}{option}`"
    )


def find_concept(folder: Path | None, engine: str, wanted: str = NEWEST, label: str | None = None) -> Concept:
    """The concept with the id ``wanted``, or the newest of ``label``. NotFound names those there are."""
    if wanted == NEWEST:
        return newest_concept(folder, engine, label)
    if folder is not None and _ID.fullmatch(wanted) and (folder / wanted / MANIFEST).is_file():
        concept = read_manifest(folder / wanted)
        if concept.engine == engine:
            return concept
    names = ", ".join(c.id for c in list_concepts(folder, engine)) or "none yet"
    raise NotFound(f"{engine}: concept {wanted!r} is not in this project (there are: {names})")


def copy_concept_from_project(place: Path, folder: Path) -> Concept:
    """A copy under ``folder`` of the concept in the folder ``place`` of another project; one of its id stays as it is.

    NotFound, or Unavailable if it is broken; StoreError if the disk is full or refuses.
    """
    concept = read_manifest(place)
    if (folder / concept.id / MANIFEST).is_file():
        return read_manifest(folder / concept.id)
    temporary = folder / f"{TEMP_PREFIX}{secrets.token_hex(6)}"
    try:
        shutil.copytree(place, temporary)
        _move_into_place(temporary, folder / concept.id)
        sync_folder(folder)
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return concept


def rename_concept(folder: Path, id: str, title: str) -> Concept:
    """Give a concept another title."""
    concept = replace(read_manifest(folder / id), title=" ".join(title.split())[:80] or id)
    atomic_write(folder / id / MANIFEST, _json(concept))
    return concept


def delete_concept(folder: Path, id: str) -> None:
    """Remove a concept; NotFound if it is not there."""
    place = folder / read_manifest(folder / id).id
    # It leaves the list at once, even where deleting its files takes a while or is broken off.
    aside = folder / f"{TEMP_PREFIX}{secrets.token_hex(6)}"
    try:
        os.replace(place, aside)
    except OSError as error:
        raise cannot_write(folder.parent, error) from error
    shutil.rmtree(aside, ignore_errors=True)


def fingerprint(backbone: Backbone) -> str:
    """The identity of a model: sha256 over the shape of its UNet and text encoders and some of their weights.

    The same in float32 and float16, with or without adapters and placeholder words.
    """
    digest = hashlib.sha256()
    for part in (backbone.unet, *backbone.text_encoders):
        shape = {name: getattr(part.config, name, None) for name in _FINGERPRINT_CONFIG}
        digest.update(json.dumps(shape, sort_keys=True, default=str).encode())
        for name, value in part.named_parameters():
            if name.endswith(_FINGERPRINT_WEIGHTS):
                digest.update(value.detach().half().cpu().numpy().tobytes())
    return digest.hexdigest()


def digest_of(tensors: Mapping[str, Tensor]) -> bytes:
    """sha256 of named tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + tensors[name].detach().float().cpu().numpy().tobytes())
    return digest.digest()


def check_backbone(concept: Concept, backbone: Backbone) -> None:
    """Unavailable, in one line, unless ``backbone`` is the model that the concept was learned on."""
    if fingerprint(backbone) != concept.fingerprint:
        raise Unavailable(
            f"concept {concept.id}: it was learned on the model {concept.backbone!r} and does not fit "
            f"{backbone.name!r}; use that model or learn it again on this one"
        )
