"""What the readers of timestamps share: where the stamps stand, the bounds, the error."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from benchkit.errors import UsageError

Stamps: TypeAlias = npt.NDArray[np.int64]
NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
MAX_STAMPS: Final = 10_000_000
"""As many as a block may have messages."""
MAX_NS: Final = 1 << 62
"""146 years: sums of such times with a block's fit in 64 bits."""


class Layout(NamedTuple):
    """Where the stamps stand in the file and what they count."""

    column: str | int | None
    key: str | None
    unit: str


def bad(path: Path, line: int, what: str, remedy: str) -> UsageError:
    return UsageError(what, where=f"{path.name}:{line}", remedy=remedy)
