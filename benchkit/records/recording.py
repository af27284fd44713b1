"""A run while it is measured: finished blocks leave memory for the disk, and a dead runner loses a minute.

`.<name>.partial/` under the folder of results, private to its user, becomes the run directory by one rename:

- `samples/<cell>.npy` and `blocks.jsonl` only ever grow, a block at a time, by plain writes: the disk is
  waited for at checkpoints alone, and nothing is written while a block is measured.
- `record.json` says how many rows and bytes of each belong to the run. It is replaced in one step at the
  first block, about once a minute, and at the end; what a file holds beyond is dropped.
- `asked.json` says how the run was asked for, so that it can be resumed; it goes at the end.

The folder is locked while its runner lives. Where the disk refuses, blocks are held in memory within a bound.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from benchkit.errors import StorageError, UsageError
from benchkit.records import faults, opening, reading, writing
from benchkit.records.faults import Trial, Trials
from benchkit.records.names import PARTIAL, run_name, sample_file
from benchkit.records.operations import Operations
from benchkit.records.plain import storable
from benchkit.records.run import Block, Run
from benchkit.records.samples import SAMPLE, Samples, next_seq
from benchkit.records.unfinished import locked, no_links

CHECKPOINT_S: Final = 60.0
_HELD_BYTES: Final = 256 << 20
"""Blocks that the disk refused are kept in memory up to here, so that a short run still has its answer."""
_REMEDY: Final = "free some space, or name a folder that can be written with --out"


@dataclass(frozen=True, slots=True)
class _Marks:
    """How much of the files belongs to the run."""

    rows: dict[str, int]
    blocks_bytes: int
    next_block: int


class Recording:
    """The blocks of one run; without a folder they stay in memory."""

    def __init__(self, out: Path | None = None, *, checkpoint_s: float = CHECKPOINT_S) -> None:
        self.out = out
        self.asked: dict[str, Any] = {}
        """How the run was asked for; plain data without secrets, kept until the run has ended."""
        self.path: Path | None = None
        """The partial folder, once there is one."""
        self.next_seq: dict[str, int] = {}
        """Of each cell with a block: the first number that none of its messages has."""
        self._checkpoint_s = checkpoint_s
        self._next_checkpoint_s = 0.0
        self._marks = _Marks({}, 0, 0)
        self._lock: int | None = None
        self._held: list[tuple[Block, Samples]] = []
        self._held_bytes = 0
        self._refused: OSError | None = None
        self._trials: dict[int, tuple[Trial, Operations]] = {}
        """Of faults, by number: those that are not on the disk."""

    @classmethod
    def resume(cls, path: Path, *, checkpoint_s: float = CHECKPOINT_S) -> tuple[Recording, Run]:
        """Go on with a partial folder: the recording, and the run's header (no blocks, no samples).

        Raises UsageError when its runner still lives, RecordError when it cannot be read.
        """
        self = cls(path.parent, checkpoint_s=checkpoint_s)
        lock = locked(path)
        if lock is None:
            raise UsageError("its runner still lives", where=str(path), remedy="wait for its end")
        self._lock = lock
        try:
            no_links(path)
            record = reading.record(path)
            header = record.run()
            last = {block.cell: block for block in record.blocks(path)}
            after = max((block.index for block in last.values()), default=-1) + 1
            self._marks = _Marks(record.rows, record.blocks_bytes or 0, after)
            for cell, rows in record.rows.items():
                tail = reading.samples(path, cell, rows, growing=True)[-max(1, last[cell].scheduled) :]
                self.next_seq[cell] = next_seq(tail)
        except BaseException:
            self.close()
            raise
        self.path = path
        return self, header

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each cell, on disk and held."""
        found = dict(self._marks.rows)
        for block, samples in self._held:
            found[block.cell] = found.get(block.cell, 0) + len(samples)
        return found

    @property
    def next_block(self) -> int:
        """The index of the first block that is not in it."""
        return self._held[-1][0].index + 1 if self._held else self._marks.next_block

    # While it is measured ------------------------------------------------------------------------------

    def keep(self, run: Run, block: Block, samples: Samples) -> None:
        """Add a finished block; `run` is the header, written when a checkpoint is due.

        Raises StorageError when the disk refuses and too much is in memory already.
        """
        self.next_seq[block.cell] = next_seq(samples, self.next_seq.get(block.cell, 0))
        if self.out is None or self._refused is not None:
            self._hold(block, samples)
        else:
            try:
                self._append(run, block, samples)
            except OSError as error:
                self._refused = error
                self._hold(block, samples)
        self.note(run)

    def note(self, run: Run) -> None:
        """Write the header if a checkpoint is due: for what is in no block of a cell, such as trials."""
        if self._refused is None and self.path is not None and time.monotonic() >= self._next_checkpoint_s:
            try:
                self.checkpoint(run)
            except OSError as error:
                self._refused = error

    def checkpoint(self, run: Run, *, ended: bool = False) -> None:
        """Everything so far is on the disk and said to be there; raises OSError."""
        folder = self._folder(run)
        for cell in self._marks.rows:
            writing.sync(folder / sample_file(cell))
        writing.sync(folder / "blocks.jsonl")
        writing.sync(folder / "samples")
        record = reading.header(run, self._marks.rows, self._marks.blocks_bytes)
        # Whoever reads it before the end reads a run that was cut short.
        record = {**record, "interrupted": run.interrupted or not ended}
        writing.write_json(folder / "record.json", record)
        writing.sync(folder)
        self._next_checkpoint_s = time.monotonic() + self._checkpoint_s

    def attach(self, run: Run, name: str, content: bytes) -> bool:
        """Keep a file of the run beside its samples under a name made by `names`; False without a folder.

        Raises OSError when the disk refuses it.
        """
        if self.out is None or self._refused is not None:
            return False
        file = self._folder(run) / name
        file.parent.mkdir(exist_ok=True)
        no_links(file.parent)
        with opening.made(file) as opened:
            opened.write(content)
        return True

    def keep_trial(self, run: Run, trial: Trial, operations: Operations) -> None:
        """Add a trial of a fault; without a folder, or where the disk refuses, it stays in memory."""
        if self.out is not None and self._refused is None:
            try:
                faults.add(self._folder(run), trial, operations)
            except OSError as error:
                self._refused = error
            else:
                return
        self._trials[trial.number] = trial, operations

    @property
    def trials(self) -> Trials | None:
        """Those that are kept, on disk and in memory; None where there are none. Raises RecordError."""
        written = faults.kept(self.path) if self.path is not None else None
        held = self._trials
        if not held:
            return written

        def read(trial: Trial) -> Operations:
            if trial.number in held:
                return held[trial.number][1]
            assert written is not None  # noqa: S101  (it is one of those that were written)
            return written.read(trial)

        before = written.all if written else ()
        return Trials((*before, *(trial for trial, _ in held.values())), read)

    def _append(self, run: Run, block: Block, samples: Samples) -> None:
        rows = self._write_samples(run, block.cell, samples)
        size = self._write_block(run, block)
        # In one step, also where an interrupt comes: a block that does not count is overwritten by the next.
        self._marks = _Marks({**self._marks.rows, block.cell: rows}, size, block.index + 1)

    def _write_samples(self, run: Run, cell: str, samples: Samples) -> int:
        """Write rows behind those of the cell that count; how many there are then."""
        file, rows = self._folder(run) / sample_file(cell), self._marks.rows.get(cell)
        if rows is None:
            rows = 0
            with opening.made(file) as opened:
                _write_head(opened, 0)
        content = np.ascontiguousarray(samples, SAMPLE).view(np.uint8).data
        writing.append(file, _HEAD_BYTES + rows * SAMPLE.itemsize, content)
        return rows + len(samples)

    def _write_block(self, run: Run, block: Block) -> int:
        """Write a block's line behind those that count; how many bytes there are then."""
        line = json.dumps(storable(block), allow_nan=False).encode("ascii") + b"\n"
        writing.append(self._folder(run) / "blocks.jsonl", self._marks.blocks_bytes, line)
        return self._marks.blocks_bytes + len(line)

    def take(self, run: Run) -> None:
        """All that a run in memory holds; raises OSError."""
        for cell, samples in run.samples.items():
            rows = self._write_samples(run, cell, samples)
            self._marks = replace(self._marks, rows={**self._marks.rows, cell: rows})
        for block in run.blocks:
            self._marks = replace(self._marks, blocks_bytes=self._write_block(run, block))
        for trial in run.faults.all if run.faults else ():
            faults.add(self._folder(run), trial, run.faults.read(trial))  # type: ignore[union-attr]  # there are some

    def _hold(self, block: Block, samples: Samples) -> None:
        self._held.append((block, samples))
        self._held_bytes += samples.nbytes
        if self._refused is not None and self._held_bytes > _HELD_BYTES:
            raise _failed(self._refused, self.out)

    def _folder(self, run: Run) -> Path:
        """The partial folder, made when it is first needed."""
        if self.path is None:
            self.path = self._make(run)
        return self.path

    def _make(self, run: Run) -> Path:
        assert self.out is not None  # noqa: S101  (a recording without a folder never comes here)
        self.out.mkdir(parents=True, exist_ok=True)
        root = self.out.resolve(strict=True)
        name = run_name(str(run.scenario.get("name", "")), run.started_utc)
        path = root / f".{name}{PARTIAL}"
        path.mkdir(mode=0o700)
        self.path = path  # known from here on, so that a failure below can take it down
        self._lock = locked(path)
        (path / "samples").mkdir()
        (path / "blocks.jsonl").touch()
        writing.write_json(path / "asked.json", storable(self.asked))
        return path

    # At its end ----------------------------------------------------------------------------------------

    def whole(self, run: Run) -> Run:
        """`run` with all blocks and samples; large samples are mapped from the disk, not read."""
        blocks: list[Block] = []
        samples: dict[str, Samples] = {}
        if self.path is not None:
            blocks = list(reading.blocks(self.path, self._marks.blocks_bytes))
            samples = {
                cell: reading.samples(self.path, cell, rows, growing=True)
                for cell, rows in self._marks.rows.items()
            }
        parts: dict[str, list[Samples]] = {}
        for block, own in self._held:
            blocks.append(block)
            parts.setdefault(block.cell, []).append(own)
        for cell, held in parts.items():
            samples[cell] = np.concatenate([samples[cell], *held] if cell in samples else held)
        run.blocks, run.samples = blocks, samples
        run.faults = self.trials
        return run

    def finish(self, run: Run, document: dict[str, Any]) -> Path:
        """Write run.json (`document`) and give the folder its name; raises StorageError.

        A folder that holds blocks stays as it is where the disk refuses: it can be resumed.
        """
        try:
            if self._refused is not None:
                raise self._refused
            final = self.end(run, document)
        except OSError as error:
            self.abandon(run)
            raise _failed(error, self.out, self.path) from error
        self.close()
        return final

    def end(self, run: Run, document: dict[str, Any]) -> Path:
        """Like `finish`, but raises OSError and leaves what to do about it to the caller."""
        self.checkpoint(run, ended=True)
        folder = self._folder(run)
        self._close_files(folder)
        writing.write_json(folder / "run.json", document)
        # Whole and safe, it is as open as any folder that this user makes.
        folder.chmod((folder / "samples").stat().st_mode & 0o777)
        writing.sync(folder)
        final = folder.with_name(folder.name[1 : -len(PARTIAL)])
        folder.rename(final)
        # Not before: killed in between, the run could not be taken up without naming its scenario again.
        (final / "asked.json").unlink(missing_ok=True)
        writing.sync(final.parent)
        return final

    def _close_files(self, path: Path) -> None:
        for cell, rows in self._marks.rows.items():
            with opening.changed(path / sample_file(cell)) as file:
                file.truncate(_HEAD_BYTES + rows * SAMPLE.itemsize)
                _write_head(file, rows)
                file.flush()
                os.fsync(file.fileno())
        os.truncate(path / "blocks.jsonl", self._marks.blocks_bytes)
        # A report on the unfinished run would be taken for one on the whole.
        for name in ("report.html", "report.md"):
            (path / name).unlink(missing_ok=True)
        shutil.rmtree(path / "charts", ignore_errors=True)

    def abandon(self, run: Run) -> None:
        """The run could not be ended: a folder with blocks stays for a resume, an empty one goes."""
        if self.path is not None and not self._marks.blocks_bytes:
            # Nothing was measured, or nothing of it could be written.
            shutil.rmtree(self.path, ignore_errors=True)
            self.path = None
        elif self.path is not None:
            with suppress(OSError):
                self.checkpoint(run)
        self.close()

    def close(self) -> None:
        """Others may have the folder now."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _write_head(file: IO[bytes], rows: int) -> None:
    """The head of an npy file; numpy leaves room in it for a number of rows that grows."""
    file.seek(0)
    head = {"descr": np.lib.format.dtype_to_descr(SAMPLE), "fortran_order": False, "shape": (rows,)}
    np.lib.format.write_array_header_1_0(file, head)


def _head_bytes() -> int:
    import io

    made = io.BytesIO()
    _write_head(made, 0)
    return made.tell()


_HEAD_BYTES: Final = _head_bytes()


def save(run: Run, document: dict[str, Any], out: Path) -> Path:
    """Write a run that is in memory; see `folder.save`."""
    recording = Recording(out)
    try:
        recording.take(run)
        return recording.end(run, document)
    except OSError as error:
        raise _failed(error, out) from error
    finally:
        recording.close()
        # It is still in memory, so half a folder is of no use to anybody.
        if recording.path is not None:
            shutil.rmtree(recording.path, ignore_errors=True)


def _failed(error: OSError, out: Path | None, left: Path | None = None) -> StorageError:
    what = f"the run could not be saved: {error.strerror or error}"
    if left is None:
        return StorageError(what, where=str(out), remedy=_REMEDY)
    again = f"free some space and go on with `benchkit run --resume {left}`"
    return StorageError(f"{what}; the blocks that could are kept", where=str(left), remedy=again)
