"""What is kept while the matrix is run: `kills.jsonl`, of a shard `kills-<I>-of-<N>.jsonl`, one line a trial.

All such files of a folder count together, so shards that were run elsewhere are merged by copying them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchkit.selftest.kills.plan import Planned
from benchkit.selftest.lines import Entry, Lines, keep_page

PAGE = "kills.md"


class Log:
    """The files of one matrix; without a folder nothing is kept."""

    def __init__(
        self, folder: Path | None, shard: tuple[int, int] = (1, 1), others: Sequence[Path] = ()
    ) -> None:
        """`others` are folders that are only read."""
        self._folder = folder
        self._lines: dict[str, Entry] = {}
        number, of = shard
        name = "kills.jsonl" if of == 1 else f"kills-{number}-of-{of}.jsonl"
        own = None if folder is None else folder / name
        for place in [folder, *others]:
            for path in sorted(place.glob("kills*.jsonl")) if place is not None else ():
                if path != own:
                    Lines(path, self._take)
        self._file = Lines(own, self._take)

    def _take(self, entry: Entry) -> None:
        self._lines[str(entry["trial"])] = entry

    @property
    def lines(self) -> list[Entry]:
        """One a trial, the last where there are several."""
        return list(self._lines.values())

    def left(self, trials: Iterable[Planned]) -> list[Planned]:
        """Those that have no line yet, or an invalid one: that is tried again."""
        return [trial for trial in trials if not self._lines.get(trial.key, {"valid": False})["valid"]]

    def keep(self, line: Entry) -> None:
        """Add a trial."""
        self._take(line)
        self._file.add(line)

    def keep_page(self, text: str) -> None:
        """The result as a page beside the trials."""
        keep_page(self._folder, PAGE, text)
