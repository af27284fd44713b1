"""A staff gauge's face as a bitmap of one-centimetre cells: decimetre bars, centimetre ticks, numerals."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GAUGE_TOP_M = 3.1
_BOTTOM_M = -1.2
_COLUMNS = 44
_INK = (28.0, 28.0, 30.0)
_RED = (176.0, 34.0, 30.0)

# Five by seven cells, one row a hexadecimal pair whose low five bits are ink.
_DIGITS = (
    "0e11131519110e", "040c040404040e", "0e11010204081f", "1f02040201110e", "02060a121f0202",
    "1f101e0101110e", "0608101e11110e", "1f010204080808", "0e11110e11110e", "0e11110f01020c",
)  # fmt: skip


def _digit(number: int) -> npt.NDArray[np.bool_]:
    rows = np.frombuffer(bytes.fromhex(_DIGITS[number]), np.uint8)
    return np.unpackbits(rows[:, None], axis=1)[:, 3:].astype(bool)


def gauge_board(ground: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    """The face from `GAUGE_TOP_M` (first row) down to 1.2 m below zero: (430, 44, 3) float32, 0 to 255.

    Metres are told apart by the ink of their bars (black, red, black) and the large numeral above each mark.
    """
    rows = round((GAUGE_TOP_M - _BOTTOM_M) * 100)
    face = np.empty((rows, _COLUMNS, 3), np.float32)
    face[:] = ground
    for decimetre in range(-12, 31):
        base = rows - (decimetre + 12) * 10  # the row just below which the decimetre's mark lies
        metre, tenth = divmod(decimetre, 10)
        ink = _RED if metre % 2 else _INK
        face[base - 5 : base, 2:17] = ink
        face[base - 7, 2:9] = face[base - 9, 2:9] = ink
        face[base - 8 : base - 1, 20:25][_digit(tenth)] = ink
        if tenth == 0 and metre >= 0:
            large = np.kron(_digit(metre), np.ones((2, 2), bool))
            top = max(base - 16, 0)
            face[top : top + 14, 29:39][large] = _RED
    face[:, [0, -1]] = face[[0, -1]] = 60.0
    return face
