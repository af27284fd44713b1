"""What every reply must be: the stage run locally on the same messages, no transport in between."""

from __future__ import annotations

from typing import Any

from benchkit.engine.specs import specs
from benchkit.errors import InputMismatch, MessageError
from benchkit.sources.base import Item
from benchkit.stages.base import OpenStage
from benchkit.tensors.codecs.base import Codec, Coder
from benchkit.tensors.fidelity import changed_db
from benchkit.tensors.message import Arrays, Message
from benchkit.tensors.wire import ENVELOPE_BYTES

_ERROR_REPLY_BYTES = 4096
"""Room for the text of a failed reply."""


def foresee(items: list[Item], codec: Codec, stage: OpenStage, *, deterministic: bool) -> dict[str, Any]:
    """Expected reply bodies by the message's index, how long a reply may be, and what a lossy codec leaves over.

    A message on which the stage raises has no expected reply; InputMismatch ends it all.
    """
    expected: dict[int, bytes] = {}
    longest = 0
    answered: list[Arrays] = []
    psnr_db: list[float] = []
    for index, item in enumerate(items):
        body = memoryview(b"".join(codec.encode(item.arrays, item.metadata)))
        arrays, metadata = codec.decode(body)
        if codec.lossy:
            psnr_db += changed_db(item.arrays, arrays)
        try:
            (outputs,) = stage.run([Message(index, arrays, metadata)])
            reply = b"".join(codec.encode(outputs, b""))
        except (InputMismatch, MessageError):
            raise
        except (Exception, SystemExit):  # noqa: BLE001, S112  (counted where it is measured: in the worker)
            continue
        longest = max(longest, len(reply))
        answered.append(outputs)
        if deterministic:
            expected[index] = reply
    # A stage may answer other messages at more length than these.
    return {
        "expected": expected,
        "reply_bytes": ENVELOPE_BYTES + max(2 * longest, _ERROR_REPLY_BYTES),
        "arrays": specs(answered),
        "psnr_db": psnr_db,
    }


def close_enough(codec: Coder, reply: bytes, expected: bytes) -> bool:
    """Equal but for rounding: batches may be summed in another order than single messages."""
    import numpy as np

    try:
        got, _ = codec.decode(memoryview(reply))
        want, _ = codec.decode(memoryview(expected))
    except MessageError:
        return False
    return got.keys() == want.keys() and all(
        got[name].shape == want[name].shape
        and np.allclose(
            got[name].astype(np.complex128),
            want[name].astype(np.complex128),
            rtol=1e-3,
            atol=1e-5,
            equal_nan=True,
        )
        for name in want
    )
