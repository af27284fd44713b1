"""Recorded live video with KLV: an MPEG transport stream as it was sent, still encoded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from benchkit.errors import KlvError, MessageError, UsageError
from benchkit.klv.packet import parse
from benchkit.klv.ts import TICKS_PER_S, Unit, read
from benchkit.sources.base import Item, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = "set the source's path to a file with video and KLV in MPEG-TS; `ffprobe FILE` shows what is in it"
_US_PER_S = 1_000_000


class Mpegts(Source):
    """Access units of a recorded transport stream, each with the KLV packet that came with it.

    Arrays: `frame`, uint8, (n,), one access unit, from the first that can be decoded alone; `capture_us`, int64, (1,),
    its time in microseconds since 1970. The stream's clock is laid so that the first packet's time stamp (tag 2) is
    right: it tells how packets move against frames, not by how much all of them are off. Metadata: the packet, as it
    is; nothing where none came. Synchronous KLV goes with the frame of its time, asynchronous KLV with the frame
    before it in the stream; of several the last.
    """

    kind: ClassVar[str] = "mpegts"
    requires: ClassVar[tuple[str, ...]] = ("av",)
    install: ClassVar[str] = "pip install av"

    path: Path = Field(description="the file")
    loop: bool = Field(True, description="start again at the end")
    distinct: int = Field(
        0, ge=0, le=1_000_000,
        description="frames kept and then repeated, a whole number of groups of pictures; 0 reads the file as it goes",
    )  # fmt: skip

    def label(self) -> str:
        """`mpegts-<stem>`."""
        return f"mpegts-{self.path.stem}"

    def items(self, seed: int) -> Iterator[Item]:  # noqa: ARG002  (the file is the same for every seed)
        """Frames in the order of the stream.

        Raises UsageError for a file that is missing, no transport stream, or without a frame to begin with.
        """
        if not self.path.is_file():
            what = "is not a file" if self.path.exists() else "there is no such file"
            raise UsageError(what, where=str(self.path), remedy=_REMEDY)
        try:
            began_us = _began_us(read(str(self.path)))
            while True:
                found = False
                for frame, packet in _frames(read(str(self.path))):
                    found = True
                    taken_us = np.array([began_us + _us(frame.ticks or 0)], np.int64)
                    yield Item({"frame": np.frombuffer(frame.data, np.uint8), "capture_us": taken_us}, packet)
                if not found:
                    raise UsageError(
                        "holds no frame that can be decoded alone", where=str(self.path), remedy=_REMEDY
                    )
                if not self.loop:
                    return
        except MessageError as error:
            raise UsageError(error.what, where=str(self.path), remedy=_REMEDY) from None


def _us(ticks: int) -> int:
    return round(ticks * _US_PER_S / TICKS_PER_S)


def _began_us(units: Iterator[Unit]) -> int:
    """When the stream's clock was zero, by the first packet that tells the time; 0 where none does."""
    shown: int | None = None
    for unit in units:
        if not unit.is_klv:
            shown = unit.ticks
            continue
        ticks = shown if unit.ticks is None else unit.ticks
        try:
            told_us = parse(unit.data).time_us
        except KlvError:  # it travels as it is: the codec or the stage counts it
            continue
        if ticks is not None and told_us is not None:
            return told_us - _us(ticks)
    return 0


def _frames(units: Iterator[Unit]) -> Iterator[tuple[Unit, bytes]]:
    """Each frame with the packet that goes with it, from the first key frame on."""
    held: Unit | None = None
    waiting: list[Unit] = []
    for unit in units:
        if unit.is_klv:
            waiting.append(unit)
        elif held is None:
            if unit.is_key:
                held, waiting = unit, [each for each in waiting if _nearer(each, unit, None)]
        else:
            mine = [each for each in waiting if _nearer(each, held, unit)]
            waiting = [each for each in waiting if not _nearer(each, held, unit)]
            yield held, mine[-1].data if mine else b""
            held = unit
    if held is not None:
        yield held, waiting[-1].data if waiting else b""


def _nearer(packet: Unit, held: Unit, following: Unit | None) -> bool:
    """Whether a packet that stands before `following` goes with `held`; before the first frame: with the next."""
    if packet.ticks is None or held.ticks is None:
        return following is not None
    if following is None or following.ticks is None:
        return packet.ticks >= held.ticks
    return abs(packet.ticks - held.ticks) <= abs(packet.ticks - following.ticks)
