"""H.264 decoded frame by frame, as live video needs it: at once, and not without what a frame was made from."""

from __future__ import annotations

from typing import Any, Final

_START: Final = b"\x00\x00\x01"
_TYPE: Final = 0x1F
_IDR, _SLICE = 5, 1
"""Kinds of NAL unit that hold a picture (ITU-T H.264, table 7-1)."""
_MOST_PIXELS: Final = 1 << 26
_LOW_DELAY: Final = 0x80000
"""AV_CODEC_FLAG_LOW_DELAY: hand a picture over when it is decoded, not when its turn to be shown is certain."""
EARLY_MOST: Final = 16
"""Frames that are kept while one before them is missing: half a second at 30 a second."""


def is_key(access_unit: bytes) -> bool:
    """Whether a decoder may begin here: its first picture is an IDR picture."""
    at = access_unit.find(_START)
    while 0 <= at < len(access_unit) - len(_START):
        kind = access_unit[at + len(_START)] & _TYPE
        if kind in (_IDR, _SLICE):
            return kind == _IDR
        at = access_unit.find(_START, at + len(_START))
    return False


class Decoder:
    """Decodes access units; one that comes before another that it needs is not decoded in time.

    libavcodec shows something for a frame whose predecessors are missing, and says nothing: so gaps are noticed by
    the numbers that the messages have. What came too early is kept, and decoded when the missing one has come: the
    frames after it can be seen again. If that never comes, it goes on with the next I frame.
    """

    def __init__(self) -> None:
        import av

        self._packet = av.Packet
        self._refused: tuple[type[Exception], ...] = (av.FFmpegError,)
        self._codec: Any = av.CodecContext.create("h264", "r")
        # A header may promise a picture of any size.
        self._codec.options = {"max_pixels": str(_MOST_PIXELS)}
        # More threads would each hold a frame back.
        self._codec.thread_count = 1
        self._codec.flags |= _LOW_DELAY
        self._next = -1
        """The number that continues what was decoded; -1: nothing does but an I frame."""
        self._early: dict[int, bytes] = {}

    def begin(self) -> None:
        """A new stream follows."""
        self._next = -1
        self._early.clear()

    def picture(self, number: int, access_unit: bytes) -> Any | None:
        """The decoded picture (an av.VideoFrame), or None where it cannot be known now."""
        if number != self._next or self._next < 0:
            if 0 < self._next - number <= EARLY_MOST:
                return None  # twice, or too late to be of use
            if not is_key(access_unit):
                self._keep(number, access_unit)
                return None
            self._codec.flush_buffers()
        found = self._decoded(number, access_unit)
        while found is not None and self._next in self._early:
            self._decoded(self._next, self._early.pop(self._next))
        return found

    def _keep(self, number: int, access_unit: bytes) -> None:
        while len(self._early) >= EARLY_MOST:
            del self._early[min(self._early)]
        self._early[number] = access_unit

    def _decoded(self, number: int, access_unit: bytes) -> Any | None:
        self._next = -1
        self._early = {early: unit for early, unit in self._early.items() if early > number}
        try:
            pictures = self._codec.decode(self._packet(access_unit))
        except self._refused:
            return None
        if len(pictures) != 1:
            return None
        self._next = number + 1
        return pictures[0]
