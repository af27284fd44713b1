"""A cell's samples a stretch at a time, so that ten million messages, or a run of days, fit in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchkit.records.samples import Samples

STRIP = 1 << 17
"""Rows of a strip: 15 MB of samples, a megabyte a column."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which rows belong to which block; each block's rows stand together, in ascending order of blocks."""

    samples: Samples
    """The samples, or a sorted copy of them where the blocks were in another order."""
    numbers: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    """The first row of each block, and at the end the number of rows."""

    def block(self, at: int) -> Samples:
        """All rows of the block at a place in `numbers`."""
        return self.samples[self.starts[at] : self.starts[at + 1]]

    def parts(self) -> Iterator[tuple[int, int]]:
        """First and last row (excluded) of stretches of whole blocks, about a strip each, or of a longer block."""
        first = 0
        stops = self.starts[1:].tolist()
        for stop, following in zip(stops, [*stops[1:], len(self.samples) + STRIP + 1], strict=False):
            if following - first > STRIP:
                yield first, stop
                first = stop


def layout(samples: Samples) -> Layout:
    """The blocks of a cell's samples, shape (n,)."""
    numbers, starts, last = [], [], None
    for first, strip in strips(samples):
        block = strip["block"].astype(np.int64)
        before = block[0] - 1 if last is None else last
        steps = np.diff(block, prepend=before)
        if np.any(steps < 0):
            return _sorted(samples)
        found = np.flatnonzero(steps)
        numbers.append(block[found])
        starts.append(found + first)
        last = block[-1]
    empty = [np.zeros(0, np.int64)]
    return Layout(
        samples,
        np.concatenate(numbers or empty),
        np.concatenate([*starts, [len(samples)]]).astype(np.int64),
    )


def _sorted(samples: Samples) -> Layout:
    # Only in samples that something else wrote or joined: a run's own files are in order.
    return layout(samples[np.argsort(samples["block"], kind="stable")])


def strips(samples: Samples) -> Iterator[tuple[int, Samples]]:
    """First row and rows of each strip; of mapped samples those that are behind are let go."""
    yield from cut(samples, 0, len(samples))


def cut(samples: Samples, first: int, last: int) -> Iterator[tuple[int, Samples]]:
    """The strips of some of the rows."""
    mapped = _mapping(samples)
    for at in range(first, last, STRIP):
        yield at, samples[at : min(last, at + STRIP)]
        if mapped is not None:
            # The pages stay in the system's cache, if it has room; they are no longer this process's.
            mapped.madvise(mmap.MADV_DONTNEED)


def _mapping(samples: Samples) -> mmap.mmap | None:
    """The mapped file that the samples are read from, None where they are in memory."""
    base: object = samples
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
