"""Filling a file system that is the trial's own."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from benchkit.errors import StorageError

_AT_ONCE: Final = 1 << 20
_MOST_BYTES: Final = 8 << 30
"""Whatever file system this turns out to be, no more is written to it."""
_NAME: Final = "filler"


def filled(folder: Path) -> tuple[Path, int]:
    """Writes a file into `folder` until no byte more goes in: its path, and its bytes.

    Raises StorageError where that never comes, and takes the file away.
    """
    path = folder / _NAME
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        nbytes = _fill(handle)
    finally:
        os.close(handle)
    if nbytes >= _MOST_BYTES:
        path.unlink()
        raise StorageError(
            f"{folder} takes more than {_MOST_BYTES} bytes; it is left alone", where=str(folder)
        )
    return path, nbytes


def _fill(handle: int) -> int:
    nbytes, size = 0, _AT_ONCE
    while size and nbytes < _MOST_BYTES:
        try:
            nbytes += os.write(handle, bytes(size))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise StorageError(f"the disk cannot be filled: {error.strerror}") from error
            size //= 2
    return nbytes


def no_room(folder: Path) -> bool:
    """Whether a page more is refused; nothing of it stays."""
    path = folder / f"{_NAME}-probe"
    try:
        path.write_bytes(bytes(4096))
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        path.unlink(missing_ok=True)
    return False
