"""What the stages of a pipeline hand on, foreseen: each run locally on what the one before it answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.engine.specs import specs
from benchkit.errors import InputMismatch, MessageError
from benchkit.sources.base import Item
from benchkit.stages.base import OpenStage
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.message import Message
from benchkit.tensors.wire import ENVELOPE_BYTES

_ROOM_BYTES = 65536
"""Beside twice the longest: stages may answer other messages at more length than these."""


def foresee_chain(
    items: Sequence[Item], codecs: Sequence[Codec], stages: Sequence[OpenStage], afters: Sequence[int]
) -> list[dict[str, Any]]:
    """For each hop how long its messages may be, how long those are that were made, and their arrays.

    A message on which a stage raises goes no further; InputMismatch, and what can travel by no codec, ends it all.
    Of the first hop only the mean is told: its messages are the source's.
    """
    outputs: list[list[Item]] = []
    found = []
    for codec, stage, after in zip(codecs, stages, afters, strict=True):
        own = list(items) if after < 0 else outputs[after]
        bodies = [b"".join(codec.encode(item.arrays, item.metadata)) for item in own]
        outputs.append(_answers(bodies, codec, stage))
        found.append(
            {**_lengths([len(body) for body in bodies]), "arrays": specs([item.arrays for item in own])}
        )
    return found


def _answers(bodies: Sequence[bytes], codec: Codec, stage: OpenStage) -> list[Item]:
    answered = []
    for number, body in enumerate(bodies):
        arrays, metadata = codec.decode(memoryview(body))
        try:
            (made,) = stage.run([Message(number, arrays, metadata)])
        except (InputMismatch, MessageError):
            raise
        except (Exception, SystemExit):  # noqa: BLE001, S112  (counted where it is measured: in the worker)
            continue
        # What a stage answers may be a view of what it got.
        answered.append(Item({name: array.copy() for name, array in made.items()}, metadata))
    return answered


def _lengths(lengths: Sequence[int]) -> Mapping[str, int]:
    longest, mean = max(lengths, default=0), round(sum(lengths) / max(1, len(lengths)))
    return {
        "message_bytes": ENVELOPE_BYTES + 2 * longest + _ROOM_BYTES,
        "longest_bytes": ENVELOPE_BYTES + longest,
        "wire_bytes": ENVELOPE_BYTES + mean,
    }
