"""What became of each message of a trial: one row per message attempted or seen, ns of the host's monotonic clock.

| column     | written by | moment or number                                                                    |
|------------|------------|-------------------------------------------------------------------------------------|
| seq        | producer   | its place in the schedule                                                           |
| due        | schedule   | when it should leave                                                                |
| taken      | producer   | when the producer turned to it; 0: nobody sent it, it is unexpected                   |
| sent       | producer   | `send` returned                                                                     |
| confirmed  | producer   | somebody beyond the producer's own end has it (`Sender.unconfirmed`): acknowledged   |
| rejected   | producer   | the transport said no                                                               |
| returned   | producer   | its first reply was seen                                                            |
| received   | stage      | first delivery                                                                      |
| started    | stage      | of the first delivery                                                               |
| finished   | stage      | of the first delivery that ended well                                               |
| acked      | stage      | `ack` returned, first                                                               |
| failed     | stage      | the stage raised on it, first                                                       |
| deliveries | stage      | how often it was received                                                           |
| replies    | producer   | how often a reply to it was seen                                                    |
| worker     | stage      | of the first delivery; -1                                                           |
| torn       | stage      | deliveries of it whose bytes were not those that were sent                          |
| turn       | producer   | which incarnation of the producer sent it                                           |

0 stands for never. A message that is torn beyond its number is in the trial's `torn`, not here.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

MOMENTS: Final = (
    "due", "taken", "sent", "confirmed", "rejected", "returned", "received", "started", "finished", "acked", "failed",
)  # fmt: skip

OPERATION: Final = np.dtype(
    [
        ("seq", "<i8"), *[(name, "<i8") for name in MOMENTS],
        ("deliveries", "<i4"), ("replies", "<i4"), ("worker", "<i4"), ("torn", "<i4"), ("turn", "<i4"),
    ]
)  # fmt: skip

Operations = npt.NDArray[np.void]
"""A structured array of dtype OPERATION, shape (n,), by `seq`."""


def blank(count: int) -> Operations:
    """Rows of nothing: all 0, no worker."""
    rows = np.zeros(count, OPERATION)
    rows["worker"] = -1
    return rows
