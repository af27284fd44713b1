"""Every codec: a body is either taken, and then is arrays of allowed dtypes, or refused with a MessageError.

The first byte of an input says how the rest becomes a body: as it is, or put together as its codec would have it (the
length of the description, the padding), so that what stands behind the head is reached too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from fuzz_target import Target
from fuzz_targets.klv_packets import summed, valid_packets
from fuzz_targets.shapes import packed, text, unpacked

from benchkit.errors import MessageError
from benchkit.tensors.codecs import description
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.jpeg import Jpeg
from benchkit.tensors.codecs.json_base64 import JsonBase64
from benchkit.tensors.codecs.klv import Klv
from benchkit.tensors.codecs.msgpack import Msgpack
from benchkit.tensors.codecs.npy import Npy
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.codecs.zstd import Zstd
from benchkit.tensors.message import DTYPES, MAX_ARRAYS, Arrays

ALIGN = description.ALIGN
AS_IS, WHOLE, FILLED = range(3)
"""A body as it is; its head put right; and behind it as many zeros as are missing."""


def messages() -> list[tuple[Arrays, bytes]]:
    """Arrays and metadata of every kind that travels, small."""
    line = np.arange(12)
    every = {name: line[:3].astype(dtype) for name, dtype in DTYPES.items()}
    return [
        ({}, b""),
        ({"x": np.float32(1.5).reshape(())}, b"meta"),
        ({"frame": np.arange(48, dtype=np.uint8).reshape(4, 4, 3)}, b""),
        ({"grey": np.arange(64, dtype=np.uint8).reshape(8, 8), "scale": np.array([2.5])}, b"k=v"),
        ({"none": np.empty((0, 3), np.int16), "b": line.astype(ml_dtypes.bfloat16)}, b"\0\xff"),
        ({"f": np.asfortranarray(line.reshape(3, 4).astype(np.float64)), "é": line > 3}, b""),
        ({name: every[name] for name in list(every)[:5]}, b""),
        ({name: every[name] for name in list(every)[5:]}, b"m" * 70),
        ({"deep": np.zeros((1,) * 32, np.int8)}, b""),
    ]


def _headed(data: bytes, mode: int) -> bytes:
    """u16 length of the packed description, the description, the tensors: a body with a right head."""
    if mode == AS_IS or len(data) < 2:
        return data
    size = int.from_bytes(data[:2], "little") % (len(data) - 1)
    head = struct.pack("<I", size) + data[2 : 2 + size]
    body = head + bytes(-len(head) % ALIGN) + data[2 + size :]
    if mode == WHOLE:
        return body
    missing = _missing(body)
    return body + bytes(missing) if 0 < missing <= 4096 else body


def _missing(body: bytes) -> int:
    """How many bytes the description asks for beyond those that are there."""
    try:
        _, entries, end = description.unpack_head(memoryview(body), 3)
        sizes = [description.described(*entry).nbytes for entry in entries]
    except MessageError:
        return 0
    return end + sum(size + -size % ALIGN for size in sizes) - len(body)


def _klv(data: bytes, mode: int) -> bytes:
    """u16 length of a packet's items, the items, a body of `raw`."""
    if mode == AS_IS or len(data) < 2:
        return data
    size = int.from_bytes(data[:2], "little") % (len(data) - 1)
    packet = summed(data[2 : 2 + size]) if size else b""
    head = struct.pack("<I", len(packet)) + packet
    return head + bytes(-len(head) % ALIGN) + _headed(data[2 + size :], mode)


def _zstd(data: bytes, mode: int) -> bytes:
    if mode == AS_IS:
        return data
    import zstandard

    return zstandard.compress(_headed(data, mode), 1)


def _plain(data: bytes, mode: int) -> bytes:
    return data


def _json(data: bytes, mode: int) -> bytes:
    return data if mode == AS_IS else text(unpacked(data))


def _target(codec: Codec, shaped: Callable[[bytes, int], bytes], file: str, **more: Any) -> Target:
    decode = codec.decode

    def run(data: bytes) -> None:
        if not data:
            return
        arrays, metadata = decode(memoryview(shaped(data[1:], data[0] % 3)))
        assert type(metadata) is bytes
        assert len(arrays) <= MAX_ARRAYS
        for name, array in arrays.items():
            assert type(name) is str
            assert array.dtype in DTYPES.values()
            assert not array.flags.writeable

    def seeds() -> list[bytes]:
        found = []
        packets = valid_packets(9)
        for number, (arrays, metadata) in enumerate(messages()):
            if codec.kind == "klv":
                metadata = packets[number] if number else b""
            body = b"".join(codec.encode(arrays, metadata))
            found.append(bytes((AS_IS,)) + body)
            if codec.kind == "zstd":
                body = b"".join(Raw().encode(arrays, metadata))
            if codec.kind in ("raw", "npy", "jpeg", "zstd"):
                (size,) = struct.unpack_from("<I", body)
                end = 4 + size
                rest = struct.pack("<H", size) + body[4:end] + body[end + -end % ALIGN :]
                found += [bytes((WHOLE,)) + rest, bytes((FILLED,)) + rest[:64]]
            elif codec.kind == "json-base64":
                described = [
                    {"name": name, "dtype": a.dtype.name, "shape": list(a.shape), "data": a.tobytes()}
                    for name, a in arrays.items()
                ]
                found.append(bytes((WHOLE,)) + packed({"metadata": metadata, "arrays": described}))
            elif codec.kind == "klv":
                (size,) = struct.unpack_from("<I", body)
                end = 4 + size + -(4 + size) % ALIGN
                items = metadata[17:-4] if size and metadata[16] < 0x80 else b"\x02\x08" + bytes(8)
                found.append(bytes((WHOLE,)) + struct.pack("<H", len(items)) + items + body[end + 2 :])
        return found

    code = (f"tensors/codecs/{file}.py", "tensors/codecs/raw.py", "tensors/codecs/description.py", "tensors/message.py")
    return Target(f"codec-{codec.kind}", run, (MessageError,), seeds, code, **more)


_FIELDS = (b"metadata", b"arrays", b"name", b"dtype", b"shape", b"data")
_DTYPES = tuple(name.encode() for name in DTYPES)

TARGETS = (
    _target(Raw(), _headed, "raw", words=_DTYPES),
    _target(Msgpack(), _plain, "msgpack", words=(*_FIELDS, *_DTYPES)),
    _target(JsonBase64(), _json, "json_base64", words=(*_FIELDS, *_DTYPES, b"\\ud800", b"[[[[", b"null", b"1e999")),
    _target(Klv(), _klv, "klv", words=(bytes.fromhex("060e2b34020b01010e01030101000000"),)),
    _target(Npy(), _headed, "npy", words=(*_DTYPES, b"\x93NUMPY\x01\x00", b"'descr': '<f8'", b"'shape': (", b"True")),
    _target(Zstd(), _zstd, "zstd", words=(b"\x28\xb5\x2f\xfd",)),
    _target(Jpeg(), _headed, "jpeg", words=(b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xda", b"uint8"), max_bytes=2048),
)  # fmt: skip
