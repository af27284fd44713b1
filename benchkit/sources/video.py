"""Frames of a video file, whatever PyAV opens, decoded ahead of the measurement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from benchkit.errors import UsageError
from benchkit.sources.base import Item, Source
from benchkit.units import FrameSize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchkit.sources._texture import Frame

_MOST_PIXELS = 1 << 26
_CONFINED = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,ogg,asf,nut,ivf,h264,hevc,"
    "av1,obu,mjpeg,m4v,gif,y4m,yuv4mpegpipe,rawvideo,mxf,dv,wav,mp3,flac,aac",
}
"""FFmpeg's demuxers of files that hold their frames themselves; hls, dash, concat and image2 open others by name."""
_REMEDY = "set the source's path to a video file; `ffprobe FILE` shows what is in it"


class Video(Source):
    """The frames of a video file, from the start again when it ends unless `loop` is false."""

    kind: ClassVar[str] = "video"
    requires: ClassVar[tuple[str, ...]] = ("av",)
    install: ClassVar[str] = "pip install av"

    path: Path = Field(description="the file")
    loop: bool = Field(True, description="start again at the end")
    size: FrameSize | None = Field(
        None, description="scale every frame to this; left out, the video's own size"
    )

    def label(self) -> str:
        """`video-<stem>`, with `-WxH` where the options set a size."""
        return f"video-{self.path.stem}" + (f"-{self.size[0]}x{self.size[1]}" if self.size else "")

    def items(self, seed: int) -> Iterator[Item]:  # noqa: ARG002  (the file is the same for every seed)
        """Frames in order: array `frame` (H, W, 3) uint8 RGB, metadata `pts=<ticks> time_s=<seconds>`.

        Raises UsageError for a file that is missing, unreadable, no video, or without a frame that decodes.
        """
        if not self.path.is_file():
            what = "is not a file" if self.path.exists() else "there is no such file"
            raise UsageError(what, where=str(self.path), remedy=_REMEDY)
        while True:
            found = False
            for item in self._once():
                found = True
                yield item
            if not found:
                raise UsageError("holds no frame that can be decoded", where=str(self.path), remedy=_REMEDY)
            if not self.loop:
                return

    def _once(self) -> Iterator[Item]:
        import av

        try:
            # A plain path, so that `http:` or `concat:` in a name opens a file and nothing else.
            # No playlist either: what such a file names would be opened as well.
            with av.open(f"file:{self.path}", mode="r", options=_CONFINED) as container:
                if not container.streams.video:
                    raise UsageError("has no video stream", where=str(self.path), remedy=_REMEDY)
                stream = container.streams.video[0]
                self._bounded(stream.width, stream.height)
                for frame in container.decode(stream):
                    self._bounded(frame.width, frame.height)
                    yield Item({"frame": self._pixels(frame)}, metadata=_stamp(frame))
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise UsageError(
                f"cannot be read as a video: {reason}", where=str(self.path), remedy=_REMEDY
            ) from None

    def _bounded(self, width: int, height: int) -> None:
        if width * height > _MOST_PIXELS:
            raise UsageError(
                f"has frames of {width} x {height}: more pixels than are decoded",
                where=str(self.path),
                remedy=_REMEDY,
            )

    def _pixels(self, frame: Any) -> Frame:
        width, height = self.size or (frame.width, frame.height)
        return np.ascontiguousarray(frame.to_ndarray(width=width, height=height, format="rgb24"))


def _stamp(frame: Any) -> bytes:
    seconds = "" if frame.time is None else f" time_s={float(frame.time):.6f}"
    return b"" if frame.pts is None else f"pts={frame.pts}{seconds}".encode()
