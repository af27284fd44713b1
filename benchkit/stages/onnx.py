"""Any ONNX model, run by ONNX Runtime."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchkit.errors import InputMismatch, StageError
from benchkit.stages.base import OpenStage, Operators, Stage
from benchkit.stages.onnx_inputs import Fit, Port, fit
from benchkit.stages.onnx_profile import Profiled
from benchkit.tensors.message import Array, Arrays, Message

_DTYPES = {
    f"tensor({onnx})": np.dtype(name)
    for onnx, name in {
        "float": "float32", "double": "float64", "float16": "float16", "bool": "bool",
        **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    }.items()
}  # fmt: skip

_ERRORS_ONLY = 3

Signature = tuple[tuple[str, np.dtype[np.generic], tuple[int, ...]], ...]


class Onnx(Stage):
    """Any ONNX model, run by ONNX Runtime.

    An array of one dimension less than the model's input gets the batch axis in front, and replies lose it
    again; messages of a batch with equal shapes are then one run if that axis is dynamic and every output
    has it too. An array of as many dimensions goes in as it is, one message a run.
    """

    kind: ClassVar[str] = "onnx"
    requires: ClassVar[tuple[str, ...]] = ("onnxruntime",)
    install: ClassVar[str] = "pip install onnxruntime"

    model: Path = Field(description="the .onnx file, relative to the scenario")
    threads: int = Field(1, ge=1, le=1024, description="threads within an operator; more than one never spin")
    inter_op: int = Field(1, ge=1, le=1024, description="operators that run at the same time")
    inputs: dict[str, str] | None = Field(
        None, description="model input: array; by default the array of the same name, or the only one"
    )
    outputs: list[str] | None = Field(
        None, min_length=1, description="the outputs to reply with; all by default"
    )
    providers: list[str] = Field(
        ["CPUExecutionProvider"], min_length=1, description="ONNX Runtime's execution providers, best first"
    )

    def open(self, seed: int) -> OpenStage:  # noqa: ARG002  (a model draws nothing)
        """Loads the model; raises StageError for a file that is none, InputMismatch for an unknown input."""
        digest = _digest(self.model)
        session = _session(self)
        where = str(self.model)
        inputs = _ports(session.get_inputs(), where)
        known = {output.name: output for output in session.get_outputs()}
        for name in self.outputs or ():
            if name not in known:
                raise StageError(f"the model has no output {name!r}", where=where, remedy=_hint(name, known))
        for name in self.inputs or ():
            if name not in (wanted := [port.name for port in inputs]):
                raise InputMismatch(
                    f"the model has no input {name!r}", where=where, remedy=_hint(name, wanted)
                )
        outputs = _ports([known[name] for name in self.outputs or known], where)
        return _Open(self, session, inputs, outputs, digest)


class _Open(OpenStage):
    __slots__ = (
        "_digest",
        "_fits",
        "_inputs",
        "_names",
        "_options",
        "_outputs",
        "_run",
        "_session",
        "_staging",
    )

    def __init__(
        self, stage: Onnx, session: Any, inputs: Sequence[Port], outputs: Sequence[Port], digest: str
    ) -> None:
        self._options = stage
        self._session = session
        self._run = session.run
        self._inputs = inputs
        self._outputs = outputs
        self._names = [port.name for port in outputs]
        self._digest = digest
        self._fits: dict[Signature, Fit] = {}
        self._staging: dict[str, Array] = {}

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        if len(batch) == 1:
            arrays = batch[0].arrays
            return [self._run_one(self._fit(_signature(arrays), arrays), arrays)]
        groups: dict[Signature, list[int]] = {}
        for index, message in enumerate(batch):
            groups.setdefault(_signature(message.arrays), []).append(index)
        replies: list[Arrays] = [{}] * len(batch)
        for signature, indices in groups.items():
            group = [batch[index].arrays for index in indices]
            how = self._fit(signature, group[0])
            made = (
                self._run_stacked(how, group) if how.stackable else [self._run_one(how, one) for one in group]
            )
            for index, reply in zip(indices, made, strict=True):
                replies[index] = reply
        return replies

    def _run_one(self, how: Fit, arrays: Arrays) -> Arrays:
        feeds = {port: arrays[name][None] if adds else arrays[name] for port, name, adds in how.feeds}
        values = self._run(self._names, feeds)
        return {
            name: self._split(name, value, 1)[0, ...] if drops else value
            for name, value, drops in zip(self._names, values, how.drops, strict=True)
        }

    def _run_stacked(self, how: Fit, group: Sequence[Arrays]) -> list[Arrays]:
        count = len(group)
        feeds = {port: self._stack(port, [arrays[name] for arrays in group]) for port, name, _ in how.feeds}
        values = self._run(self._names, feeds)
        named = [
            (name, self._split(name, value, count)) for name, value in zip(self._names, values, strict=True)
        ]
        return [{name: value[index, ...] for name, value in named} for index in range(count)]

    def _stack(self, port: str, arrays: list[Array]) -> Array:
        """The arrays side by side, in memory that is kept.

        Beyond 32 MiB, malloc's largest threshold, fresh pages cost nearly as much as the copy itself.
        """
        count, shape = len(arrays), arrays[0].shape
        staging = self._staging.get(port)
        if staging is None or len(staging) < count or staging.shape[1:] != shape:
            staging = self._staging[port] = np.empty((count, *shape), arrays[0].dtype)
        return np.stack(arrays, out=staging[:count])

    def _split(self, name: str, value: Array, count: int) -> Array:
        if value.ndim == 0 or len(value) != count:
            raise StageError(
                f"output {name!r} of shape {list(value.shape)} does not hold one entry for each of {count}",
                where=str(self._options.model), remedy="export the model with a batch axis in every output",
            )  # fmt: skip
        return value

    def _fit(self, signature: Signature, arrays: Arrays) -> Fit:
        known = self._fits.get(signature)
        if known is None:
            try:
                known = fit(self._inputs, self._outputs, self._options.inputs or {}, arrays)
            except InputMismatch as error:
                error.where = str(self._options.model)
                raise
            self._fits[signature] = known
        return known

    @contextmanager
    def profiled(self, folder: Path) -> Iterator[Operators]:
        """With a second session, because one that profiles does so from its beginning."""
        found, plain = Operators(), self._run
        watched = Profiled(_session(self._options, folder / "onnxruntime"), plain)
        self._run = watched.run
        try:
            yield found
        finally:
            self._run = plain
            read = watched.read()
            found.times, found.runs, found.gap = read.times, read.runs, read.gap

    def facts(self) -> dict[str, Any]:
        import onnxruntime

        return {
            "model": self._options.model.name,
            "sha256": self._digest,
            "onnxruntime": onnxruntime.__version__,
            "providers": self._session.get_providers(),
            "threads": self._options.threads,
            "inter_op": self._options.inter_op,
            "spinning": False,
            "inputs": {port.name: str(port) for port in self._inputs},
            "outputs": {port.name: str(port) for port in self._outputs},
            "stacks_batches": all(known.stackable for known in self._fits.values()) if self._fits else None,
        }


def _signature(arrays: Arrays) -> Signature:
    return tuple([(name, array.dtype, array.shape) for name, array in arrays.items()])


def _digest(model: Path) -> str:
    try:
        with model.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StageError(
            f"the model cannot be read: {error.strerror or error}",
            where=str(model),
            remedy="correct the stage's model",
        ) from error


def _session(stage: Onnx, profile: Path | None = None) -> Any:
    """A session; with `profile` one that keeps a profile, in a file whose name begins so."""
    import onnxruntime

    where = str(stage.model)
    available = onnxruntime.get_available_providers()
    for name in stage.providers:
        if name not in available:
            raise StageError(f"no execution provider {name!r}", where=where, remedy=_hint(name, available))
    try:
        options = _options(stage)
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, str(profile)
        session = onnxruntime.InferenceSession(where, options, providers=stage.providers)
    except Exception as error:  # onnxruntime's own errors share no base but Exception
        raise _opening_error(error, where, onnxruntime.__version__) from error
    if missing := set(stage.providers) - set(session.get_providers()):
        raise StageError(
            f"onnxruntime went on without {', '.join(sorted(missing))}", where=where,
            remedy="install what the provider needs, or take it away",
        )  # fmt: skip
    return session


def _options(stage: Onnx) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = stage.threads
    options.inter_op_num_threads = stage.inter_op
    if stage.inter_op > 1:
        options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    # Threads that spin between runs would take the cores that producer and broker are measured on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _opening_error(error: Exception, where: str, version: str) -> StageError:
    text = str(error).rpartition("[ONNXRuntimeError] : ")[2].split("\n")[0]
    if newer := re.search(r"(opset|model ir version:?) (\d+)", text, re.IGNORECASE):
        return StageError(
            f"the model's {newer[1].rstrip(':')} {newer[2]} is newer than onnxruntime {version} knows",
            where=where,
            remedy="upgrade onnxruntime, or export the model for an older opset",
        )
    if "protobuf" in text.lower():
        remedy = "check that it was downloaded or exported whole (a Git LFS pointer is a text of three lines)"
        return StageError("this is no ONNX model", where=where, remedy=remedy)
    return StageError(f"onnxruntime cannot open the model: {text}", where=where, remedy="export it again")


def _ports(declared: Iterable[Any], where: str) -> tuple[Port, ...]:
    ports = []
    for port in declared:
        if port.type not in _DTYPES:
            raise StageError(
                f"{port.name!r} is a {port.type}, which cannot travel", where=where,
                remedy="choose the others with outputs:, or export the model with numbers alone",
            )  # fmt: skip
        ports.append(Port(port.name, _DTYPES[port.type], tuple(port.shape)))
    return tuple(ports)


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + f"known: {', '.join(known)}"
