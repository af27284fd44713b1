"""A message: a sequence number, named arrays, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np
import numpy.typing as npt

from benchkit.errors import MessageError

Array = npt.NDArray[np.generic]
Arrays = Mapping[str, Array]

MAX_ARRAYS = 256
MAX_DIMENSIONS = 32
MAX_NAME_BYTES = 256

# The only dtypes that travel. Object, structured, void, string and time dtypes are refused.
DTYPES: dict[str, np.dtype[np.generic]] = {
    dtype.name: dtype
    for dtype in (
        np.dtype(name)
        for name in (
            "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
            "float16", "float32", "float64", "complex64", "complex128", ml_dtypes.bfloat16,
        )
    )
}  # fmt: skip

_LITTLE = frozenset(dtype.newbyteorder("<") for dtype in DTYPES.values())


@dataclass(slots=True)
class Message:
    """Named arrays of allowed dtypes with metadata bytes (KLV, say); `seq` is the engine's."""

    seq: int
    arrays: Arrays
    metadata: bytes = field(default=b"")

    @property
    def payload_bytes(self) -> int:
        """Bytes of all tensors together, before any codec."""
        return sum(array.nbytes for array in self.arrays.values())


def allowed(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The little-endian dtype that travels for `dtype`; raises MessageError for one not on the list."""
    known = DTYPES.get(dtype.name)
    if known is None:
        raise MessageError(f"dtype {dtype} may not travel", remedy=f"use one of {', '.join(DTYPES)}")
    return known


def little_endian(array: Array) -> Array:
    """`array` itself if it is C-contiguous, little-endian and of an allowed dtype, else such a copy.

    Subclasses (masked, matrix, memory-mapped) travel as the plain array that they are made of. Raises
    MessageError for a dtype not on the list.
    """
    if type(array) is not np.ndarray:
        array = np.asarray(array)
    # Measured path: the usual array is let through by one look-up (dtypes compare with their byte order).
    if array.dtype in _LITTLE and array.flags.c_contiguous:
        return array
    dtype = allowed(array.dtype)
    if array.dtype == dtype and array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)
