"""H.264 decoded frame by frame, as live video needs it: at once, and not without what a frame was made from."""

from __future__ import annotations

from typing import Any, Final

_START: Final = b"\x00\x00\x01"
_TYPE: Final = 0x1F
_IDR, _SLICE = 5, 1
"""Kinds of NAL unit that hold a picture (ITU-T H.264, table 7-1)."""
_LOW_DELAY: Final = 0x80000
"""AV_CODEC_FLAG_LOW_DELAY: hand a picture over when it is decoded, not when its turn to be shown is certain."""


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
    """Decodes access units in order; after a gap nothing until the next I frame.

    libavcodec shows something for a frame whose predecessors are missing, and says nothing: so gaps are noticed by
    the numbers that the messages have.
    """

    def __init__(self) -> None:
        import av

        self._packet = av.Packet
        self._refused: tuple[type[Exception], ...] = (av.FFmpegError,)
        self._codec: Any = av.CodecContext.create("h264", "r")
        # More threads would each hold a frame back.
        self._codec.thread_count = 1
        self._codec.flags |= _LOW_DELAY
        self._next = -1
        """The number that continues what was decoded; -1: nothing does but an I frame."""

    def picture(self, number: int, access_unit: bytes) -> Any | None:
        """The decoded picture (an av.VideoFrame), or None where it cannot be known."""
        if number != self._next or self._next < 0:
            if not is_key(access_unit):
                self._next = -1
                return None
            self._codec.flush_buffers()
        self._next = -1
        try:
            pictures = self._codec.decode(self._packet(access_unit))
        except self._refused:
            return None
        if len(pictures) != 1:
            return None
        self._next = number + 1
        return pictures[0]
