"""How near decoded arrays are to those that were sent: peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np

from benchkit.tensors.message import Array, Arrays

_CHUNK = 1 << 20
"""Elements that are widened at a time."""


def peak(dtype: np.dtype[np.generic]) -> float:
    """Of integers the width of their range (uint8: 255), of everything else 1: pictures from 0 to 1 are assumed."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype.name)
        return float(limits.max) - float(limits.min)
    return 1.0


def mean_squared_error(sent: Array, decoded: Array) -> float:
    """Over all elements, channels together; shapes must be equal. NaN where either side is not finite."""
    one, other = sent.reshape(-1), decoded.reshape(-1)
    wide = np.complex128 if np.iscomplexobj(sent) else np.float64
    total = 0.0
    for start in range(0, one.size, _CHUNK):
        left, right = (each[start : start + _CHUNK].astype(wide) for each in (one, other))
        with np.errstate(invalid="ignore", over="ignore"):
            total += float(np.sum(np.abs(left - right) ** 2))
    return total / one.size if one.size else 0.0


def psnr_db(sent: Array, decoded: Array) -> float:
    """10 log10(peak^2 / mean squared error) in decibels; infinite where nothing differs, NaN where it has no value.

    Recommendation ITU-T J.340, equation of the PSNR of a frame; `peak` instead of its 255 for other dtypes.
    """
    error = mean_squared_error(sent, decoded)
    if not error:
        return math.inf
    return 10 * math.log10(peak(sent.dtype) ** 2 / error) if math.isfinite(error) else math.nan


def changed_db(sent: Arrays, decoded: Arrays) -> list[float]:
    """The PSNR of every array that came back otherwise than it was sent (of a frame with sensors: the frame)."""
    found = [psnr_db(array, decoded[name]) for name, array in sent.items()]
    return [each for each in found if math.isfinite(each)]
