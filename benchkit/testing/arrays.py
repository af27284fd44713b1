"""Arrays that codecs and transports get wrong."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from benchkit.tensors.message import Array, Arrays


def awkward_arrays() -> dict[str, Array]:
    """Arrays of every kind that codecs and transports get wrong."""
    grid = np.arange(120, dtype=np.float32).reshape(10, 12)
    return {
        "scalar": np.array(3.5),
        "empty": np.empty((0, 7), np.int16),
        "transposed": grid.T,
        "every-third": np.arange(1000, dtype=np.uint16)[::3],
        "big-endian": np.arange(5, dtype=">i4"),
        "flags": np.array([True, False, True]),
        "half": np.arange(9, dtype=np.float16).reshape(3, 3),
        "brain": np.arange(4).astype(ml_dtypes.bfloat16),
        "complex": np.array([1 + 2j, 3 - 4j]),
        "frame": (np.arange(64 * 48 * 3) % 251).astype(np.uint8).reshape(48, 64, 3),
    }


def same_arrays(left: Arrays, right: Arrays) -> bool:
    """Same names, shapes, kinds and values (a byte order is not a value)."""
    return list(left) == list(right) and all(
        mine.shape == right[name].shape
        and mine.dtype.name == right[name].dtype.name
        and np.array_equal(mine, right[name])
        for name, mine in left.items()
    )
