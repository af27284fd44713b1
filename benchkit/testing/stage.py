"""The conformance suite of stages."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchkit.errors import MessageError
from benchkit.stages.base import OpenStage, Stage, registry
from benchkit.tensors.message import Array, Arrays, Message, allowed
from benchkit.testing.arrays import same_arrays
from benchkit.testing.report import CannotTry, Fact, Report, examine, promise

_SEED = 5


@dataclass(frozen=True, slots=True)
class _Check:
    stage: Stage
    samples: Sequence[Message]


def check_stage(stage: Stage, sample_messages: Sequence[Message]) -> Report:
    """Everything that `stage` promises, on messages that it takes: several that differ, so that order shows.

    Raises BrokenPromise, an AssertionError that names the first promise that is not kept; whatever `open`
    raises is passed on inside it.
    """
    return examine(Report(f"stage {stage.kind!r}"), _FACTS, _Check(stage, sample_messages))


def _read_only(message: Message) -> Message:
    arrays: dict[str, Array] = {}
    for name, array in message.arrays.items():
        arrays[name] = array.copy()
        arrays[name].flags.writeable = False
    return Message(message.seq, arrays, message.metadata)


def _opened(check: _Check, use: Callable[[OpenStage], None]) -> None:
    opened = check.stage.open(_SEED)
    try:
        use(opened)
    finally:
        opened.close()


def _run(opened: OpenStage, batch: Sequence[Message]) -> list[Arrays]:
    replies = list(opened.run(batch))
    promise(len(replies) == len(batch), f"{len(replies)} replies for a batch of {len(batch)}")
    return replies


def _copied(arrays: Arrays) -> Arrays:
    return {name: array.copy() for name, array in arrays.items()}


def _plain_data(check: _Check) -> None:
    config = json.loads(json.dumps(check.stage.config()))
    kind = config.pop("kind")
    promise(
        type(check.stage).model_validate(config) == check.stage,
        "config() does not build the same stage again",
    )
    if kind in registry.entries():
        promise(
            registry.build({"kind": kind, **config}) == check.stage, f"the registry builds another {kind!r}"
        )


def _answers(check: _Check) -> None:
    def use(opened: OpenStage) -> None:
        for message in check.samples:
            for name, array in _run(opened, [_read_only(message)])[0].items():
                promise(
                    isinstance(name, str) and isinstance(array, np.ndarray), "a reply is not named arrays"
                )
                try:
                    allowed(array.dtype)
                except MessageError as error:
                    promise(kept=False, detail=f"a reply that may not travel: {error.what}")

    _opened(check, use)


def _repeats(check: _Check) -> None:
    if not check.stage.deterministic:
        raise CannotTry("the stage does not claim it")
    first: list[Arrays] = []

    def keep(opened: OpenStage) -> None:
        first.extend(_copied(_run(opened, [_read_only(message)])[0]) for message in check.samples)

    def compare(opened: OpenStage) -> None:
        for before, message in zip(first, check.samples, strict=True):
            again = _run(opened, [_read_only(message)])[0]
            promise(same_arrays(before, again), f"message {message.seq} got another reply the second time")

    _opened(check, keep)
    _opened(check, compare)


def _batches(check: _Check) -> None:
    def use(opened: OpenStage) -> None:
        alone = [_copied(_run(opened, [_read_only(message)])[0]) for message in check.samples]
        together = _run(opened, [_read_only(message) for message in check.samples])
        for message, one, other in zip(check.samples, alone, together, strict=True):
            same_form = {name: (array.shape, array.dtype) for name, array in one.items()} == {
                name: (array.shape, array.dtype) for name, array in other.items()
            }
            promise(same_form, f"message {message.seq} gets a reply of another form in a batch")
            if check.stage.deterministic:
                # A batch may be summed in another order, so the last bits may differ.
                close = all(
                    np.allclose(one[name], other[name], rtol=1e-3, atol=1e-5, equal_nan=True) for name in one
                )
                promise(
                    close, f"message {message.seq} gets another reply in a batch: are the replies in order?"
                )

    _opened(check, use)


def _lets_go(check: _Check) -> None:
    def use(opened: OpenStage) -> None:
        for message in check.samples:
            memory = _copied(message.arrays)
            views = {name: array.view() for name, array in memory.items()}
            for view in views.values():
                view.flags.writeable = False
            reply = _run(opened, [Message(message.seq, views, message.metadata)])[0]
            before = _copied(reply)
            for array in memory.values():
                array[...] = 0
            promise(same_arrays(before, reply), "a reply changes when the message's memory is used again")

    _opened(check, use)


def _facts_are_plain(check: _Check) -> None:
    def use(opened: OpenStage) -> None:
        facts = opened.facts()
        try:
            json.dumps(facts)
        except (TypeError, ValueError) as error:
            promise(kept=False, detail=f"facts() is not plain data: {error}")

    _opened(check, use)


def _profiles(check: _Check) -> None:
    def use(opened: OpenStage) -> None:
        plain = [_copied(_run(opened, [_read_only(message)])[0]) for message in check.samples]
        with TemporaryDirectory() as folder:
            with opened.profiled(Path(folder)) as found:
                within = [_copied(_run(opened, [_read_only(message)])[0]) for message in check.samples]
            if found is None:
                raise CannotTry("the stage has no profiler of its own")
        promise(
            bool(found.times) or bool(found.gap), "profiled() tells neither operators nor why there are none"
        )
        promise(
            all(each.calls > 0 <= each.total_ns for each in found.times), "an operator without calls or time"
        )
        after = [_copied(_run(opened, [_read_only(message)])[0]) for message in check.samples]
        if check.stage.deterministic:
            for message, *answers in zip(check.samples, plain, within, after, strict=True):
                same = all(same_arrays(answers[0], other) for other in answers[1:])
                promise(same, f"message {message.seq} gets another reply within or after profiled()")

    _opened(check, use)


_FACTS: tuple[Fact[_Check], ...] = (
    Fact("plain-data", "options travel to other processes as plain data", _plain_data),
    Fact("replies", "one dict of named arrays of allowed dtypes per message", _answers),
    Fact("deterministic", "the same input gives the same bits", _repeats),
    Fact("batches", "a batch is answered in order", _batches),
    Fact("lets-go", "replies outlive the message's arrays", _lets_go),
    Fact("facts", "facts() is plain data", _facts_are_plain),
    Fact("profiled", "profiled() tells operators or a gap, and changes no reply", _profiles),
)
