"""One service with several models: which one runs is decided by what a message holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from benchkit.errors import InputMismatch
from benchkit.stages.base import OpenStage, Stage
from benchkit.stages.onnx import Onnx
from benchkit.tensors.message import Arrays, Message


class Models(Stage):
    """Several ONNX models in one service: a message goes to the model that its array is named for.

    Messages of a batch that go to one model are run together, as the `onnx` stage does.
    """

    kind: ClassVar[str] = "models"
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    install: ClassVar[str] = "pip install onnxruntime"

    frame: Path | None = Field(None, description="the .onnx file for messages with array `frame`")
    window: Path | None = Field(None, description="the .onnx file for messages with array `window`")
    picture: Path | None = Field(None, description="the .onnx file for messages with array `picture`")
    threads: int = Field(1, ge=1, le=1024, description="of each model, within an operator")

    def open(self, seed: int) -> OpenStage:
        """Loads them all; raises what the `onnx` stage raises, UsageError where none is given."""
        named = {"frame": self.frame, "window": self.window, "picture": self.picture}
        given = {name: path for name, path in named.items() if path is not None}
        if not given:
            raise InputMismatch("no model is given", remedy="stage: {kind: models, frame: ..., window: ...}")
        return _Open(
            {name: Onnx(model=path, threads=self.threads).open(seed) for name, path in given.items()}
        )


class _Open(OpenStage):
    __slots__ = ("_models",)

    def __init__(self, models: Mapping[str, OpenStage]) -> None:
        self._models = models

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        if len(batch) == 1:
            return self._models[self._name(batch[0])].run(batch)
        groups: dict[str, list[int]] = {}
        for index, message in enumerate(batch):
            groups.setdefault(self._name(message), []).append(index)
        replies: list[Arrays] = [{}] * len(batch)
        for name, indices in groups.items():
            made = self._models[name].run([batch[index] for index in indices])
            for index, reply in zip(indices, made, strict=True):
                replies[index] = reply
        return replies

    def _name(self, message: Message) -> str:
        for name in message.arrays:
            if name in self._models:
                return name
        raise InputMismatch(
            f"no model is for a message of {', '.join(message.arrays) or 'nothing'}",
            remedy=f"models are given for: {', '.join(self._models)}",
        )

    def facts(self) -> dict[str, Any]:
        return {name: model.facts() for name, model in self._models.items()}

    def close(self) -> None:
        for model in self._models.values():
            model.close()
