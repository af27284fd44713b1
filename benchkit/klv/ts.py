"""KLV beside video in an MPEG transport stream, through PyAV (MISB ST 1402).

Synchronous KLV (stream type 0x15) stands in access units with a time stamp of the video's clock; asynchronous KLV
(stream type 0x06, registration "KLVA") has no time but that of its packets (tag 2) and its place in the stream.
Times are ticks of 90 kHz, as the stream has them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self

from benchkit.errors import KlvError, MessageError, MissingLibrary
from benchkit.klv.ts_tables import Retold

TICKS_PER_S: Final = 90_000
MOST_BYTES: Final = 65_000
"""A KLV packet of more does not fit a PES packet of this carriage."""

_LOOK_AHEAD: Final = 32
"""Units that libavformat may be ahead with KLV: it ends a frame where one of the next begins, KLV by its length."""
_TICK: Final = Fraction(1, TICKS_PER_S)
_WHOLE_CELL: Final = 0xDF
"""Of a metadata access unit cell: all of a unit, none before it is needed (ISO/IEC 13818-1, 2.12.4)."""


_NO_DECODER: Final = {"codec_whitelist": "none"}
"""To look at a stream libavformat decodes its first frames, and a few bytes may say that these are enormous."""


class Unit(NamedTuple):
    """What stands at one place of a stream: an access unit of video, or the bytes of a KLV packet (unparsed)."""

    is_klv: bool
    data: bytes
    ticks: int | None
    """When it is presented; None for asynchronous KLV."""
    is_key: bool
    """True for video that can be decoded without what came before."""


class Writer:
    """Writes one video stream of finished access units and one KLV stream; closing it writes what is left.

    Raises MissingLibrary without PyAV of at least version 17.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        synchronous: bool,
        size: tuple[int, int],
        rate_per_s: Fraction,
        codec: str = "h264",
    ) -> None:
        import av

        if not hasattr(av.container.OutputContainer, "add_mux_stream"):
            raise MissingLibrary(
                f"PyAV {av.__version__} muxes no finished packets", remedy="pip install 'av>=17'"
            )
        self._packet: Any = av.Packet
        self._synchronous = synchronous
        self._container: Any = av.open(Retold(file, synchronous=synchronous), "w", format="mpegts")
        self._video: Any = self._container.add_mux_stream(codec, rate_per_s, width=size[0], height=size[1])
        self._klv: Any = self._container.add_data_stream("klv")
        self._video.time_base = self._klv.time_base = _TICK
        self._cells = 0

    def video(self, unit: bytes, ticks: int, *, is_key: bool) -> None:
        """One access unit; H.264 in Annex B form and in the order of presentation (no B frames).

        Where H.264 has no access unit delimiter the muxer puts one before it, as the transport stream demands.
        """
        self._mux(self._video, unit, ticks, is_key=is_key)

    def klv(self, packet: bytes, ticks: int) -> None:
        """One KLV packet at the time of a frame; raises KlvError for one that is too long."""
        if not 0 < len(packet) <= MOST_BYTES:
            raise KlvError(
                f"a KLV packet of {len(packet)} bytes", remedy=f"1 to {MOST_BYTES} bytes can be carried"
            )
        if self._synchronous:
            packet = bytes((0, self._cells, _WHOLE_CELL)) + len(packet).to_bytes(2, "big") + packet
            self._cells = self._cells + 1 & 0xFF
        self._mux(self._klv, packet, ticks, is_key=True)

    def close(self) -> None:
        """Writes what waits to be put in order."""
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mux(self, stream: Any, data: bytes, ticks: int, *, is_key: bool) -> None:
        packet = self._packet(data)
        packet.stream, packet.time_base = stream, _TICK
        packet.pts = packet.dts = ticks
        packet.is_keyframe = is_key
        self._container.mux(packet)


def read(file: BinaryIO | str) -> Iterator[Unit]:
    """The units of the first video stream and of all KLV streams, in the order in which they begin in the stream.

    The header of an access unit of synchronous KLV is gone. Raises MessageError for what libavformat cannot read.
    """
    import av

    try:
        # A plain path, so that `http:` or `concat:` in a name opens a file and nothing else.
        source = f"file:{file}" if isinstance(file, str) else file
        with av.open(source, mode="r", format="mpegts", options=_NO_DECODER) as container:
            video: list[Any] = list(container.streams.video[:1])
            data = [stream for stream in container.streams.data if stream.name == "klv"]
            if not video and not data:
                raise MessageError("neither video nor KLV stands in the transport stream")
            yield from _in_order(container.demux([*video, *data]))
    except av.FFmpegError as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise MessageError(f"cannot be read as an MPEG transport stream: {reason}") from None
    except IndexError:  # PyAV's: of a packet of a stream that came up after the file was opened
        raise MessageError("a stream begins that the transport stream's first tables do not name") from None


def _in_order(packets: Iterator[Any]) -> Iterator[Unit]:
    waiting: list[tuple[int, int, Unit]] = []
    place = 0
    for number, packet in enumerate(packets):
        if not packet.size:
            continue
        is_klv = packet.stream.type == "data"
        place = place if packet.pos is None else packet.pos
        unit = Unit(is_klv, bytes(packet), _ticks(packet), bool(packet.is_keyframe))
        heapq.heappush(waiting, (place, number, unit))
        if len(waiting) > _LOOK_AHEAD:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _ticks(packet: Any) -> int | None:
    pts: int | None = packet.pts
    base: Fraction = packet.time_base
    return None if pts is None else round(pts * base * TICKS_PER_S)
