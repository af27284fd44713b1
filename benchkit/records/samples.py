"""The sample: one row per message and hop, integer nanoseconds of one host's monotonic clock.

| stamp    | written by | moment                                    |
|----------|------------|-------------------------------------------|
| due      | producer   | when the schedule says it should leave    |
| taken    | producer   | when the producer turned to it            |
| encoded  | producer   | payload ready to send                     |
| sent     | producer   | `send` returned                           |
| asked    | stage      | the worker asked for its next message     |
| received | stage      | `receive` returned it                     |
| decoded  | stage      | tensors ready                             |
| started  | stage      | compute begins (after any batching)       |
| finished | stage      | compute ended                             |
| replied  | stage      | reply (or ack) handed over                |
| returned | producer   | reply seen                                |

A stamp never reached is 0. `asked` splits sent-received into `queue` (the worker was still busy) and
`transit` (the rest); where a link lies between the parties it is moved back by the time for which the worker
waited meanwhile for messages that were still on their way (engine.waiting).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

PRODUCER_STAMPS: Final = ("due", "taken", "encoded", "sent", "returned")
STAGE_STAMPS: Final = ("asked", "received", "decoded", "started", "finished", "replied")
STAMPS: Final = (
    "due", "taken", "encoded", "sent", "asked", "received", "decoded", "started", "finished", "replied", "returned",
)  # fmt: skip

PHASES: Final = (
    "lateness", "encode", "send", "queue", "transit", "decode", "batch", "compute", "reply", "return",
)  # fmt: skip


class Status(IntEnum):
    """What became of a message; every scheduled one has exactly one."""

    PENDING = 0
    DELIVERED = 1
    DROPPED = 2
    REJECTED = 3
    DEAD_LETTERED = 4
    LOST = 5


SAMPLE: Final = np.dtype(
    [
        ("seq", "<i8"), ("hop", "<i2"), ("worker", "<i2"), ("block", "<i4"), ("payload_bytes", "<i8"),
        ("status", "<i2"), ("warmup", "?"), *[(stamp, "<i8") for stamp in STAMPS],
    ]
)  # fmt: skip

Samples = npt.NDArray[np.void]
"""A structured array of dtype SAMPLE, shape (n,)."""


def next_seq(samples: Samples, least: int = 0) -> int:
    """The first number, `least` or above, that none of the messages has and no later one may have had."""
    # Several producers of a closed loop leave gaps in the numbers.
    return max(least, int(samples["seq"].max(initial=-1)) + 1)
