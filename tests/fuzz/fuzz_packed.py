"""A corpus in one file: inputs behind each other, compressed together."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Iterable
from pathlib import Path

_LENGTH = struct.Struct("<I")


def write(path: Path, inputs: Iterable[bytes]) -> None:
    """The inputs in their order, shortest first where it is the same set: the file then is the same too."""
    data = b"".join(_LENGTH.pack(len(each)) + each for each in sorted(set(inputs), key=lambda e: (len(e), e)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(data, preset=9))


def read(path: Path) -> list[bytes]:
    """The inputs; none where there is no file."""
    if not path.exists():
        return []
    data, at, found = lzma.decompress(path.read_bytes()), 0, []
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        found.append(data[at : at + length])
        at += length
    return found
