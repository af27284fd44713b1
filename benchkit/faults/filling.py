"""Filling a file system that is the trial's own, and keeping it full."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Final

from benchkit.errors import StorageError

_AT_ONCE: Final = 1 << 20
_MOST_BYTES: Final = 8 << 30
"""Whatever file system this turns out to be, no more is written to it."""
_NAME: Final = "filler"
_AGAIN_S: Final = 0.002
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Filler:
    """A file that takes every byte there is, and every one that becomes free, until `empty`."""

    def __init__(self, folder: Path) -> None:
        """The file system is full when this returns; raises StorageError where that never comes."""
        self._path = folder / _NAME
        self.nbytes = 0
        self._ended = threading.Event()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._handle = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise StorageError(f"the disk cannot be filled: {error.strerror}", where=str(folder)) from error
        self._thread = threading.Thread(target=self._stay, name="filler", daemon=True)
        try:
            self._fill()
            self._check()
        except BaseException:
            os.close(self._handle)
            self._path.unlink(missing_ok=True)
            raise
        self._thread.start()

    def _check(self) -> None:
        if self.nbytes >= _MOST_BYTES:
            raise StorageError(
                f"this disk takes more than {_MOST_BYTES} bytes; it is left alone",
                where=str(self._path.parent),
            )

    def _fill(self) -> None:
        size = _AT_ONCE
        while size and self.nbytes < _MOST_BYTES:
            try:
                self.nbytes += os.write(self._handle, bytes(size))
            except OSError as error:
                if error.errno not in _FULL:
                    raise StorageError(f"the disk cannot be filled: {error.strerror}") from error
                size //= 2

    def _stay(self) -> None:
        # A broker that gives pages back must not get them again.
        while not self._ended.wait(_AGAIN_S):
            try:
                self._fill()
            except StorageError:
                return

    def empty(self) -> None:
        """There is room again; a second time does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        os.close(self._handle)
        self._path.unlink(missing_ok=True)


def no_room(folder: Path) -> bool:
    """Whether a page more is refused; nothing of it stays."""
    path = folder / f"{_NAME}-probe"
    try:
        path.write_bytes(bytes(4096))
    except OSError as error:
        return error.errno in _FULL
    finally:
        path.unlink(missing_ok=True)
    return False
