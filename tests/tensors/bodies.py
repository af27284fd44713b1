"""Arrays and codecs that the tests of this folder share."""

from __future__ import annotations

import hypothesis.extra.numpy as hnp
import ml_dtypes
import numpy as np
from hypothesis import strategies as st

from benchkit.tensors.codecs.base import Codec, registry
from benchkit.tensors.message import DTYPES

CODECS = ("raw", "msgpack", "npy", "json-base64", "jpeg", "zstd")
LOSSLESS = ("raw", "msgpack", "npy", "json-base64", "zstd")
METADATA = b"\x06\x0e+4\x00\xff"


def codec(kind: str) -> Codec:
    return registry.build({"kind": kind})


def body(kind: str, arrays, metadata: bytes = METADATA) -> memoryview:
    return memoryview(b"".join(codec(kind).encode(arrays, metadata)))


def through(kind: str, arrays, metadata: bytes = METADATA):
    return codec(kind).decode(body(kind, arrays, metadata))


def same(made, given) -> bool:
    """Names in order, dtypes but for the byte order, shapes, and every bit."""
    return list(made) == list(given) and all(
        made[name].dtype.name == given[name].dtype.name
        and made[name].shape == given[name].shape
        and made[name].tobytes() == given[name].astype(made[name].dtype, order="C").tobytes()
        for name in given
    )


def _arrays(name: str):
    """Any layout: C, Fortran, strided, reversed, broadcast, 0-d, empty, big-endian where there is one."""
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
    return st.builds(_laid_out, st.just(name), shapes, st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS))


LAYOUTS = ("C", "fortran", "strided", "reversed", "broadcast", "big-endian", "read-only")


def _laid_out(name: str, shape: tuple[int, ...], seed: int, layout: str):
    dtype = DTYPES[name]
    wide = (*shape[:-1], shape[-1] * 2) if shape else shape
    bits = np.random.default_rng(seed).integers(0, 256, (*wide, dtype.itemsize), dtype=np.uint8)
    if name == "bool":
        bits &= 1
    array = np.ascontiguousarray(bits).view(dtype)[..., 0]
    narrow = np.ascontiguousarray(array[..., : shape[-1]]).reshape(shape) if shape else array
    match layout:
        case "fortran":
            return np.asfortranarray(narrow)
        case "strided":
            return array[..., ::2] if shape else array
        case "reversed":
            return narrow[::-1] if shape else narrow
        case "broadcast":
            return np.broadcast_to(narrow, (2, *shape))
        case "big-endian" if dtype != ml_dtypes.bfloat16:
            return narrow.astype(dtype.newbyteorder(">"))
        case "read-only":
            narrow.flags.writeable = False
    return narrow


any_array = st.sampled_from(sorted(DTYPES)).flatmap(_arrays)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
any_arrays = st.dictionaries(names, any_array, max_size=4)
