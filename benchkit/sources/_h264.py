"""H.264 as a camera sends it live: every frame a packet of its own, at once, and every group of pictures closed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from benchkit.errors import UsageError
from benchkit.sources._texture import Frame


class Encoder:
    """libx264 without look-ahead, without B frames, and with its headers before each I frame (Annex B).

    `rate_bytes_per_s` bounds it with a buffer of half a second, so that an I frame may be several times as long as
    the P frames that follow it. One thread, so that equal frames make equal bytes.

    Raises UsageError where this build of PyAV cannot encode H.264.
    """

    def __init__(
        self, size: tuple[int, int], rate_per_s: float, gop: int, rate_bytes_per_s: float, preset: str
    ) -> None:
        import av

        frames_per_s = Fraction(rate_per_s).limit_denominator(1001)
        kilobits = max(1, round(rate_bytes_per_s * 8 / 1000))
        try:
            self._codec: Any = av.CodecContext.create("libx264", "w")
        except ValueError as error:
            raise UsageError(
                "this build of PyAV has no H.264 encoder (libx264)",
                where="source drone",
                remedy="pip install --force-reinstall av, or set the source's encoding to raw",
            ) from error
        self._codec.width, self._codec.height = size
        self._codec.pix_fmt = "yuv420p"
        self._codec.framerate, self._codec.time_base = frames_per_s, 1 / frames_per_s
        self._codec.gop_size = gop
        self._codec.bit_rate = kilobits * 1000
        self._codec.thread_count = 1
        x264 = {
            "keyint": gop, "min-keyint": gop, "scenecut": 0, "repeat-headers": 1, "annexb": 1,
            "vbv-maxrate": kilobits, "vbv-bufsize": max(1, kilobits // 2),
        }  # fmt: skip
        self._codec.options = {
            "preset": preset,
            "tune": "zerolatency",
            "x264-params": ":".join(f"{name}={value}" for name, value in x264.items()),
        }
        self._number = 0

    def packet(self, frame: Frame) -> bytes:
        """The next frame, (H, W, 3) uint8 RGB, as one access unit."""
        from av import VideoFrame

        picture = VideoFrame.from_ndarray(frame, format="rgb24")
        picture.pts = self._number
        self._number += 1
        return b"".join(bytes(packet) for packet in self._codec.encode(picture))
