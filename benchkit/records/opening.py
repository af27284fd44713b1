"""Files of a folder that somebody else may have filled: opened without following links, waiting or trusting sizes."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError
from typing import IO, Final

import numpy as np
import numpy.typing as npt

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Without O_NONBLOCK a pipe of that name would be waited for."""
_WRITE: Final = os.O_CLOEXEC | os.O_NOFOLLOW


def opened(file: Path, most_bytes: int | None = None) -> IO[bytes]:
    """A regular file for reading; raises OSError, also where it is a link, something else, or too long."""
    handle = os.open(file, _READ)
    try:
        _check(handle, file, most_bytes)
        return os.fdopen(handle, "rb")
    except BaseException:
        with suppress(OSError):
            os.close(handle)
        raise


def _check(handle: int, file: Path, most_bytes: int | None) -> None:
    told = os.fstat(handle)
    if not stat.S_ISREG(told.st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(file))
    if most_bytes is not None and told.st_size > most_bytes:
        raise OSError(errno.EFBIG, f"has {told.st_size} bytes, more than {most_bytes}", str(file))


def content(file: Path, most_bytes: int) -> bytes:
    """All of a regular file; raises OSError as `opened` does, also where it grows meanwhile."""
    with opened(file, most_bytes) as read:
        found = read.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise OSError(errno.EFBIG, f"has more than {most_bytes} bytes", str(file))
    return found


def rows(file: Path, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """All rows of an npy file (version 1.0) of this dtype; raises OSError, or ValueError where it is something else.

    The head is compared with the dtype and the file's size before any row is read; `numpy.load` would believe it, and
    would open archives too.
    """
    with opened(file) as read:
        try:
            if np.lib.format.read_magic(read) != (1, 0):
                raise ValueError("not an npy file of version 1.0")
            shape, _, found = np.lib.format.read_array_header_1_0(read)
        except (TypeError, SyntaxError, TokenError) as error:  # numpy parses the head as Python
            raise ValueError("not an npy file") from error
        left = os.fstat(read.fileno()).st_size - read.tell()
        if found != dtype or len(shape) != 1 or shape[0] * dtype.itemsize != left:
            raise ValueError("its columns or its length are others")
        return np.fromfile(read, dtype, count=shape[0])


def made(file: Path, *, fresh: bool = False) -> IO[bytes]:
    """A file to write, empty; a link is refused, and with `fresh` whatever is there. Raises OSError."""
    flags = _WRITE | os.O_WRONLY | os.O_CREAT | (os.O_EXCL if fresh else os.O_TRUNC)
    return os.fdopen(os.open(file, flags, 0o666), "wb")


def changed(file: Path) -> IO[bytes]:
    """A file that is there, for reading and writing; a link is refused. Raises OSError."""
    return os.fdopen(os.open(file, _WRITE | os.O_RDWR), "r+b")
