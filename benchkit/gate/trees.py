"""The files of one side: a commit's, or a copy of what lies in a folder now.

Both sides are copied, so that nobody's editing reaches into a gate under way, and so that both lie equally deep.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchkit.errors import BenchkitError, StorageError, UsageError
from benchkit.gate.bases import git, toplevel

_LEFT_OUT: Final = frozenset(
    {
        ".git",
        ".hg",
        ".venv",
        "venv",
        ".tox",
        ".nox",
        "__pycache__",
        "node_modules",
        "results",
        "build",
        "dist",
    }
    | {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
)
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 2 << 30


def checkout(repository: Path, commit: str, target: Path) -> None:
    """The commit's files under `target`; the repository keeps no trace of it (unlike `git worktree`)."""
    target.mkdir(parents=True)
    # An index of its own; filters (LFS) run as for any checkout.
    with tempfile.TemporaryDirectory(prefix="benchkit-index-") as folder:
        env = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(repository, "read-tree", commit, env=env)
        git(repository, "checkout-index", "--all", "--force", f"--prefix={target}/", env=env)
    for path, pinned in _submodules(repository, commit):
        _checkout_submodule(repository / path, pinned, target / path)


def _checkout_submodule(module: Path, commit: str, target: Path) -> None:
    """One that is not initialised here is an empty folder, as it is in the working tree."""
    if not _is_submodule(module):
        return
    try:
        git(module, "cat-file", "-e", f"{commit}^{{commit}}")
    except BenchkitError:
        raise UsageError(
            f"its commit {commit[:8]}, which the base has there, is not in this clone", where=str(module),
            remedy=f"git -C {module} fetch origin {commit}",
        ) from None  # fmt: skip
    if target.is_dir():
        target.rmdir()
    checkout(module, commit, target)


def _submodules(repository: Path, commit: str) -> Iterator[tuple[Path, str]]:
    """Where a commit has one, relative to the repository, and at which commit."""
    for entry in git(repository, "ls-tree", "-r", "-z", commit).split("\0"):
        about, _, name = entry.partition("\t")
        if " commit " in about:
            yield Path(name), about.rpartition(" ")[2]


def _is_submodule(folder: Path) -> bool:
    return folder.is_dir() and toplevel(folder) == folder.resolve()


def files(root: Path) -> list[Path]:
    """What belongs to a folder, relative to it, sorted: what git would not ignore, or all but caches."""
    if toplevel(root) is not None:
        return sorted(_listed(root))
    return sorted(_walked(root))


def _listed(root: Path) -> Iterator[Path]:
    names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    for path in (Path(name) for name in names.split("\0") if name):
        # Deleted files are still in the index.
        if (root / path).is_file():
            yield path
        elif _is_submodule(root / path):
            yield from (path / below for below in _listed(root / path))


def below(root: Path) -> list[Path]:
    """All files of a folder, relative to it, sorted."""
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def _walked(root: Path) -> Iterator[Path]:
    count = total = 0
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in _LEFT_OUT and not name.endswith(".egg-info")]
        for name in names:
            path = Path(folder, name)
            if not path.is_file():
                continue
            count, total = count + 1, total + path.stat().st_size
            if count > _MOST_FILES or total > _MOST_BYTES:
                raise UsageError(
                    f"more than {_MOST_FILES} files or 2 GiB to copy", where=str(root),
                    remedy="make it a git repository, or give the scenario a folder of its own",
                )  # fmt: skip
            yield path.relative_to(root)


def digest(root: Path, paths: Sequence[Path]) -> str:
    """Of names and contents."""
    found = hashlib.sha256()
    for path in paths:
        found.update(os.fsencode(path) + b"\0")
        try:
            with (root / path).open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise StorageError(f"cannot be read: {error.strerror}", where=str(root / path)) from error
    return found.hexdigest()


def copy(root: Path, paths: Sequence[Path], target: Path) -> None:
    """The files, modes and times kept."""
    target.mkdir(parents=True)
    try:
        for path in paths:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, target / path)
    except OSError as error:
        raise StorageError(
            f"{root} could not be copied: {error.strerror}", where=str(target), remedy="free some space"
        ) from error
