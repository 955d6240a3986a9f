"""What a decoding process is asked and answers: JSON and bytes, never pickles, for either side may be broken."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

_LENGTHS = struct.Struct("<QQ")
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Budget:
    """What the reading of one file may take.

    ``memory`` in bytes. ``seconds`` of computing for a small file, with ``per_megapixel`` more for each megapixel that
    the file's header claims; on a busy machine a second of computing may take ``patience`` seconds.
    """

    memory: int = 4 << 30
    seconds: float = 10.0
    per_megapixel: float = 0.25
    patience: float = 3.0


@dataclass(frozen=True)
class Message:
    """Fields of JSON and blobs of bytes."""

    fields: Mapping[str, Any]
    blobs: tuple[bytes, ...] = ()


def send(stream: BinaryIO, message: Message) -> None:
    """Write a message; BrokenPipeError if the other side is gone."""
    fields = json.dumps(message.fields).encode()
    stream.write(_LENGTHS.pack(len(fields), len(message.blobs)) + fields)
    for blob in message.blobs:
        stream.write(_LENGTH.pack(len(blob)))
        stream.write(blob)
    stream.flush()


def receive(stream: BinaryIO) -> Message | None:
    """The next message; None where the stream has ended."""
    head = stream.read(_LENGTHS.size)
    if len(head) < _LENGTHS.size:
        return None
    length, count = _LENGTHS.unpack(head)
    fields, blobs = stream.read(length), list[bytes]()
    for _ in range(count):
        size = stream.read(_LENGTH.size)
        if len(size) < _LENGTH.size:
            return None
        blobs.append(stream.read(_LENGTH.unpack(size)[0]))
        if len(blobs[-1]) < _LENGTH.unpack(size)[0]:
            return None
    return Message(json.loads(fields), tuple(blobs)) if len(fields) == length else None


def described(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Number type and shape of an array, to send beside its bytes."""
    return {"dtype": array.dtype.str, "shape": array.shape}


def rebuilt(blob: bytes, described: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The array that ``blob`` holds, read-only; ValueError where they do not fit."""
    return np.frombuffer(blob, np.dtype(str(described["dtype"]))).reshape([int(n) for n in described["shape"]])
