"""What `--base` means: a git ref, a wheel, a directory, or a released version."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchkit.errors import BenchkitError, UsageError

_VERSION: Final = re.compile(
    r"v?\d+(\.\d+)*([._-]?(a|b|rc|alpha|beta|post|dev)[._-]?\d*)*(\+[a-z0-9.]+)?", re.IGNORECASE
)
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[A-Za-z0-9,._-]*\])?==([A-Za-z0-9.!+_-]+)")
_GIT_S: Final = 120.0

Kind = Literal["working-tree", "git", "directory", "wheel", "release"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one side's code comes from."""

    kind: Kind
    told: str
    """For people: `main (1a2b3c4d)`."""
    root: Path | None = None
    """Of git: the repository; of a directory: itself. A package has none."""
    commit: str = ""
    requirement: str = ""
    """What pip is told of a package: `name==1.2`, or the wheel's path."""


@dataclass(frozen=True, slots=True)
class Place:
    """The candidate's project: where the scenario stands in it."""

    root: Path
    """What is copied and what paths are mapped from."""
    project: Path
    """The folder that is installed, `root` or below."""
    git: bool

    def inside(self, path: Path) -> Path | None:
        """Relative to the root; None for what lies elsewhere."""
        path = path.resolve()
        return path.relative_to(self.root) if path.is_relative_to(self.root) else None


def place(scenario: Path, cwd: Path) -> Place:
    """The repository around the scenario, else the one around the working directory, else the scenario's folder."""
    folder = scenario.resolve().parent
    root = toplevel(folder) or _around(cwd, folder) or _project(folder, Path(folder.anchor)) or folder
    project = _project(folder, root) or _project(cwd.resolve(), root) or root
    return Place(root, project, git=toplevel(root) is not None)


def _around(cwd: Path, folder: Path) -> Path | None:
    top = toplevel(cwd)
    return top if top is not None and folder.is_relative_to(top) else None


def _project(folder: Path, root: Path) -> Path | None:
    """The nearest folder, up to the root, that pip could install."""
    if not folder.is_relative_to(root):
        return None
    for each in (folder, *folder.parents):
        if installable(each):
            return each
        if each == root:
            break
    return None


def installable(folder: Path) -> bool:
    """It says how it is built."""
    file = folder / "pyproject.toml"
    try:
        told = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    except (OSError, ValueError):
        return True  # pip says what is wrong with it
    return "project" in told or "build-system" in told or (folder / "setup.py").is_file()


def resolve(text: str, where: Place, cwd: Path) -> Origin:
    """What `--base TEXT` names; raises UsageError with what was tried."""
    if not text.isprintable() or not text or text.startswith("-"):
        raise _nothing(text, where)
    path = cwd / Path(text).expanduser()
    if text.endswith(".whl"):
        if not path.is_file():
            raise UsageError("no such wheel", where=f"--base {text}", remedy="build it, or correct the path")
        return Origin("wheel", path.name, requirement=str(path.resolve()))
    if match := _REQUIREMENT.fullmatch(text):
        return Origin("release", f"{match[1]} {match[3]}", requirement=text)
    commit = _commit(where.root, text) if where.git else None
    if commit is not None:
        return Origin("git", f"{text} ({commit[:8]})", where.root, commit)
    if path.is_dir():
        return Origin("directory", str(text), path.resolve())
    if _VERSION.fullmatch(text):
        name = _name(where.project)
        if not name:
            # No guess: a package of that name may be anybody's.
            raise UsageError(
                "a version of what? no pyproject.toml here names a project", where=f"--base {text}",
                remedy=f"write name=={text.removeprefix('v')}",
            )  # fmt: skip
        return Origin("release", f"{name} {text}", requirement=f"{name}=={text.removeprefix('v')}")
    raise _nothing(text, where)


def candidate(where: Place) -> Origin:
    """What is in the working tree now, committed or not."""
    if not where.git:
        return Origin("working-tree", f"the files of {where.root.name}", where.root)
    head = _commit(where.root, "HEAD")
    changed = bool(git(where.root, "status", "--porcelain", "-z").strip())
    told = f"working tree ({head[:8]}{', changed' if changed else ''})" if head else "working tree"
    return Origin("working-tree", told, where.root, head or "")


def _name(project: Path) -> str:
    """Of the project's distribution; empty where it has none."""
    try:
        return str(tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _nothing(text: str, where: Place) -> UsageError:
    around = (
        f"no commit of {where.root.name}"
        if where.git
        else f"{where.root.name} is no git repository, so no ref"
    )
    shallow = where.git and git(where.root, "rev-parse", "--is-shallow-repository").strip() == "true"
    remedy = (
        "this clone is shallow: fetch the ref first, in GitHub Actions with `fetch-depth: 0`"
        if shallow
        else "give a git ref, a wheel, a directory, or a version such as 0.1.0 or name==0.1.0"
    )
    return UsageError(
        f"{around}, no wheel, no directory and no version", where=f"--base {text}", remedy=remedy
    )


def toplevel(folder: Path) -> Path | None:
    """The work tree that a folder lies in."""
    try:
        told = git(folder, "rev-parse", "--show-toplevel").strip()
    except BenchkitError:
        return None
    return Path(told).resolve() if told else None


def _commit(root: Path, ref: str) -> str | None:
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").strip()
    except BenchkitError:
        return None


def git(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What git answers; raises BenchkitError with its words."""
    return _git(folder, arguments, env).decode("utf-8", "surrogateescape")


def _git(folder: Path, arguments: Sequence[str], env: dict[str, str] | None) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=_GIT_S, check=False, env=env
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchkitError(f"git could not be run: {error}", remedy="install git") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise BenchkitError(f"git {arguments[0]}: {said or 'failed'}", where=str(folder))
    return done.stdout
