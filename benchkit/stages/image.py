"""A JPEG file in, an answer out: decoded, scaled, normalised and given to a model, all in the stage."""

from __future__ import annotations

import io
import time
from array import array
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, model_validator

from benchkit.errors import InputMismatch, StageError
from benchkit.stages.base import OpenStage, Operators, Stage
from benchkit.stages.onnx import Onnx
from benchkit.stages.python import Python, module_and_name
from benchkit.tensors.message import Arrays, Message
from benchkit.units import FrameSize, Seconds

MAX_PIXELS = 1 << 26
"""The largest picture that is decoded, 8192 x 8192 say."""

Tensor = npt.NDArray[np.float32]
Triple = tuple[float, float, float]


class Image(Stage):
    """Decodes a JPEG, scales and normalises it, and runs an ONNX model or your own callable on the tensor.

    Takes array `image`, uint8 (n,), the bytes of a JPEG file (source `images` with `form: jpeg`). Array `picture`,
    float32 (3, H, W) or (H, W, 3), (value / 255 - mean) / std for each channel, goes on to the model; its reply is the
    stage's. Without `model` and `target` the reply is the mean of each channel, `mean` float32 (3,).
    """

    kind: ClassVar[str] = "image"
    requires: ClassVar[tuple[str, ...]] = ("PIL",)
    install: ClassVar[str] = "pip install pillow"

    model: Path | None = Field(None, description="the .onnx file, relative to the scenario")
    target: Annotated[str, AfterValidator(module_and_name)] | None = Field(
        None, description="module:callable in place of a model, as of the `python` stage"
    )
    path: Path | None = Field(None, description="folder of the target's module, relative to the scenario")
    size: FrameSize = Field((224, 224), description="what the picture is scaled to, width x height")
    layout: Literal["chw", "hwc"] = Field("chw", description="order of the tensor's axes")
    mean: Triple = Field((0.485, 0.456, 0.406), description="taken away from each channel; ImageNet's")
    std: Triple = Field((0.229, 0.224, 0.225), description="divides each channel; ImageNet's")
    reduced: bool = Field(
        False,
        description="let the decoder leave out detail that scaling drops anyway (libjpeg's 1/2, 1/4, 1/8), as far "
        "as the picture stays as large as `size`",
    )
    threads: int = Field(1, ge=1, le=1024, description="of the model, within an operator")
    accelerator: Seconds = Field(
        0.0,
        description="what a model on an accelerator of each worker's own would take for a picture: it is waited "
        "for, and the core is free meanwhile",
    )

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if self.model is not None and self.target is not None:
            raise ValueError("a model and a target: the tensor goes to one of them; remove the other")
        if self.path is not None and self.target is None:
            raise ValueError("path is the folder of a target's module, and no target is given")
        if not all(self.std):
            raise ValueError("a std of 0 cannot divide anything")
        return self

    def open(self, seed: int) -> OpenStage:
        """Opens the model; raises what the `onnx` or `python` stage raises."""
        inner: Stage | None = None
        if self.model is not None:
            inner = Onnx(model=self.model, threads=self.threads)
        elif self.target is not None:
            inner = Python(target=self.target, path=self.path)
        return _Open(self, inner.open(seed) if inner else _Means())


class _Means(OpenStage):
    """In place of a model."""

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        found = []
        for message in batch:
            picture = message.arrays["picture"].astype(np.float32, copy=False)
            axes = (1, 2) if picture.shape[0] == 3 else (0, 1)
            found.append({"mean": picture.mean(axis=axes, dtype=np.float64).astype(np.float32)})
        return found


class _Open(OpenStage):
    __slots__ = ("_accelerator_ns", "_decoded_ns", "_inner", "_modelled_ns", "_offset", "_options", "_scale")

    def __init__(self, stage: Image, inner: OpenStage) -> None:
        self._options = stage
        self._inner = inner
        mean, std = np.asarray(stage.mean, np.float32), np.asarray(stage.std, np.float32)
        # (v / 255 - mean) / std as one multiplication and one addition.
        self._scale = (1 / (255 * std)).astype(np.float32)
        self._offset = (-mean / std).astype(np.float32)
        self._accelerator_ns = int(stage.accelerator * 1e9)
        self._decoded_ns = array("q")
        self._modelled_ns = array("q")

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        clock = time.monotonic_ns
        tensors = []
        for message in batch:
            began = clock()
            tensors.append(Message(message.seq, {"picture": self._tensor(message.arrays)}, message.metadata))
            self._decoded_ns.append(clock() - began)
        began = clock()
        until = began + len(batch) * self._accelerator_ns
        replies = self._inner.run(tensors)
        # A sleep may end early where a signal comes.
        while (left_ns := until - clock()) > 0:
            time.sleep(left_ns * 1e-9)
        self._modelled_ns.append((clock() - began) // len(batch))
        return replies

    def _tensor(self, arrays: Arrays) -> Tensor:
        content = arrays.get("image")
        if content is None or content.dtype != np.uint8 or content.ndim != 1:
            made = ", ".join(f"{name}: {each.dtype} {list(each.shape)}" for name, each in arrays.items())
            raise InputMismatch(
                f"the image stage takes array 'image', uint8 [n], a JPEG file; the source makes {made or 'nothing'}",
                remedy="source: {kind: images, form: jpeg}",
            )
        pixels = self._pixels(content.data)
        tensor = pixels * self._scale
        tensor += self._offset
        return np.ascontiguousarray(tensor.transpose(2, 0, 1)) if self._options.layout == "chw" else tensor

    def _pixels(self, content: memoryview) -> npt.NDArray[np.uint8]:
        """Decoded and scaled, (H, W, 3)."""
        from PIL import Image as Pillow

        size = self._options.size
        try:
            with Pillow.open(io.BytesIO(content), formats=("JPEG",)) as file:  # reads the header alone
                _bounded(file.size)
                if self._options.reduced:
                    file.draft("RGB", size)
                whole = file.convert("RGB")
        except StageError:
            raise
        except Exception as error:  # Pillow's decoders raise errors of every kind on bad files
            raise StageError(f"the message is no sound JPEG file: {error}") from error
        return np.asarray(whole.resize(size, Pillow.Resampling.BILINEAR))

    def told(self) -> Mapping[str, Any]:
        """Microseconds a message of this block spent being decoded (scaled, normalised) and in the model."""
        facts = {"decode_us": _figures(self._decoded_ns), "model_us": _figures(self._modelled_ns)}
        del self._decoded_ns[:], self._modelled_ns[:]
        return {**self._inner.told(), **{name: figures for name, figures in facts.items() if figures}}

    def facts(self) -> dict[str, Any]:
        size = "x".join(map(str, self._options.size))
        decoder = f"pillow {version('pillow')}"
        return {**self._inner.facts(), "decoder": decoder, "size": size, "reduced": self._options.reduced}

    def profiled(self, folder: Path) -> AbstractContextManager[Operators | None]:
        return self._inner.profiled(folder)

    def close(self) -> None:
        self._inner.close()


def _bounded(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise StageError(f"the picture of {width} x {height} is larger than any that is decoded")


def _figures(times_ns: array[int]) -> dict[str, float]:
    """Count and percentiles in microseconds; nothing of nothing."""
    if not times_ns:
        return {}
    found = np.frombuffer(times_ns, np.int64) / 1e3
    p50, p90, p99 = map(float, np.quantile(found, (0.5, 0.9, 0.99)))
    spread = {"mean": float(found.mean()), "p50": p50, "p90": p90, "p99": p99, "max": float(found.max())}
    return {"count": len(found), **spread}
