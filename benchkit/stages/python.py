"""The user's own code as a stage."""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, invalidate_caches
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Field

from benchkit.errors import MessageError, StageError
from benchkit.stages.base import OpenStage, Stage
from benchkit.tensors.message import Arrays, Message, allowed

_REPLY_REMEDY = 'return a dict of numpy arrays, for example {"level": np.asarray(level)}'


def module_and_name(target: str) -> str:
    """`target` itself where it reads `module:callable`; else ValueError."""
    module, colon, name = target.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError("write module:callable, for example detector:run")
    return target


class Python(Stage):
    """Your own function or class: takes a dict of named arrays, returns one.

    A class is made once in each worker, without arguments, and then called; its `close()` is called at the
    end if it has one. Arrays that come in are read-only and end with the call.
    """

    kind: ClassVar[str] = "python"

    target: Annotated[str, AfterValidator(module_and_name)] = Field(description="module:callable")
    path: Path | None = Field(
        None,
        description="folder of the module, relative to the scenario; searched first, only while importing",
    )
    batched: bool = Field(
        False, description="the callable takes a list of dicts, a whole batch, and returns as many"
    )
    repeatable: bool = Field(
        True, description="false where equal input may give another answer: replies are then not checked"
    )

    @property
    def deterministic(self) -> bool:  # type: ignore[override]  # the seam's constant is this stage's option
        """Whether replies can be checked against a local run."""
        return self.repeatable

    def open(self, seed: int) -> OpenStage:  # noqa: ARG002  (the user's code seeds itself)
        """Imports the module and makes the instance; raises StageError that names the file and the remedy."""
        with _searched_first(self.path):
            module = _imported(self.target.partition(":")[0], self.path)
            function = _callable(module, self.target.partition(":")[2])
        return _Open(self, module, function)


class _Open(OpenStage):
    __slots__ = ("_file", "_function", "_options")

    def __init__(self, stage: Python, module: ModuleType, function: Callable[[Any], Any]) -> None:
        self._options = stage
        self._file = _file(module)
        self._function = function

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        function = self._function
        if not self._options.batched:
            return [self._checked(function(message.arrays)) for message in batch]
        replies = function([message.arrays for message in batch])
        if not isinstance(replies, Sequence) or len(replies) != len(batch):
            made = f"{len(replies)} replies" if isinstance(replies, Sequence) else _a(replies)
            raise self._error(
                f"returned {made} for a batch of {len(batch)}", "return a list with one dict a message"
            )
        return [self._checked(reply) for reply in replies]

    def _checked(self, reply: Any) -> Arrays:
        if not isinstance(reply, Mapping):
            raise self._error(f"returned {_a(reply)}, not a dict of arrays", _REPLY_REMEDY)
        for name, array in reply.items():
            if not isinstance(name, str) or not isinstance(array, np.ndarray | np.generic):
                raise self._error(f"returned {_a(array)} as {name!r}, not an array", _REPLY_REMEDY)
            try:
                allowed(array.dtype)
            except MessageError as error:
                raise self._error(f"returned {name!r}: {error.what}", error.remedy) from None
        return reply

    def _error(self, what: str, remedy: str) -> StageError:
        return StageError(f"{self._options.target} {what}", where=self._file, remedy=remedy)

    def facts(self) -> dict[str, Any]:
        return {"target": self._options.target, "file": self._file, "batched": self._options.batched}

    def close(self) -> None:
        close = getattr(self._function, "close", None)
        if callable(close):
            close()


@contextmanager
def _searched_first(folder: Path | None) -> Iterator[None]:
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise StageError("no such folder", where=str(folder), remedy="correct the stage's path")
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    invalidate_caches()
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _imported(name: str, folder: Path | None) -> ModuleType:
    where = str(folder) if folder else name
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            remedy = (
                f"put {name.split('.')[0]}.py there"
                if folder
                else "set the stage's path to its folder, or install it"
            )
            raise StageError(f"no module named {missing!r}", where=where, remedy=remedy) from error
        remedy = f"install {missing} beside benchkit, or correct the import"
        raise StageError(f"module {name!r} needs {missing!r}", where=where, remedy=remedy) from error
    except (Exception, SystemExit) as error:
        raise StageError(
            f"module {name!r} cannot be imported: {type(error).__name__}: {error}", where=where,
            remedy='correct it; what should not run on import goes under if __name__ == "__main__"',
        ) from error  # fmt: skip
    _check_origin(module, name, folder)
    return module


def _check_origin(module: ModuleType, name: str, folder: Path | None) -> None:
    """A module of that name may have been imported before, from elsewhere: then it is not the one meant."""
    if folder is None or Path(_file(module)).resolve().is_relative_to(folder.resolve()):
        return
    first = name.split(".")[0]
    if (folder / first).is_dir() or (folder / f"{first}.py").is_file():
        raise StageError(
            f"module {name!r} was already imported from {_file(module)}", where=str(folder),
            remedy=f"give {first}.py a name that nothing else uses",
        )  # fmt: skip


def _callable(module: ModuleType, dotted: str) -> Callable[[Any], Any]:
    found: Any = module
    for name in dotted.split("."):
        known = [known for known in dir(found) if not known.startswith("_")]
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known[:8]) or 'nothing'}"
            raise StageError(
                f"module {module.__name__!r} has no {dotted!r}", where=_file(module), remedy=hint
            )
        found = getattr(found, name)
    if isinstance(found, type):
        found = _instance(found, module)
    if not callable(found):
        remedy = "name a function, or a class whose instances have a __call__ method"
        raise StageError(
            f"{dotted!r} is {_a(found)}, which cannot be called", where=_file(module), remedy=remedy
        )
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004  (its kind is asked for, not whether it is there)
        raise StageError(f"{dotted!r} is async", where=_file(module), remedy="name a plain function")
    return found  # type: ignore[no-any-return]  # callable() was asked


def _instance(cls: type, module: ModuleType) -> Any:
    try:
        return cls()
    except Exception as error:
        raise StageError(
            f"{cls.__name__}() failed: {type(error).__name__}: {error}", where=_file(module),
            remedy="the class is made without arguments, once in each worker",
        ) from error  # fmt: skip


def _file(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or module.__name__


def _a(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
