"""The heads of safetensors files: which tensors a file holds, and whether all of it is there. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from core.errors import Unavailable
from core.given_files import given_json

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""

_LONGEST_HEAD = 100_000_000


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The tensors of a safetensors file; Unavailable, in one line, where it is cut off or another kind of file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > _LONGEST_HEAD or (length > size - 8 and size > 1_000_000):
                raise Unavailable(f"{path}: it is no safetensors file, its head can't be read; {_AGAIN}")
            if length > size - 8:
                raise Unavailable(f"{path}: it is cut off within its head, or no safetensors file; {_AGAIN}")
            head = json.loads(file.read(length))
        tensors = {name: one for name, one in head.items() if name != "__metadata__"}
        end = 8 + length + max((int(one["data_offsets"][1]) for one in tensors.values()), default=0)
        shapes = {str(name): tuple(int(n) for n in one["shape"]) for name, one in tensors.items()}
    except OSError as error:
        raise Unavailable(f"{path}: it can't be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Unavailable(f"{path}: it is no safetensors file, its head can't be read; {_AGAIN}") from error
    if size != end:
        cut = (
            f"it is cut off: {size:,} of {end:,} bytes are there"
            if size < end
            else f"it is {size - end:,} bytes longer than its head says"
        )
        raise Unavailable(f"{path}: {cut}; {_AGAIN}")
    return shapes


_AGAIN = "copy or download this file again"


def weights_of_part(folder: Path) -> list[Path]:
    """The safetensors files of a part of a model that the loader takes: the full ones, else those in half precision.

    Unavailable where there are none, a shard of a list is missing, or one is cut off.
    """
    if not folder.is_dir():
        raise Unavailable(
            f"{folder}: the folder is missing; the model's index names it, copy it from where the model came"
        )
    taken = chosen_weights(path.name for path in folder.iterdir() if path.is_file())
    if not taken:
        raise Unavailable(f"{folder}: it holds no weights (.safetensors); copy them from where the model came")
    files = [folder / name for name in taken]
    for listed in sorted(folder.glob("*.safetensors.index.json")):
        if (".fp16." in listed.name) == (".fp16." in taken[0]):
            _check_shards(listed)
    for path in files:
        read_shapes(path)
    return files


def chosen_weights(names: Iterable[str]) -> list[str]:
    """Of the files of a part, the safetensors that are loaded, in the order of their names."""
    safe = sorted(name for name in names if name.endswith(".safetensors") and ".non_ema." not in name)
    return [name for name in safe if ".fp16." not in name] or [name for name in safe if ".fp16." in name]


def _check_shards(listed: Path) -> None:
    """Every shard of the list ``listed`` is there, and every tensor in its own; Unavailable says which is not."""
    try:
        places = given_json(listed)["weight_map"]
        shards = {str(name): str(shard) for name, shard in places.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"{listed}: the list of shards can't be read; {_AGAIN}") from error
    wanted = sorted(set(shards.values()))
    missing = [name for name in wanted if not (listed.parent / name).is_file()]
    if missing:
        raise Unavailable(
            f"{listed.parent}: {len(missing)} of {len(wanted)} shards are missing, the first is {missing[0]}; "
            "copy them from where the model came"
        )
    held = {name: read_shapes(listed.parent / name) for name in wanted}
    for tensor, shard in shards.items():
        if tensor not in held[shard]:
            raise Unavailable(
                f"{listed.parent / shard}: it lacks {tensor}, which the list of shards puts there; {_AGAIN}"
            )


def missing_tensors(place: str, expected: int, missing: Iterable[str], unexpected: Iterable[str]) -> str | None:
    """In one line what the weights at ``place`` lack of ``expected`` tensors; None where they lack nothing.

    ``unexpected`` are names that the model does not know: the missing ones with something before them were saved from
    a model that was wrapped.
    """
    lacking, extra = sorted(missing), sorted(unexpected)
    if not lacking:
        return None
    if prefix := _common_prefix(set(lacking), extra):
        return (
            f"{place}: its tensors are called {prefix}{lacking[0]} where {lacking[0]} is expected: they were saved "
            "from within another module; take that prefix off, or take the folder that diffusers saves"
        )
    return (
        f"{place}: {len(lacking):,} of {expected:,} tensors are missing, the first is {lacking[0]}; it is not whole, "
        "or of another model than its config.json: take weights and configuration from one place"
    )


def _common_prefix(missing: set[str], unexpected: list[str]) -> str:
    """What stands before all unexpected names that are then missing ones; "" where nothing does."""
    for name in unexpected[:1]:
        for start in (i + 1 for i, letter in enumerate(name) if letter == "."):
            prefix = name[:start]
            if name[start:] in missing and all(one.removeprefix(prefix) in missing for one in unexpected):
                return prefix
    return ""
