"""What of a message's way through a link it waited for a busy worker.

The worker's stamp `asked` is the moment at which it asked for the message that it then received. Where messages take
microseconds, whoever was sent before it waited for the worker until then. On a link they take longer than the gap
between two messages: most of that time the worker waits, for messages that are still on their way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchkit.records.samples import Samples

Column = npt.NDArray[np.int64]


def count_busy_alone(samples: Samples) -> None:
    """Move `asked` of one block's messages so far back that sent-asked is the time for which the worker was busy.

    A worker is busy from receiving one message to asking for the next. In place; messages that no worker received,
    or that were sent after it had asked, stay as they are.
    """
    served = (samples["received"] != 0) & (samples["asked"] != 0)
    for worker in np.unique(samples["worker"][served]):
        own = np.flatnonzero(served & (samples["worker"] == worker))
        own = own[np.argsort(samples["received"][own], kind="stable")]
        asked, received = (samples[name][own].astype(np.int64) for name in ("asked", "received"))
        sent = np.minimum(samples["sent"][own].astype(np.int64), received)
        busy_ns = _busy_until(received, asked, asked) - _busy_until(received, asked, sent)
        samples["asked"][own] = np.where((sent > 0) & (sent < asked), sent + busy_ns, asked)


def _busy_until(received: Column, asked: Column, moments: Column) -> Column:
    """Time for which the worker was busy before each of the moments; messages in the order of `received`."""
    # From each message to the next one asked for; messages of a batch are received one after the other.
    ends = np.append(np.maximum(asked[1:], received[:-1]), received[-1])
    before = np.concatenate([[0], np.cumsum(ends - received)])
    at = np.searchsorted(received, moments, side="right") - 1
    within = np.minimum(moments, ends[at]) - received[at]
    return np.where(at < 0, 0, before[at] + within)
